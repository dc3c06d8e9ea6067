# Damaged and forged backups of PostgreSQL: never "ok", never restored, the target as it was. What is done to the files is
# in damage.py. EVERY (97) tells how many bytes lie between two that are damaged; 1 takes all of them.
load ../helper
load server

setup_file() {
  pg_server_start || return 1
  newdb src && q src "CREATE TABLE messages(id int PRIMARY KEY, body text);
INSERT INTO messages SELECT i, repeat(md5(i::text), 2) FROM generate_series(1, 60) AS i;
CREATE TABLE other(a int REFERENCES messages, b text); INSERT INTO other SELECT i, 'b' FROM generate_series(1, 30) AS i;
CREATE VIEW v AS SELECT a FROM other; CREATE SEQUENCE s; SELECT nextval('s'); SELECT lo_from_bytea(4711, 'large');"
  newdb target && q target "CREATE TABLE messages(id int PRIMARY KEY); INSERT INTO messages SELECT generate_series(1, 9);
CREATE TABLE other(a int, b text)"
  newdb empty
  mkdir "$PG_WORLD/backups"
  export BACKUP
  BACKUP=$(BACKUP_DIR=$PG_WORLD/backups sql "SELECT backup_create('$(url src)')")
}
teardown_file() { pg_server_stop_all; }

damage() { python -B "$ROOT/tests/postgres/damage.py" "$1" "$BACKUP" "$(url target)" "${EVERY:-$2}"; }

@test "bits are flipped" { damage flip 47; }
@test "files are cut off" { damage cut 47; }
@test "contents and parts are forged, their checksums sound" { rm -f /tmp/evil; damage forge 1; [ ! -e /tmp/evil ]; }
