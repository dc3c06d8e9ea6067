# backup_config and backup_set: defaults < environment < backup_set < options of a call; the tables as tables.
load ../helper
load expect

setup() {
  api_setup
  make_db admin.db 10
}

@test "everything that can be set, its default and where it comes from" {
  unset BACKUP_DIR
  gives 'backup||default
cache_mb|32|default
compress|gzip|default
database_url||default
db_path||default
db_type||default
dir|/data/backups|default
level||default
name||default
progress|off|default
restore_options||default
retention_days|7|default
target||default
threads||default
timeout_ms|5000|default' "SELECT key, value, origin FROM backup_config ORDER BY key"
  gives 0 "SELECT count(*) FROM backup_config WHERE description IS NULL OR length(description) < 10"
}

@test "the environment, and passwords never shown" {
  export BACKUP_DIR=/env RETENTION_DAYS=30 ADMIN_DB_TYPE=postgres ADMIN_DB_PATH=/srv/a.db BACKUP_NAME=nightly
  export ADMIN_DATABASE_URL='postgresql://app:s3cret@db/x?password=s3cret&sslmode=require'
  gives 'database_url|postgresql://app@db/x?sslmode=require|env
db_path|/srv/a.db|env
db_type|postgres|env
dir|/env|env
name|nightly|env
retention_days|30|env' "SELECT key, value, origin FROM backup_config WHERE origin <> 'default' ORDER BY key"
  BACKUP_DIR='' gives 'dir|/data/backups|default' "SELECT key, value, origin FROM backup_config WHERE key = 'dir'"
}

@test "backup_set wins over the environment, an option over backup_set, NULL unsets" {
  mkdir one two three
  export BACKUP_DIR=$T/one
  gives "T/one|env
T/two
T/two|sql
T/two/admin_sqlite_STAMP.db.gz
T/three/admin_sqlite_STAMP.db.gz

T/one|env
T/one/admin_sqlite_STAMP.db.gz" \
    "SELECT value, origin FROM backup_config WHERE key = 'dir'" "SELECT backup_set('dir', '$T/two')" \
    "SELECT value, origin FROM backup_config WHERE key = 'dir'" "SELECT backup_create('admin.db')" \
    "SELECT backup_create('admin.db', '{\"dir\":\"three\"}')" "SELECT backup_set('dir', NULL)" \
    "SELECT value, origin FROM backup_config WHERE key = 'dir'" "SELECT backup_create('admin.db')"
}

@test "what is set holds for this connection only, and is used" {
  if has_zstd; then gives "set
zst|3" "SELECT 'set' WHERE backup_set('compress', 'zstd') || backup_set('name', 'x') || backup_set('level', 3) <> ''" \
    "SELECT substr(backup_create('admin.db'), -3), backup_set('threads', 3)"; fi
  gives "gz" "SELECT substr(backup_create('admin.db'), -2)"
  gives "T/backups/y_sqlite_STAMP.db.gz" "SELECT 1 WHERE backup_set('name', 'y') IS NULL" "SELECT backup_create('admin.db')"
}

@test "values are checked when they are set" {
  fails 'unknown setting "dirr" (valid: dir, retention_days, db_type, db_path, database_url, name, compress, level, threads, timeout_ms, progress, backup, target, restore_options, cache_mb)' \
    "SELECT backup_set('dirr', '/x')"
  fails 'setting threads must be a whole number from 1 to 64, not "many"' "SELECT backup_set('threads', 'many')"
  fails 'setting threads must be a whole number from 1 to 64, not "65"' "SELECT backup_set('threads', 65)"
  fails 'setting progress must be one of on|off, not "maybe"' "SELECT backup_set('progress', 'maybe')"
  fails 'setting compress must be one of gzip|zstd, not "lz4"' "SELECT backup_set('compress', 'lz4')"
  fails 'setting compress must be one of gzip|zstd, not "gzip|zstd"' "SELECT backup_set('compress', 'gzip|zstd')"
  fails 'setting dir is empty (pass NULL to unset it)' "SELECT backup_set('dir', '')"
  fails 'argument 1 is NULL' "SELECT backup_set(NULL, 'x')"
}

@test "tables are read-only, eponymous, and take a folder as argument or constraint" {
  sql "SELECT backup_create('admin.db')"
  for table in backups backup_list backup_plan backup_config backup_activity backup_history; do
    fails "table $table may not be modified" "DELETE FROM $table"
    sql "SELECT * FROM $table"
  done
  fails 'no such module: backups' "CREATE VIRTUAL TABLE temp.x USING backups"
  mkdir other
  gives "1|0|1|1" "SELECT (SELECT count(*) FROM backups), (SELECT count(*) FROM backups('other')),
    (SELECT count(*) FROM backup_list WHERE dir = '$T/backups'), (SELECT count(*) FROM backup_history('$T/backups'))"
  gives "other|0
T/backups|1" "WITH d(x) AS (VALUES('other'), ('$T/backups')) SELECT x, (SELECT count(*) FROM backups(x)) FROM d"
  gives "admin|keep" "SELECT b.name, p.action FROM backups AS b JOIN backup_plan AS p USING (path)"
  gives "2" "SELECT count(*) FROM backups AS a CROSS JOIN (VALUES(1), (2))"
  fails 'no folder for backups: T/none does not exist (make it: mkdir -p T/none; or name another with BACKUP_DIR or the option dir)' \
    "SELECT * FROM backups('$T/none')"
}

@test "the listing: newest first, marks and problems, and strangers left out" {
  old_backup shop 2 admin.db >/dev/null
  old_backup shop 3 admin.db >/dev/null
  echo rubbish >"$BACKUP_DIR/shop_sqlite_$(old_stamp 1).db.gz"
  sql "SELECT backup_create('admin.db')"
  touch "$BACKUP_DIR/README.txt"
  gives 'admin|full|1|1
shop|full|0|
shop|full|1|
shop|full|1|' "SELECT name, kind, problem IS NULL, raw_bytes > 0 FROM backups"
  gives 1 "SELECT count(*) FROM backups WHERE problem LIKE '%gzip%' OR problem LIKE '%not a%'"
}

@test "the version" {
  gives 1 "SELECT backup_version() LIKE 'lifeboat 0.%.% (zlib %; SQLite ' || sqlite_version() || ')'"
}
