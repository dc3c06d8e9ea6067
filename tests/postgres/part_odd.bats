# Restoring some tables where the target is not as simple as it looks: what is between the tables, and what is odd in one.
load ../helper
load server

setup_file() {
  pg_server_start
  mkdir "$BATS_FILE_TMPDIR/b"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b PGOPTIONS='-c client_min_messages=error'
  newdb app
}

# back_up [OPTIONS]: the database as it is; its path
back_up() { path=$(sql "SELECT backup_create('$(url app)', '{\"name\":\"app\"${1:+,$1}}')"); }
# part TABLES [OPTIONS] [BACKUP]: what the report says of notes and tables, or the error
part() {
  local out status=0
  out=$(sql "SELECT backup_restore('${3:-$path}', '$(url app)', '{\"pre_restore\":false,\"tables\":[${1//\'/\'\'}]${2:+,$2}}')" 2>&1) || status=$?
  sed -E "s/^.*\"check\":(\"ok\"|null),//; s/\}$//; s/^Runtime error near line 1: //; s| on $PG_WORLD/main:[0-9]+||
    s|$BATS_FILE_TMPDIR/b/app[^:]*|FILE|; s/ \([0-9]+\)$//" <<<"$out"
  return $status
}
says() { [ "$2" = "$1" ] || { printf 'wanted: %s\ngot:    %s\n' "$1" "$2"; return 1; }; }
counts() {
  local told
  told=$(part "${@:2}") || true
  says "$1" "$(grep -oE '"(added|changed|removed|kept)":[0-9]+' <<<"$told" | sed 's/.*://' | paste -sd' ')" || { echo "$told"; return 1; }
}
refused() {
  run part "${@:2}"
  [ "$status" -ne 0 ]
  says "$1" "$output"
}

