# Schemas with JSON functions, which SQLite 3.40 does not let a schema that is not trusted call: with one such index,
# CHECK or generated column nothing of the database could be read.
load ../helper
load ../api/expect

setup() {
  api_setup
  db src.db "CREATE TABLE event(id INTEGER PRIMARY KEY, body TEXT CHECK (json_valid(body)),
               kind TEXT AS (body ->> '\$.kind') STORED, size AS (json_array_length(body, '\$.list')),
               extra TEXT DEFAULT (json_array()));
             CREATE INDEX by_user ON event(json_extract(body, '\$.user'));
             CREATE UNIQUE INDEX by_key ON event(body -> '\$.key') WHERE json_type(body, '\$.key') IS NOT NULL;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO event(id, body) SELECT i, json_object('kind', 'k' || i % 3, 'user', i % 7, 'key', i) FROM n"
}

@test "JSON in a schema: backed up, checked, listed" {
  path=$(sql "SELECT backup_create('./src.db', '{\"check\":true,\"verify\":\"full\"}')")
  same ok "$(sql "SELECT backup_verify('latest', 'full')")"
  same 0 "$(sql "SELECT count(*) FROM backup_history WHERE notes IS NOT NULL")"
  same $'sqlite_schema|3\nevent|300' \
    "$(sql "SELECT name, rows FROM backup_contents('latest') WHERE kind = 'table' AND bytes > 0")"
  gunzip -c "$path" >plain.db
  same "$(content src.db)" "$(content plain.db)"
}

@test "JSON in a schema: restored to a new file, over it, and over a live one" {
  sql "SELECT backup_create('./src.db')"
  same ok "$(sql "SELECT backup_restore('latest', './new.db') ->> '\$.check'")"
  same "$(content src.db)" "$(content new.db)"
  db new.db 'DELETE FROM event'
  same ok "$(sql "SELECT backup_restore('latest', './new.db', '{\"overwrite\":true}') ->> '\$.check'")"
  same "$(content src.db)" "$(content new.db)"
  db new.db 'DELETE FROM event'
  # It is a database, so it is written to, and not replaced by another file.
  before=$(stat -c %i new.db)
  same $'1\n300' "$(sql "ATTACH 'new.db' AS live" \
    "SELECT backup_restore('latest', 'live', '{\"overwrite\":true,\"verify\":false}') ->> '\$.bytes' > 0" \
    'SELECT count(*) FROM live.event')"
  same "$before" "$(stat -c %i new.db)"
}

@test "JSON in a schema: some tables, and what differs" {
  sql "SELECT backup_create('./src.db')"
  before=$(content src.db)
  db src.db "DELETE FROM event WHERE id <= 10; UPDATE event SET body = json_set(body, '\$.user', 99) WHERE id = 20"
  same '10|1' "$(sql "SELECT removed, changed FROM backup_diff('latest', './src.db')")"
  same '{"table":"event","added":10,"changed":1,"removed":0,"kept":289}' \
    "$(sql "SELECT backup_restore('latest', './src.db', '{\"tables\":[\"event\"]}') -> '\$.tables[0]'")"
  same "$before" "$(content src.db)"
  # The table is made anew, and its indexes.
  db src.db 'DROP TABLE event'
  sql "SELECT backup_restore('latest', './src.db', '{\"tables\":[\"event\"]}')"
  same "$before" "$(content src.db)"
  same ok "$(db src.db 'PRAGMA integrity_check')"
}

@test "triggers that a JSON table has are told of, and the schema is read afterwards as before" {
  db src.db "CREATE TABLE log(x); CREATE TRIGGER watch AFTER INSERT ON event BEGIN INSERT INTO log VALUES (1); END;
             CREATE TABLE other(id INTEGER PRIMARY KEY, j CHECK (json_valid(j))); INSERT INTO other VALUES (1, '[]')"
  sql "SELECT backup_create('./src.db')"
  db src.db 'DELETE FROM event; DELETE FROM other'
  same 'triggers on event did not run: watch (they write to: log)' \
    "$(sql "SELECT backup_restore('latest', './src.db', '{\"tables\":[\"event\",\"other\"]}') ->> '\$.notes'")"
  same 300 "$(db src.db 'SELECT count(*) FROM event')"
}
