# backup_table with conditions on a key: what the parts of a backup tell of their keys, and what is read for it
# (table_keys.py). Tables are of several parts: rows are wide.
load ../helper
load server

setup_file() {
  pg_server_start
  newdb keys && q keys <<'SQL'
CREATE TABLE numbers (id bigint PRIMARY KEY, pad text);
INSERT INTO numbers SELECT i, repeat('x', 2000) FROM generate_series(1, 7000) AS i;
CREATE TABLE shuffled (gone int, twice int GENERATED ALWAYS AS (id * 2) STORED, pad text, id int PRIMARY KEY);
ALTER TABLE shuffled DROP gone;
INSERT INTO shuffled (pad, id) SELECT repeat('x', 2000), i FROM generate_series(1, 7000) AS i ORDER BY md5(i::text);
CREATE TABLE below_zero (id smallint PRIMARY KEY, pad text);
INSERT INTO below_zero SELECT -i, repeat('x', 2000) FROM generate_series(-3000, 4000) AS i;
CREATE TABLE uuids ("the ""id""" uuid PRIMARY KEY, pad text);
INSERT INTO uuids SELECT md5(i::text)::uuid, repeat('x', 2000) FROM generate_series(1, 7000) AS i ORDER BY 1;
CREATE TABLE names (name text PRIMARY KEY, pad text);
INSERT INTO names SELECT CASE WHEN i = 3000 THEN 'käse' WHEN i = 5500 THEN repeat('long ', 20)
                              WHEN i = 1 THEN '' WHEN i % 9 = 0 THEN 'Upper "' || i ELSE 'name ' || i END,
                         repeat('x', 2000) FROM generate_series(1, 9000) AS i;
CREATE TABLE stamps (n int, at timestamptz, pad text, PRIMARY KEY (at, n));
INSERT INTO stamps SELECT i % 3, CASE WHEN i = 6999 THEN 'infinity' ELSE timestamptz '2024-01-01 UTC' + i * interval '1 hour' END,
                          repeat('x', 2000) FROM generate_series(1, 7000) AS i;
CREATE DOMAIN small AS int;
CREATE TABLE domains (id small PRIMARY KEY, pad text);
INSERT INTO domains SELECT i, repeat('x', 2000) FROM generate_series(1, 100) AS i;
CREATE TABLE decimals (id numeric PRIMARY KEY, pad text);
INSERT INTO decimals SELECT i, repeat('x', 2000) FROM generate_series(1, 100) AS i;
CREATE TABLE keyless (id int, pad text);
INSERT INTO keyless SELECT i, repeat('x', 2000) FROM generate_series(1, 100) AS i;
CREATE TABLE parted (id int NOT NULL, region text NOT NULL, pad text) PARTITION BY LIST (region);
CREATE TABLE parted_a PARTITION OF parted (PRIMARY KEY (id)) FOR VALUES IN ('a');
CREATE TABLE parted_b PARTITION OF parted (PRIMARY KEY (region, id)) FOR VALUES IN ('b');
CREATE TABLE parted_c PARTITION OF parted DEFAULT;
INSERT INTO parted SELECT i, CASE WHEN i < 5000 THEN 'a' WHEN i < 9000 THEN 'b' ELSE 'other' END, repeat('x', 2000)
  FROM generate_series(1, 10000) AS i;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE moods (mood mood, id int) PARTITION BY HASH (mood);
CREATE TABLE moods_0 PARTITION OF moods (PRIMARY KEY (id)) FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO moods SELECT CASE i % 2 WHEN 0 THEN 'good' ELSE 'bad' END::mood, i FROM generate_series(1, 100) AS i;
SQL
  export BACKUP_DIR=$BATS_FILE_TMPDIR
  export FILE
  FILE=$(sql "SELECT backup_create('$(url keys)', '{\"jobs\":2}')")
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  export BACKUP_DIR=$T
}

keys() { python -B "$PG_HERE/table_keys.py" "$@"; }

@test "conditions on a key give what they give of a copy of the table" {
  run keys model "$FILE" "${SEED:-$RANDOM}"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output == *'{"below_zero": "id", "decimals": null, "domains": null, "keyless": null, "moods": '*', "names": "name", "numbers": "id", "parted_a": "id", "parted_b": "region", "parted_c": null, "shuffled": "id", "stamps": "at", "uuids": "the \"id\""}'* ]]
}

@test "only parts that may have the key are read" {
  keys blocks "$FILE"
}

@test "keys that have no range are found" {
  run -0 sql "CREATE VIRTUAL TABLE temp.x USING backup_table('$FILE', 'names')" \
    "SELECT count(*) FROM x WHERE name = 'käse'" "SELECT count(*) FROM x WHERE name = replace(hex(zeroblob(10)), '00', 'long ') || replace(hex(zeroblob(10)), '00', 'long ')" \
    "SELECT count(*) FROM x WHERE name = ''" "SELECT count(*) FROM x WHERE name > 'name 9999'" "SELECT count(*) FROM x WHERE name > 'name 9998' AND name < 'o'"
  [ "$output" = $'1\n1\n1\n0\n0' ]
}

@test "the plan: one value of a key is cheap enough for a join" {
  run -0 sql "CREATE VIRTUAL TABLE temp.x USING backup_table('$FILE', 'numbers')" "CREATE TABLE lost(id INTEGER PRIMARY KEY)" \
    "INSERT INTO lost VALUES (5), (7)" "EXPLAIN QUERY PLAN SELECT * FROM x WHERE id = 5" \
    "EXPLAIN QUERY PLAN SELECT * FROM x WHERE id > 5 AND id < 9" "EXPLAIN QUERY PLAN SELECT * FROM x WHERE pad = 'x'"
  echo "$output"
  [ "$(grep -oE 'INDEX [0-9]+' <<<"$output" | paste -sd' ')" = 'INDEX 8 INDEX 48 INDEX 0' ]
}

@test "a backup of data alone, whose tables are one part each" {
  file=$(sql "SELECT backup_create('$(url keys)', '{\"data_only\":true,\"name\":\"data\",\"tables\":[\"numbers\",\"uuids\"]}')")
  [ "$(sql "CREATE VIRTUAL TABLE temp.x USING backup_table('$file', 'numbers')" "SELECT count(*) FROM x WHERE id = '77'")" = 1 ]
  [ "$(sql "SELECT backup_verify('$file')")" = ok ]
}