@test "foreign keys with actions that lead to another table of the list are that one's business" {
  q app "CREATE TABLE one (code int PRIMARY KEY); CREATE TABLE two (id int PRIMARY KEY);
    CREATE TABLE child (id int PRIMARY KEY REFERENCES two ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE parts (z int, id int PRIMARY KEY) PARTITION BY LIST (id);
    CREATE TABLE part_1 (id int NOT NULL, z int); ALTER TABLE parts ATTACH PARTITION part_1 FOR VALUES IN (1);
    CREATE TABLE of_part (id int REFERENCES part_1 ON DELETE CASCADE);
    INSERT INTO one VALUES (1), (2); INSERT INTO two VALUES (1), (2); INSERT INTO child VALUES (1), (2);
    INSERT INTO parts VALUES (1, 1)"
  back_up
  q app "INSERT INTO one VALUES (3); INSERT INTO two VALUES (3)"
  counts '0 0 1 2 0 0 1 2 0 0 0 1' '"one","two","parts"'
  q app "INSERT INTO two VALUES (3); INSERT INTO child VALUES (3)"
  refused 'database "app": rows of child refer to rows of public.two that the backup lacks, and would be deleted or changed along; nothing was changed (restore as well: child)' '"one","two"'
}

@test "a note is told whole, however long it is" {
  q app "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)"
  back_up
  local names
  names=$(for i in {1..50}; do echo "column that only the target has $i"; done | sed 's/.*/"&"/' | paste -sd,)
  q app "DELETE FROM t; ALTER TABLE t ADD ${names//,/ int, ADD } int"
  run part '"t"'
  names=$(sed 's/"//g; s/,/, /g' <<<"$names")
  says "\"notes\":\"public.t: columns that only the target has kept their values, new rows have the default: $names\",\"tables\":[{\"table\":\"public.t\",\"added\":1,\"changed\":0,\"removed\":0,\"kept\":0}]" "$output"
}

@test "an identity GENERATED ALWAYS beside the key: left alone, or put back, and still ALWAYS" {
  q app "CREATE TABLE t (code text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text, UNIQUE (n, v));
    INSERT INTO t (code, v) VALUES ('a', 'x'), ('b', 'y'), ('c', 'z')"
  back_up
  q app "UPDATE t SET v = 'spoilt' WHERE code = 'b'"
  counts '0 1 0 2' '"t"'
  q app "DELETE FROM t WHERE code = 'a'; INSERT INTO t (code, v) VALUES ('a', 'new')"
  counts '0 1 0 2' '"t"' '"rows":"merge"'
  says 'a|1|x
b|2|y
c|3|z
a' "$(q app "TABLE t ORDER BY n; SELECT attidentity FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'n'")"
}

@test "sequences: values behind their end do not count, columns of odd types are left alone" {
  q app "CREATE TABLE t (id serial PRIMARY KEY); ALTER TABLE t ALTER id TYPE bigint;
    CREATE SEQUENCE s; CREATE TABLE f (id int PRIMARY KEY, n numeric DEFAULT nextval('s'), o oid DEFAULT nextval('s'), m money DEFAULT nextval('s'));
    INSERT INTO t VALUES (1), (70), (3000000000); INSERT INTO f VALUES (1, 7.5, 900, 900), (2, 'NaN', 4000000000, 5)"
  back_up
  q app "DELETE FROM t; DELETE FROM f"
  counts '3 0 0 0 2 0 0 0' '"t","f"'
  says '70|t
8|t' "$(q app 'SELECT last_value, is_called FROM t_id_seq; SELECT last_value, is_called FROM s')"
}

@test "columns that are called like ours" {
  q app 'CREATE TABLE t (lifeboat_whole int, lifeboat_number int, x text, s text, t int, tid tid, place oid); INSERT INTO t VALUES (1, 2), (1, 2), (3, 4)'
  back_up
  q app 'DELETE FROM t WHERE lifeboat_whole = 1'
  counts '2 0 0 1' '"t"'
}

@test "partitions that a backup of a part may not have had are not emptied; foreign ones are not touched" {
  q app "CREATE TABLE ev (id int, at int, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
    CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1); CREATE TABLE ev_2 PARTITION OF ev FOR VALUES IN (2);
    INSERT INTO ev SELECT i, 1 + i % 2 FROM generate_series(1, 10) AS i"
  back_up '"exclude_tables":["ev_2"]'
  q app "DELETE FROM ev WHERE id < 5"
  refused 'database "app": table public.ev: the backup has not this partition, and may be of a part of the database: ev_2, whose rows would all go (name the partitions that it has, or pass {"rows":"merge"})' '"ev"'
  counts '2 0 0 6' '"ev"' '"rows":"merge"'
  counts '0 0 0 5' '"ev_1"'
  pg_dump -d "$(url app)" -t ev -t ev_1 >some.sql
  refused 'database "app": table public.ev: the backup has not this partition, and may be of a part of the database: ev_2, whose rows would all go (name the partitions that it has, or pass {"rows":"merge"})' '"ev"' '' ./some.sql
  back_up
  # One that is newer than a whole backup goes, as its rows were not there.
  q app "CREATE TABLE ev_3 PARTITION OF ev FOR VALUES IN (3); INSERT INTO ev VALUES (1, 3)"
  counts '0 0 1 8' '"ev"'
  q app "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w;
    CREATE TABLE far (id int) PARTITION BY LIST (id); CREATE TABLE far_1 PARTITION OF far FOR VALUES IN (1); INSERT INTO far VALUES (1)"
  back_up
  q app "CREATE FOREIGN TABLE far_2 PARTITION OF far FOR VALUES IN (2) SERVER w"
  refused 'database "app": table public.far: one of its partitions is a foreign table, whose rows are on another server: far_2 (name the others, one by one)' '"far"'
  counts '0 0 0 1' '"far_1"'
}

@test "rows that follow others (CASCADE): all is told, and what has its values in the backup gets them" {
  q app "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE);
    INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
    CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE);
    ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE;
    CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE);
    CREATE TABLE child (id int PRIMARY KEY, code text REFERENCES parent (code) ON UPDATE CASCADE);
    INSERT INTO parent VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO child VALUES (1, 'a'), (2, 'b')"
  back_up
  q app "INSERT INTO tree VALUES (4, 3), (5, 4); UPDATE tree SET up = 4 WHERE id = 3"
  counts '0 1 2 2' '"tree"'
  q app "INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1), (2, 1); UPDATE a SET b = 1"
  counts '0 0 1 0 0 0 2 0' '"a","b"'
  # A third table that would follow is one of those that are looked at before the first row goes.
  q app "INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1; CREATE TABLE c (b int REFERENCES b ON DELETE CASCADE); INSERT INTO c VALUES (1)"
  refused 'database "app": rows of c refer to rows of public.b that the backup lacks, and would be deleted or changed along; nothing was changed (restore as well: c)' '"a","b"'
  says 1 "$(q app 'SELECT count(*) FROM c')"
  # Two codes have changed places, and the children went with them.
  q app "UPDATE parent SET code = 'x' WHERE id = 1; UPDATE parent SET code = 'a' WHERE id = 2; UPDATE parent SET code = 'b' WHERE id = 1; INSERT INTO child VALUES (3, 'c')"
  refused 'database "app": rows of child refer to rows of public.parent that change, and would be deleted or changed along; nothing was changed (restore as well: child)' '"parent"'
  counts '0 2 0 1 0 2 1 0' '"parent","child"'
  q app "UPDATE parent SET code = 'x' WHERE id = 1; UPDATE parent SET code = 'a' WHERE id = 2; UPDATE parent SET code = 'b' WHERE id = 1; INSERT INTO child VALUES (3, 'c')"
  counts '0 2 0 1 0 2 0 1' '"parent","child"' '"rows":"merge"'
  says '1|a
