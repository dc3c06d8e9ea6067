# Restoring some tables into a PostgreSQL database that goes on living.
load ../helper
load server

setup_file() {
  pg_server_start
  newdb shop
  q shop <<'SQL'
CREATE SCHEMA audit;
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, boss bigint REFERENCES users);
CREATE TABLE messages (id serial PRIMARY KEY, "user" bigint NOT NULL REFERENCES users ON DELETE CASCADE,
  text text NOT NULL, j json, length int GENERATED ALWAYS AS (length(text)) STORED);
CREATE TABLE "Odd ""name" ("select" int, "a.b" text, n numeric, PRIMARY KEY ("a.b", "select"));
CREATE TABLE log (line text, n numeric, number int);
CREATE TABLE audit.log (id int PRIMARY KEY);
CREATE TABLE places (list int, place int NOT NULL, what text, id int PRIMARY KEY, UNIQUE (list, place));
CREATE TABLE ev (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE ev_2024 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE "Ev 2025" PARTITION OF ev FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (id);
CREATE TABLE ev_2025_low PARTITION OF "Ev 2025" FOR VALUES FROM (0) TO (50);
CREATE TABLE ev_2025_high PARTITION OF "Ev 2025" FOR VALUES FROM (50) TO (1000);
INSERT INTO users (email, boss) SELECT 'u' || i, nullif(i / 2, 0) FROM generate_series(1, 50) AS i;
INSERT INTO messages ("user", text, j) SELECT i % 50 + 1, E'm\t\\' || i, '{"a": 1}' FROM generate_series(1, 500) AS i;
INSERT INTO "Odd ""name" SELECT i, 'k' || i % 3, i FROM generate_series(1, 30) AS i;
INSERT INTO log SELECT 'line ' || i % 3, 1.50, i % 2 FROM generate_series(1, 12) AS i;
INSERT INTO audit.log SELECT generate_series(1, 5);
INSERT INTO places SELECT 1, i, 'p' || i, i FROM generate_series(1, 20) AS i;
INSERT INTO ev SELECT i, date '2024-12-01' + i, 'v' || i FROM generate_series(1, 80) AS i;
CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF current_setting('shop.quiet', true) IS NULL THEN RAISE EXCEPTION 'fired'; END IF; RETURN coalesce(new, old); END $$;
CREATE TRIGGER t_origin BEFORE INSERT OR UPDATE OR DELETE ON messages FOR EACH ROW EXECUTE FUNCTION never();
CREATE TRIGGER t_always BEFORE INSERT OR UPDATE OR DELETE ON messages FOR EACH ROW EXECUTE FUNCTION never();
CREATE TRIGGER t_off BEFORE INSERT OR UPDATE OR DELETE ON messages FOR EACH ROW EXECUTE FUNCTION never();
CREATE TRIGGER t_replica BEFORE INSERT OR UPDATE OR DELETE ON messages FOR EACH ROW EXECUTE FUNCTION never();
ALTER TABLE messages ENABLE ALWAYS TRIGGER t_always;
ALTER TABLE messages DISABLE TRIGGER t_off;
ALTER TABLE messages ENABLE REPLICA TRIGGER t_replica;
CREATE TRIGGER ev_t BEFORE INSERT ON ev FOR EACH ROW EXECUTE FUNCTION never();
ALTER TABLE ev_2025_low ENABLE ALWAYS TRIGGER ev_t;
ALTER TABLE ev_2024 DISABLE TRIGGER ev_t;
SQL
  mkdir "$BATS_FILE_TMPDIR/b"
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
  sql "SELECT backup_create('$(url shop)')"
  # The old tables stay beside, as what is expected.
  q shop "CREATE SCHEMA old; SET client_min_messages = error; $(for t in users messages '\"Odd \"\"name\"' log places ev; do
    echo "CREATE TABLE old.${t//\\/} AS TABLE public.${t//\\/};"; done) CREATE TABLE old.audit AS TABLE audit.log"
  q shop "SET shop.quiet = on; DELETE FROM messages WHERE id <= 10; UPDATE messages SET text = 'oops' WHERE id > 490;
    INSERT INTO users (email) VALUES ('new'); INSERT INTO messages (\"user\", text) VALUES (51, 'since');
    UPDATE users SET email = '' WHERE id = 1; UPDATE users SET email = 'u1' WHERE id = 2;
    UPDATE users SET email = 'u2', boss = 51 WHERE id = 1; UPDATE messages SET \"user\" = 51 WHERE id = 100;
    DELETE FROM \"Odd \"\"name\" WHERE \"select\" = 3; UPDATE \"Odd \"\"name\" SET n = 4.0 WHERE \"select\" = 4;
    INSERT INTO \"Odd \"\"name\" VALUES (99, 'k', 1);
    DELETE FROM log WHERE ctid IN (SELECT ctid FROM log LIMIT 5); INSERT INTO log VALUES ('x', 1, 1), ('line 1', 1.5, 1);
    UPDATE places SET place = place + 100; UPDATE places SET place = place - 99 WHERE id <= 19;
    UPDATE places SET place = 1 WHERE id = 20; INSERT INTO places VALUES (1, 21, 'since', 21);
    DELETE FROM ev WHERE id < 5; UPDATE ev SET v = 'q' WHERE id = 40; UPDATE ev SET at = '2025-03-03' WHERE id = 6"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
  q postgres "SET client_min_messages = error; DROP DATABASE IF EXISTS app WITH (FORCE); CREATE DATABASE app TEMPLATE shop"
}

