# What a backup may be called: paths, file names, latest and its forms; what is refused.
load ../helper
load expect

setup() {
  api_setup
  make_db admin.db 10
  make_db shop.db 10
  ADMIN=$(sql "SELECT backup_create('admin.db')")
}

restored() { gives 1 "SELECT backup_restore('$1', 'out.db') ->> 'backup' = '$2'"; rm -f out.db; }

@test "latest is the newest good full backup of the only source" {
  restored latest "$ADMIN"
  sleep 1.1
  newer=$(sql "SELECT backup_create('admin.db')")
  restored latest "$newer"
  restored latest:admin "$newer"
  restored admin_sqlite_latest.db.gz "$newer"
  restored "${ADMIN##*/}" "$ADMIN"
  restored "$ADMIN" "$ADMIN"
  truncate -s -1 "$newer"
  restored latest "$ADMIN"
}

@test "where several sources fit, the error lists them, unless the target is one of them" {
  shop=$(sql "SELECT backup_create('shop.db')")
  fails '"latest" fits several sources in T/backups: shop (sqlite, of T/shop.db); admin (sqlite, of T/admin.db) (pass latest:NAME or a file name)' \
    "SELECT backup_restore('latest', 'out.db')"
  [ ! -e out.db ]
  restored latest:shop "$shop"
  gives 1 "SELECT backup_restore('latest', 'shop.db', '{\"overwrite\":true}') ->> 'backup' = '$shop'"
  gives 1 "SELECT backup_restore('latest', 'admin.db', '{\"overwrite\":true}') ->> 'backup' = '$ADMIN'"
  rm admin.db  # after a complete loss the path still tells
  gives 1 "SELECT backup_restore('latest', 'admin.db') ->> 'backup' = '$ADMIN'"
}

@test "the old scripts' file and its latest" {
  rm "$ADMIN"
  old_backup admin 3 admin.db
  newest=$(old_backup admin 2 admin.db)
  restored admin_sqlite_latest.db.gz "$newest"
  restored latest "$newest"
}

@test "the old scripts' file, named by the clock on a wall in the east, is not newer than what was made after it" {
  made=$(stat -c %Y "$ADMIN")
  old=$BACKUP_DIR/admin_sqlite_$(date -u -d "@$((made + 8 * 3600))" +%Y%m%d_%H%M%S).db.gz
  gzip -c admin.db >"$old"
  touch -d "@$((made - 3600))" "$old"
  restored latest "$ADMIN"
  [ "$(sql "SELECT created_at FROM backups WHERE file = '${old##*/}'")" = "$(date -u -d "@$((made - 3600))" '+%F %T')" ]
  # What differs by more is no time zone: the file may have been touched.
  touch -d "@$((made - 7 * 3600))" "$old"
  [ "$(sql "SELECT created_at FROM backups WHERE file = '${old##*/}'")" = "$(date -u -d "@$((made + 8 * 3600))" '+%F %T')" ]
}

@test "no backup, or only damaged ones" {
  fails 'no backup for "latest:none" in T/backups (it has: admin (sqlite))' "SELECT backup_restore('latest:none', 'out.db')"
  fails 'no backup for "none_sqlite_latest.db.gz" in T/backups (it has: admin (sqlite))' "SELECT backup_restore('none_sqlite_latest.db.gz', 'out.db')"
  truncate -s 50 "$ADMIN"
  fails 'no good backup for "latest" in T/backups: the 1 found is damaged' "SELECT backup_restore('latest', 'out.db')"
  rm "$ADMIN"
  fails 'no backup for "latest" in T/backups (it has: nothing)' "SELECT backup_restore('latest', 'out.db')"
}

@test "a backup that this user may not read is not called damaged" {
  chmod 0 "$ADMIN"
  head -c 50 /dev/zero >"$BACKUP_DIR/admin_sqlite_20250101_000000.db.gz"
  sqlite3() { held sqlite3 "$@"; }
  fails "no good backup for \"latest\" in T/backups: the 2 found are damaged, or cannot be read here: cannot open \
T/backups/admin_sqlite_STAMP.db.gz: Permission denied" "SELECT backup_restore('latest', 'out.db')"
}

@test "in a folder that may be listed and not entered, backups are told of, and why they cannot be read" {
  chmod 644 "$BACKUP_DIR"
  sqlite3() { held sqlite3 "$@"; }
  gives "admin_sqlite_STAMP.db.gz|cannot open T/backups/admin_sqlite_STAMP.db.gz: Permission denied" "SELECT file, problem FROM backups"
  fails "no good backup for \"latest\" in T/backups: the 1 found is damaged, or cannot be read here: cannot open \
T/backups/admin_sqlite_STAMP.db.gz: Permission denied" "SELECT backup_restore('latest', 'out.db')"
  chmod 755 "$BACKUP_DIR"
}