2|b
3|c' "$(q app 'TABLE child ORDER BY id')"
  q app "UPDATE parent SET code = 'd' WHERE id = 3"
  refused 'database "app": rows of child refer to rows of public.parent that change, and would be deleted or changed along; nothing was changed (change or delete these rows first, in: child)' '"parent","child"' '"rows":"merge"'
}

@test "scripts by hand: old partitions, INSERT, COPY with options, or with other columns than before" {
  dump() { { printf -- '--\n-- PostgreSQL database dump\n--\n\n'; printf '%s\n' "${@:2}"; printf -- '--\n-- PostgreSQL database dump complete\n--\n\n'; } >"$1"; }
  q app "CREATE SCHEMA old; CREATE TABLE old.ev (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE old.ev_1 PARTITION OF old.ev FOR VALUES IN (1);
    CREATE TABLE old.ev_2 PARTITION OF old.ev FOR VALUES IN (2); CREATE TABLE t (id int PRIMARY KEY, v text)"
  dump old.sql 'SET search_path = old, pg_catalog;' 'CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1);' 'ALTER TABLE ONLY ev ATTACH PARTITION ev_2 FOR VALUES IN (2);' \
    'COPY ev_1 (id) FROM stdin;' 1 '\.' 'COPY ev_2 (id) FROM stdin;' 2 '\.'
  counts '2 0 0 0' '"ev"' '' ./old.sql
  dump inserts.sql 'INSERT INTO public.t VALUES (1);'
  refused './inserts.sql: it has no rows of a table "t" (it has those of: none); its INSERT statements are not taken apart: restore it into a new database, and take the table from there' '"t"' '' ./inserts.sql
  dump options.sql 'COPY public.t (id, v) FROM stdin WITH (NULL '"'x'"');' $'1\tx' '\.'
  refused 'statement at byte 35 (COPY public.t (id, v) FROM stdin WITH (NULL …) has options: only plain COPY … FROM stdin is read' '"t"' '' ./options.sql
  for second in '(id)' '(v, id)' '(id, v, w)' ''; do
    dump columns.sql 'COPY public.t (id, v) FROM stdin;' $'1\tx' '\.' "COPY public.t $second FROM stdin;" '\.'
    refused "statement at byte 76 (COPY public.t $second FROM stdin) has other columns than the table's first COPY" '"t"' '' ./columns.sql
  done
  says 0 "$(q app 'SELECT count(*) FROM t')"
}

@test "constraints that are checked at the end, or in the way: what to do" {
  q app "CREATE TABLE late (id int PRIMARY KEY, a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO late VALUES (1, 1), (2, 2);
    CREATE TABLE once (id int PRIMARY KEY, a int, UNIQUE NULLS NOT DISTINCT (a)); INSERT INTO once VALUES (1, 1), (2, 2);
    CREATE TABLE checked (id int PRIMARY KEY, a int); INSERT INTO checked VALUES (1, 1);
    CREATE TABLE parent (id int PRIMARY KEY, u int UNIQUE); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE, u int UNIQUE);
    INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (1, 1, 1)"
  back_up
  q app "UPDATE late SET a = 9 WHERE id = 2; INSERT INTO late VALUES (3, 2)"
  refused 'nothing was changed: database "app": SET CONSTRAINTS ALL IMMEDIATE: duplicate key value violates unique constraint "late_a_key"; detail: Key (a)=(2) already exists. (another row of the target is in its way: change or delete that, or pass {"rows":"replace"})' '"late"' '"rows":"merge"'
  counts '0 1 1 1' '"late"'
  q app "UPDATE once SET a = a + 2; UPDATE once SET a = 3 - id"
  run part '"once"'
  [[ $output == 'nothing was changed: '*'Key (a)=(null) already exists. (rows of the target are in each other'"'"'s way: delete those, and try again)' ]]
  q app 'DELETE FROM once'
  counts '2 0 0 0' '"once"'
  q app "UPDATE checked SET a = 2; ALTER TABLE checked ADD CHECK (a > 1)"
  run part '"checked"'
  [[ $output == 'nothing was changed: '*" (change the table so that it takes the backup's rows)" ]]
  # Its own value is taken by a row that goes, so that it still refers to one that goes.
  q app "INSERT INTO parent VALUES (2, 2); UPDATE child SET u = 5, p = 2; INSERT INTO child VALUES (2, NULL, 1)"
  refused 'database "app": rows of child refer to rows of public.parent that the backup lacks, and would be deleted or changed along; nothing was changed (change or delete these rows first, in: child)' '"parent","child"'
}