# part OPTIONS [BACKUP]: the report without what changes from run to run
part() {
  local out status=0
  out=$(sql "SELECT backup_restore('${2:-latest:shop}', '$(url app)', '${1//\'/\'\'}')" 2>&1) || status=$?
  sed -E 's/^.*"check":("ok"|null),//; s/\}$//' <<<"$out"
  return $status
}
refused() {  # refused WANT OPTIONS [BACKUP]: exactly this message, and the database is as it was
  local before after
  before=$(state)
  run part "${@:2}"
  after=$(sed -E "s/^(Runtime|Parse) error near line [0-9]+: //; s/ \([0-9]+\)$//; s|$BATS_FILE_TMPDIR/b/||;
    s/20[0-9]{6}_[0-9]{6}(_[0-9]+)?/STAMP/g; s|on $PG_WORLD/[a-z0-9]*:[0-9]+|on HOST|g" <<<"$output")
  [ "$after" = "$1" ] || { printf 'wanted: %s\ngot:    %s\n' "$1" "$after"; return 1; }
  [ "$(state)" = "$before" ]
}
# All rows, and how triggers, keys and columns are.
state() {
  q app "SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT 'u' || u::text FROM users u UNION ALL
    SELECT 'm' || m::text FROM messages m UNION ALL SELECT 'o' || o::text FROM \"Odd \"\"name\" o UNION ALL
    SELECT 'l' || l::text FROM log l UNION ALL SELECT 'e' || e::text FROM ev e UNION ALL
    SELECT 'p' || p::text FROM places p) AS x(r)"
  schema_state
}
schema_state() {
  q app "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgconstraint = 0 ORDER BY 1, 2;
    SELECT conname, condeferrable, condeferred FROM pg_constraint WHERE contype = 'f' ORDER BY 1;
    SELECT attrelid::regclass, attname, attnotnull FROM pg_attribute WHERE attrelid::regclass::text IN ('places', 'users')
     AND attnum > 0 ORDER BY 1, 2"
}
same_rows() {  # same_rows TABLE OLD: table for table, row for row
  [ "$(q app "SELECT count(*) FROM ((TABLE $1 EXCEPT ALL TABLE $2) UNION ALL (TABLE $2 EXCEPT ALL TABLE $1)) x")" = 0 ]
}
says() { [ "$2" = "$1" ] || { printf 'wanted: %s\ngot:    %s\n' "$1" "$2"; return 1; }; }

@test "missing: only rows whose key is gone; triggers did not run, and are what they were" {
  before=$(schema_state)
  says '"notes":"triggers on public.messages did not run: t_always, t_origin","tables":[{"table":"public.messages","added":10,"changed":0,"removed":0,"kept":491}]' \
    "$(part '{"tables":["messages"],"rows":"missing"}')"
  says "$before" "$(schema_state)"
  says '501|10|0' "$(q app "SELECT count(*), count(*) FILTER (WHERE text = 'oops'), count(*) FILTER (WHERE length <> length(text)) FROM messages")"
  says '10' "$(q app "SELECT count(*) FROM messages m JOIN old.messages o USING (id) WHERE id <= 10 AND m::text = o::text")"
}