@test "names with control bytes, .. or a leading dot are refused by every function" {
  for call in "backup_restore(%s, 'out.db')" "backup_verify(%s)" "backup_delete(%s)" "backup_pin(%s)" "backup_note(%s, 'x')"; do
    # shellcheck disable=SC2059
    {
      fails 'the name of a backup may not contain "..": "a..b.db.gz"' "SELECT $(printf "$call" "'a..b.db.gz'")"
      fails 'the name of a backup may not contain "..": ".."' "SELECT $(printf "$call" "'..'")"
      fails 'the name of a backup may not hold control characters' "SELECT $(printf "$call" "'a' || char(10) || 'b'")"
      fails 'the name of a backup may not hold control characters' "SELECT $(printf "$call" "'a' || char(127)")"
      fails 'not the name of a backup: ".x" begins with a dot' "SELECT $(printf "$call" "'.x'")"
      fails 'the name of a backup may not be empty' "SELECT $(printf "$call" "''")"
      fails 'name "a..b" cannot be a backup'"'"'s: it contains ".."' "SELECT $(printf "$call" "'latest:a..b'")"
      fails 'name "" cannot be a backup'"'"'s: it is empty' "SELECT $(printf "$call" "'latest:'")"
      fails 'no such backup: ../x' "SELECT $(printf "$call" "'../x'")"
    }
  done
  [ ! -e out.db ]
}

@test "folders, devices and links to nowhere are no backups" {
  fails 'not a backup: ./backups is not a regular file' "SELECT backup_restore('./backups', 'out.db')"
  fails 'not a backup: /dev/null is not a regular file' "SELECT backup_verify('/dev/null')"
  mkfifo pipe
  fails 'not a backup: ./pipe is not a regular file' "SELECT backup_verify('./pipe')"
  ln -s nowhere dangling
  fails 'no such backup: ./dangling' "SELECT backup_verify('./dangling')"
}

@test "an address of a server that is no URI is refused, and shown nowhere" {
  local address said='not a postgresql:// URI (key=value connection strings are not accepted)'
  sql "SELECT backup_create('admin.db')" >/dev/null
  for address in 'host=/tmp dbname=app password=S3cr' 'dbname=app password = S3cr' 'postgresql//p:S3cr@x/app' \
    'postgresql:/p:S3cr@x/app' 'postgresq://p:S3cr@x/app' 'dbname=app sslpassword=S3cr' 'PASSWORD=a://S3cr'; do
    run sql "SELECT backup_create('$address')"
    echo "$output"
    [ "$status" != 0 ] && [[ $output == *"$said" ]]
    run sql "SELECT backup_restore('latest', '$address')"
    [ "$status" != 0 ] && [[ $output == *"$said" ]]
    ADMIN_DB_TYPE=postgres ADMIN_DATABASE_URL=$address run sql 'SELECT backup_create()'
    [ "$status" != 0 ] && [[ $output == *"$said" ]]
    ADMIN_DB_PATH=$address RESTORE_TARGET=$address run sql 'SELECT backup_create()'
    [ "$status" != 0 ] && [[ $output == *"$said" ]]
    run sql "SELECT backup_verify('$address')"
    [ "$status" != 0 ] && [[ $output == *'the address of a server'* && $output != *S3cr* ]]
    run sql "SELECT backup_diff('$address', 'latest')"
    [[ $output != *S3cr* ]]
    for key in ADMIN_DATABASE_URL ADMIN_DB_PATH RESTORE_TARGET; do
      export "$key=$address"
      run -0 sql 'SELECT * FROM backup_config'
      [[ $output != *S3cr* ]] || { echo "$output"; false; }
      unset "$key"
    done
    run -0 sql "SELECT backup_set('database_url', '$address') IS NULL" 'SELECT * FROM backup_config'
    [[ $output != *S3cr* ]] || { echo "$output"; false; }
  done
  run -1 sql "SELECT backup_verify('postgresql://p:S3cr@x/app')"
  [[ $output != *S3cr* ]]
  run -1 sql "SELECT backup_create('POSTGRESQL://p:S3cr@x/app')"
  [[ $output == *'its scheme must be in lower case'* && $output != *S3cr* ]]
  ADMIN_DB_TYPE=postgres ADMIN_DATABASE_URL=/srv/app.db run -1 sql 'SELECT backup_create()'
  [[ $output == *"$said" ]]
  run sql 'SELECT * FROM backup_history'
  [[ $output != *S3cr* ]]
  # What is a path stays one.
  make_db 'a:b@c.db' 10
  run -0 sql "SELECT backup_create('$T/a:b@c.db')" "SELECT backup_create('./a:b@c.db')"
}