@test "settings of the database do not change what values mean, nor that keys are checked" {
  q app "CREATE TABLE t (id int PRIMARY KEY, x xml, a text[]); INSERT INTO t VALUES (1, 'a<b/>c', '{NULL,\"NULL\"}')"
  back_up
  q app "DELETE FROM t; ALTER DATABASE app SET xmloption = document; ALTER DATABASE app SET array_nulls = off; ALTER DATABASE app SET search_path = nowhere"
  counts '1 0 0 0' '"t"'
  says '1|a<b/>c|t' "$(q app 'SELECT id, x, a[1] IS NULL FROM public.t')"
  newdb app && q app "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY REFERENCES p); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)"
  back_up
  q app "DELETE FROM c; DELETE FROM p; ALTER DATABASE app SET session_replication_role = replica"
  run part '"c"'
  [[ $output == 'nothing was changed: '*'violates foreign key constraint "c_id_fkey"'* ]]
}

@test "a collision that was got over is not blamed for the refusal after it" {
  q app "CREATE TABLE a (id int PRIMARY KEY, u int UNIQUE); CREATE TABLE b (id int PRIMARY KEY, code int UNIQUE);
    CREATE TABLE elsewhere (code int REFERENCES b (code) ON UPDATE CASCADE);
    INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)"
  back_up
  q app "UPDATE a SET u = 9; INSERT INTO a VALUES (2, 1); UPDATE b SET code = 9; INSERT INTO elsewhere VALUES (9)"
  refused 'database "app": rows of elsewhere refer to rows of public.b that change, and would be deleted or changed along; nothing was changed (restore as well: elsewhere)' '"a","b"'
}

@test "a function that finds what it calls by the search_path of its users: said, and what to do" {
  q app "CREATE FUNCTION inner_one(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(\$1)';
    CREATE FUNCTION outer_one(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN inner_one(x); END';
    CREATE TABLE t (id int PRIMARY KEY, v text CHECK (outer_one(v) = v)); INSERT INTO t VALUES (1, 'a'), (2, 'b')"
  back_up
  q app 'DELETE FROM t WHERE id = 1'
  run part '"t"' '"rows":"missing"'
  [ "$status" -ne 0 ]
  says='(a function calls it, and runs without a search_path here as in any restore: ALTER FUNCTION … SET search_path = …'
  [[ $output == *"function inner_one(text) does not exist"*"$says gives it one)" ]]
  run sql "SELECT backup_restore('$path', '$(url other)', '{\"create\":true}')"
  [ "$status" -ne 0 ]
  [[ $output == *"function inner_one(text) does not exist"*"$says"* ]]
  # The backup as it is, with a path written into its script.
  gunzip -c "$path" | sed "s/set_config('search_path', '', false)/set_config('search_path', 'public', false)/" >fixed.sql
  sql "SELECT backup_restore('./fixed.sql', '$(url other)', '{\"create\":true}')" >/dev/null
  says 2 "$(q other 'SELECT count(*) FROM t')"
  q postgres 'DROP DATABASE other'
  q app 'ALTER FUNCTION outer_one SET search_path = public'
  counts '1 0 0 1' '"t"' '"rows":"missing"'
  # A name of the statement's own has nothing to do with it.
  run sql "SELECT backup_restore('./fixed.sql', '$(url app)', '{\"tables\":[\"nope\"]}')"
  [[ $output != *search_path* ]]
}