@test "merge: rows of the backup win, rows written since stay, exchanged values find home" {
  before=$(schema_state)
  says '"notes":"triggers on public.messages did not run: t_always, t_origin","tables":[{"table":"public.users","added":0,"changed":2,"removed":0,"kept":49},{"table":"public.messages","added":10,"changed":11,"removed":0,"kept":480}]' \
    "$(part '{"tables":["users","messages"],"rows":"merge","pre_restore":false}')"
  says "$before" "$(schema_state)"
  says '1|u1|
2|u2|1
51|new|' "$(q app 'SELECT * FROM users WHERE id IN (1, 2, 51) ORDER BY 1')"
  says since "$(q app 'SELECT text FROM messages WHERE id = 501')"
}

@test "what changes nothing is rolled back, and the copy that was saved first goes again" {
  local nothing='"notes":"nothing was changed, so the copy that was saved first was removed again","tables":' copies
  part '{"tables":["users","messages","audit.log"],"pre_restore":false}' >/dev/null
  copies=$(ls "$BACKUP_DIR")
  before=$(state)
  for rows in replace missing merge; do
    says "$nothing"'[{"table":"public.users","added":0,"changed":0,"removed":0,"kept":50}]' \
      "$(part "{\"tables\":[\"users\"],\"rows\":\"$rows\"}")"
  done
  says "$nothing"'[{"table":"audit.log","added":0,"changed":0,"removed":0,"kept":'"$(q app 'SELECT count(*) FROM audit.log')}]" \
    "$(part '{"tables":["audit.log"]}')"
  says "$copies" "$(ls "$BACKUP_DIR")"
  says "$before" "$(state)"
  # A sequence that moves is a change, which no rollback takes back.
  q app "SELECT setval(pg_get_serial_sequence('users', 'id'), 3)" >/dev/null
  part '{"tables":["users"]}' >/dev/null
  says 50 "$(q app "SELECT last_value FROM $(q app "SELECT pg_get_serial_sequence('users', 'id')")")"
  says 1 "$(comm -13 <(echo "$copies") <(ls "$BACKUP_DIR") | grep -c before_restore)"
  rm "$BACKUP_DIR/$(comm -13 <(echo "$copies") <(ls "$BACKUP_DIR"))"
}

@test "replace: the tables are the backup's, whatever refers to what; what is there was saved first" {
  before=$(schema_state)
  part '{"tables":["users","messages"]}' >/dev/null
  says "$before" "$(schema_state)"
  same_rows users old.users
  says 0 "$(q app "SELECT count(*) FROM messages m FULL JOIN old.messages o USING (id) WHERE m::text IS DISTINCT FROM o::text")"
  saved=$(find "$BACKUP_DIR" -name 'app_postgres_before_restore_*' -newer "$T" | sort | tail -n 1)
  zcat "$saved" | grep -q since
}

@test "only one column of a UNIQUE and NOT NULL is handed on: places in a list" {
  before=$(schema_state)
  says '"notes":null,"tables":[{"table":"public.places","added":0,"changed":20,"removed":1,"kept":0}]' \
    "$(part '{"tables":["places"],"pre_restore":false}')"
  same_rows places old.places
  says "$before" "$(schema_state)"
}

@test "odd names, a key of several columns, numbers that are equal and not the same" {
  says '"notes":null,"tables":[{"table":"public.Odd \"name","added":1,"changed":1,"removed":1,"kept":28}]' \
    "$(part '{"tables":["Odd \"name"],"pre_restore":false}')"
  same_rows '"Odd ""name"' 'old."Odd ""name"'
  says 4 "$(q app "SELECT n FROM \"Odd \"\"name\" WHERE \"select\" = 4")"
  says '"notes":null,"tables":[{"table":"public.Odd \"name","added":0,"changed":0,"removed":0,"kept":30}]' \
    "$(part '{"tables":["public.\"Odd \"\"name\""],"pre_restore":false}')"
}

@test "without a key: equal rows are paired off, and only replace is possible" {
  says '"notes":null,"tables":[{"table":"public.log","added":5,"changed":0,"removed":2,"kept":7}]' \
    "$(part '{"tables":["public.log"],"pre_restore":false}')"
  says 0 "$(q app "SELECT count(*) FROM ((SELECT l::text FROM log l EXCEPT ALL SELECT o::text FROM old.log o) UNION ALL
    (SELECT o::text FROM old.log o EXCEPT ALL SELECT l::text FROM log l)) x")"
  refused 'database "app" on HOST: table public.log: it has no primary key by which rows could be told apart, only "rows":"replace" is possible' \
    '{"tables":["public.log"],"rows":"merge"}'
}

@test "partitioned tables: whole, a branch, a leaf; each trigger is what it was" {
  before=$(schema_state)
  says '"notes":"triggers on public.ev did not run: ev_t","tables":[{"table":"public.ev","added":5,"changed":1,"removed":1,"kept":74}]' \
    "$(part '{"tables":["ev"],"pre_restore":false}')"
  same_rows ev old.ev
  says "$before" "$(schema_state)"
  q app "SET shop.quiet = on; SET session_replication_role = replica; DELETE FROM ev WHERE id > 60; DELETE FROM ev WHERE id = 1"
  says '20' "$(part '{"tables":["Ev 2025"],"pre_restore":false}' | grep -o '"added":[0-9]*' | cut -d: -f2)"
  says '79' "$(q app 'SELECT count(*) FROM ev')"
  part '{"tables":["ev_2024"],"pre_restore":false}'
  same_rows ev old.ev
  says "$before" "$(schema_state)"
  refused 'shop_postgres_STAMP.sql.gz: of the tables ev_2024 and ev one is part of the other: name one of them' \
    '{"tables":["ev","ev_2024"]}'
}

@test "a reference that would be broken: an error, and triggers are what they were" {
  q app "SET shop.quiet = on; SET session_replication_role = replica; DELETE FROM users WHERE id = 7; DELETE FROM messages WHERE \"user\" = 7"
  refused 'nothing was changed: database "app" on HOST: INSERT INTO "public"."messages" ("id", "user", "text", "j") OVERRIDING SYSTEM…: insert or update on table "messages" violates foreign key constraint "messages_user_fkey"; detail: Key (user)=(7) is not present in table "users". (restore the tables at the other end as well)' \
    '{"tables":["messages"],"rows":"missing"}'
  refused 'database "app" on HOST: rows of messages refer to rows of public.users that the backup lacks, and would be deleted or changed along; nothing was changed (restore as well: messages)' \
    '{"tables":["users"]}'
  part '{"tables":["messages","users"]}' >/dev/null
  same_rows users old.users
}

@test "rows in each other's way: an error with a way out" {
  q app "UPDATE users SET email = 'u33' WHERE id = 51" 2>/dev/null ||
    q app "UPDATE users SET email = 'other' WHERE id = 33; UPDATE users SET email = 'u33' WHERE id = 51"
  refused 'nothing was changed: database "app" on HOST: UPDATE ONLY "public"."users" AS t SET "email" = s."email", "boss" = s."boss" …: duplicate key value violates unique constraint "users_email_key"; detail: Key (email)=(u33) already exists. (another row of the target is in its way: change or delete that, or pass {"rows":"replace"})' \
    '{"tables":["users"],"rows":"merge"}'
  part '{"tables":["users","messages"],"pre_restore":false}' >/dev/null
  same_rows users old.users
}

@test "columns that only one side has" {
  q app "ALTER TABLE places ADD extra int NOT NULL DEFAULT 7; UPDATE places SET extra = id; ALTER TABLE places DROP what;
    DELETE FROM places WHERE id = 5"
  refused 'database "app" on HOST: table public.places: it lacks columns that the backup has: what (ALTER TABLE … ADD COLUMN, or pass {"columns":"common"} to leave them out)' \
    '{"tables":["places"]}'
  says '"notes":"public.places: columns of the backup that the target lacks were left out: what\u000apublic.places: columns that only the target has kept their values, new rows have the default: extra","tables":[{"table":"public.places","added":1,"changed":19,"removed":1,"kept":0}]' \
    "$(part '{"tables":["places"],"columns":"common","pre_restore":false}')"
  says '1|5|5|7
1|6|6|6' "$(q app 'SELECT list, place, id, extra FROM places WHERE id IN (5, 6) ORDER BY 1, 2')"
  q app "ALTER TABLE places ALTER extra DROP DEFAULT"
  refused 'database "app" on HOST: table public.places: the backup lacks a column that is NOT NULL and has no default: extra' \
    '{"tables":["places"],"columns":"common"}'
}

@test "sequences are moved forward, never back" {
  q app "SET shop.quiet = on; SET session_replication_role = replica; DELETE FROM messages; SELECT setval('messages_id_seq', 1, false)"
  part '{"tables":["messages","users"],"pre_restore":false}' >/dev/null
  says '500|t' "$(q app 'SELECT last_value, is_called FROM messages_id_seq')"
  q app "SELECT setval('messages_id_seq', 900)"
  part '{"tables":["messages"],"pre_restore":false}' >/dev/null
  says 900 "$(q app 'SELECT last_value FROM messages_id_seq')"
}

@test "what is refused, in its words" {
  refused 'shop_postgres_STAMP.sql.gz: there are several tables "log": audit.log, public.log (name the schema as well, and put what is not in lower case in double quotes)' '{"tables":["log"]}' ||
    refused 'shop_postgres_STAMP.sql.gz: there are several tables "log": public.log, audit.log (name the schema as well, and put what is not in lower case in double quotes)' '{"tables":["log"]}'
  run part '{"tables":["nothing"]}'
  [[ $output == *'it has no rows of a table "nothing" (it has those of: '*public.users* ]]
  refused 'option "tables" must be a text or an array of texts, and not empty' '{"tables":[]}'
  refused 'option "mode" is for a restore of the whole database, not of some "tables"' '{"tables":["users"],"mode":"swap"}'
  refused 'option "create" is for a restore of the whole database, not of some "tables"' '{"tables":["users"],"create":true}'
  refused 'option "rows" is for a restore of some tables: pass "tables" too' '{"rows":"merge"}'
  q app "ALTER TABLE places DROP CONSTRAINT places_pkey; DELETE FROM places WHERE id > 1; ALTER TABLE places ADD PRIMARY KEY (list)"
  run part '{"tables":["places"]}'
  [[ $output == *'two rows of the backup share a key of public.places: '*'Key (list)=(1) is duplicated.'* ]]
  q app "CREATE RULE r AS ON INSERT TO audit.log DO INSTEAD NOTHING"
  refused 'database "app" on HOST: table audit.log: rules would take the writes elsewhere: r (ALTER TABLE … DISABLE RULE)' '{"tables":["audit.log"]}'
  q app "DROP TABLE audit.log; CREATE VIEW audit.log AS SELECT 1 AS id"
  refused 'database "app" on HOST: table audit.log: it is a view here' '{"tables":["audit.log"]}'
  q app "DROP VIEW audit.log"
  refused 'database "app" on HOST: table audit.log: there is no such table (restore the backup into a new database, and take it from there)' \
    '{"tables":["audit.log"]}'
  q app "CREATE TABLE audit.log (id int, x int PRIMARY KEY)"
  refused 'database "app" on HOST: table audit.log: the backup lacks a column of its primary key: x' '{"tables":["audit.log"]}'
}

@test "a dump of pg_dump, compressed or not, tables in any order" {
  pg_dump -d "$(url shop)" -n public -n audit >shop.sql
  gzip -k shop.sql
  for dump in ./shop.sql ./shop.sql.gz; do
    q app "SET shop.quiet = on; SET session_replication_role = replica; DELETE FROM messages WHERE id > 400; DELETE FROM audit.log WHERE id > 2"
    # The dump is of the spoiled database.
    says '"notes":"triggers on public.messages did not run: t_always, t_origin","tables":[{"table":"audit.log","added":3,"changed":0,"removed":0,"kept":2},{"table":"public.messages","added":101,"changed":0,"removed":0,"kept":390}]' \
      "$(part '{"tables":["audit.log","messages"],"pre_restore":false}' "$dump")"
    says 491 "$(q app 'SELECT count(*) FROM messages')"
  done
  head -n -8 shop.sql >cut.sql
  refused './cut.sql: the last line of pg_dump is missing: the dump was not finished (pass {"verify":false} if you know that it is whole)' \
    '{"tables":["messages"]}' ./cut.sql
  part '{"tables":["audit.log"],"verify":false,"pre_restore":false}' ./cut.sql
}

@test "a backup of a part, and one of rows only" {
  sql "SELECT backup_create('$(url shop)', '{\"name\":\"some\",\"tables\":[\"public.places\"],\"data_only\":true}')"
  says '"notes":null,"tables":[{"table":"public.places","added":0,"changed":0,"removed":0,"kept":21}]' \
    "$(part '{"tables":["places"],"pre_restore":false}' latest:some)"
}

@test "a damaged block of the table is an error before a row is written; one elsewhere is not read" {
  q shop "CREATE TABLE IF NOT EXISTS big AS SELECT i AS id, md5(i::text) || md5(random()::text) AS t FROM generate_series(1, 60000) i"
  path=$(sql "SELECT backup_create('$(url shop)', '{\"name\":\"big\",\"compress\":\"gzip\"}')")
  q shop "DROP TABLE big"
  q app "CREATE TABLE big (id int PRIMARY KEY, t text)"
  cp "$path" bad.sql.gz
  printf 'XXXX' | dd of=bad.sql.gz bs=1 seek=$(($(stat -c %s bad.sql.gz) / 2)) conv=notrunc status=none
  run part '{"tables":["big"]}' ./bad.sql.gz
  [ "$status" -ne 0 ]
  [[ $output == *'./bad.sql.gz: block '*' at byte '* ]]
  says 0 "$(q app 'SELECT count(*) FROM big')"
  part '{"tables":["audit.log"],"pre_restore":false}' ./bad.sql.gz
  run part '{"tables":["audit.log"],"verify":"quick"}' ./bad.sql.gz
  [ "$status" -ne 0 ]
  [[ $output == *'block '* ]]
}

@test "a writer that holds a table is waited for, up to lock_timeout; failures leave no copies" {
  saves=$(ls "$BACKUP_DIR" | wc -l)
  mkfifo in
  psql -Xq -d "$(url app)" <in >/dev/null 2>&1 3>&- &
  writer=$!
  exec 9>in
  echo "BEGIN; INSERT INTO places VALUES (2, 1, 'in no one''s way', 99);" >&9
  for _ in $(seq 100); do
    [ "$(q app "SELECT count(*) FROM pg_locks WHERE relation = 'places'::regclass AND mode = 'RowExclusiveLock'")" = 0 ] || break
    sleep 0.05
  done
  run part '{"tables":["places"],"lock_timeout":200}'
  [ "$status" -ne 0 ]
  [[ $output == *'lock timeout (end what locks tables, or raise "lock_timeout"; locked: "public"."places" by psql (user '* ]]
  echo "ROLLBACK;" >&9
  exec 9>&-
  wait "$writer"
  says "$saves" "$(ls "$BACKUP_DIR" | wc -l)"
  # One that fails behind the copy takes it away again.
  q app "ALTER TABLE places ADD CHECK (what <> 'p3') NOT VALID"
  run part '{"tables":["places"]}'
  [ "$status" -ne 0 ]
  [[ $output == *'nothing was changed'*'violates check constraint'* ]]
  says "$saves" "$(ls "$BACKUP_DIR" | wc -l)"
}

@test "a role that owns nothing: rows, as far as no trigger or key is in the way" {
  q postgres "SET client_min_messages = error; DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN"
  q app "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO clerk"
  as_clerk() { sql "SELECT backup_restore('latest:shop', '$(url app | sed s/user=postgres/user=clerk/)', '$1')"; }
  as_clerk '{"tables":["public.log"],"pre_restore":false}'
  run as_clerk '{"tables":["messages"],"pre_restore":false}'
  [ "$status" -ne 0 ]
  [[ $output == *'triggers are off during this, which takes the tables'"'"' owner: '*'must be owner of table messages'* ]]
  [[ $output != *GRANT* ]]
}

@test "a role without the rights to the rows: what to grant, and that alone is enough" {
  local saves
  q postgres "SET client_min_messages = error; DROP ROLE IF EXISTS porter; CREATE ROLE porter LOGIN"
  newdb rights
  q rights 'CREATE SCHEMA s; CREATE TABLE s.t (a serial PRIMARY KEY, b text); INSERT INTO s.t (b) SELECT g FROM generate_series(1, 9) g;
    CREATE TABLE s."sums, which grow" (a int PRIMARY KEY)'
  sql "SELECT backup_create('$(url rights)')"
  as_porter() { sql "SELECT backup_restore('latest:rights', '$(url rights | sed s/user=postgres/user=porter/)',
    '{\"tables\":[\"${2:-s.t}\"],\"pre_restore\":${1:-false}}')"; }
  saves=$(ls "$BACKUP_DIR" | wc -l)
  q rights 'GRANT USAGE ON SCHEMA s TO porter'
  failing 'permission denied for table sums, which grow (GRANT the user' as_porter false 's.sums, which grow'
  q rights 'DROP TABLE s."sums, which grow"; REVOKE USAGE ON SCHEMA s FROM porter'
  q rights 'UPDATE s.t SET b = 0 WHERE a < 3; DELETE FROM s.t WHERE a > 5; ALTER SEQUENCE s.t_a_seq RESTART 3;
    REVOKE TEMPORARY ON DATABASE rights FROM PUBLIC'
  lacks() { failing "permission denied $1" as_porter && [[ $output == *' (GRANT the user SELECT, INSERT, UPDATE, DELETE on the tables,'* ]]; }
  lacks 'for schema s'
  q rights 'GRANT USAGE ON SCHEMA s TO porter'
  lacks 'for table t'
  q rights 'GRANT SELECT ON s.t TO porter'
  lacks 'to create temporary tables'
  q rights 'GRANT TEMPORARY ON DATABASE rights TO porter'
  lacks 'for table t'
  q rights 'GRANT INSERT, UPDATE, DELETE ON s.t TO porter'
  lacks 'for sequence t_a_seq'
  q rights 'GRANT SELECT, UPDATE ON s.t_a_seq TO porter; ALTER TABLE s.t ENABLE ROW LEVEL SECURITY'
  failing 'for table "t" (not all rows would be seen: connect as a superuser, or ALTER ROLE … BYPASSRLS)' as_porter
  q rights 'ALTER TABLE s.t DISABLE ROW LEVEL SECURITY; CREATE TABLE hidden (a int)'
  failing 'permission denied for table hidden (GRANT pg_read_all_data' as_porter true
  [[ $output != *'GRANT the user'* ]]
  says "$saves" "$(ls "$BACKUP_DIR" | wc -l)"
  as_porter
  says '9|9' "$(q rights 'SELECT count(*), (SELECT last_value FROM s.t_a_seq) FROM s.t')"
}

@test "server 18: NOT NULL that was off for a moment has its name again" {
  require_pg 18
  pg_server_start --name new 18
  sql "SELECT backup_restore('latest:shop', '$(url app)', '{\"create\":true}')"
  q app "ALTER TABLE users RENAME CONSTRAINT users_email_not_null TO \"must be\"; UPDATE users SET email = '' WHERE id = 1;
    UPDATE users SET email = 'u1' WHERE id = 2; UPDATE users SET email = 'u2' WHERE id = 1"
  says '"notes":null,"tables":[{"table":"public.users","added":0,"changed":2,"removed":0,"kept":48}]' \
    "$(part '{"tables":["users"],"pre_restore":false}')"
  says 'u1 u2|t|must be' "$(q app "SELECT string_agg(email, ' ' ORDER BY users.id), bool_and(attnotnull), min(conname) FROM users,
    pg_attribute, pg_constraint WHERE users.id < 3 AND attrelid = 'users'::regclass AND attname = 'email'
    AND conrelid = attrelid AND contype = 'n' AND conkey = ARRAY[attnum]")"
  part '{"tables":["messages","users"],"rows":"merge","pre_restore":false}'
  pg_server_stop immediate
  pg_server_use main
}

@test "the script's encoding counts, not the database's" {
  newdb latin "ENCODING 'LATIN1' LOCALE 'C'"
  printf "CREATE TABLE t (id int PRIMARY KEY, \"\351\" text); INSERT INTO t VALUES (1, '\344\366'), (2, '\374')" | PGCLIENTENCODING=LATIN1 q latin
  path=$(sql "SELECT backup_create('$(url latin)')")
  PGCLIENTENCODING=LATIN1 q latin "DELETE FROM t WHERE id = 1"
  sql "SELECT backup_restore('$path', '$(url latin)', '{\"tables\":[\"t\"],\"pre_restore\":false}')"
  says 'e4f6' "$(q latin "SELECT encode(convert_to(t.*::text, 'LATIN1'), 'hex') FROM t WHERE id = 1" | grep -o e4f6)"
  q app "CREATE TABLE t (id int PRIMARY KEY, \"é\" text)"
  part '{"tables":["t"],"pre_restore":false}' "$path"
  says 'äö' "$(q app 'SELECT "é" FROM t WHERE id = 1')"
  q postgres "DROP DATABASE latin"
}
