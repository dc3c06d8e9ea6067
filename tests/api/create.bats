# backup_create: names, options, what it refuses and in which words.
load ../helper
load expect

setup() {
  api_setup
  mkdir data
  make_db data/admin.db 20
}

@test "the default name is the file's without its extension, and a UTC stamp" {
  before=$(date -u +%Y%m%d_%H%M%S)
  path=$(sql "SELECT backup_create('data/admin.db')")
  after=$(date -u +%Y%m%d_%H%M%S)
  [[ $path =~ ^"$BACKUP_DIR"/admin_sqlite_([0-9]{8}_[0-9]{6})\.db\.gz$ ]]
  stamp=${BASH_REMATCH[1]}
  [[ ! $stamp < $before && ! $stamp > $after ]]
  [ "$(stat -c %a "$path")" = 600 ]
  [ -z "$(find "$BACKUP_DIR" -name '.*partial')" ]
}

@test "zstd has its own suffix, and another extension is no part of the name" {
  if has_zstd; then gives "T/backups/admin_sqlite_STAMP.db.zst" "SELECT backup_create('data/admin.db', '{\"compress\":\"zstd\"}')"; fi
  cp data/admin.db 'data/app.v2.sqlite3'
  gives "T/backups/app.v2_sqlite_STAMP.db.gz" "SELECT backup_create('data/app.v2.sqlite3')"
  cp data/admin.db data/plain
  gives "T/backups/plain_sqlite_STAMP.db.gz" "SELECT backup_create('data/plain')"
  cp data/admin.db 'data/ö "q'"'"'; $(x).db'
  gives "T/backups/ö \"q'; \$(x)_sqlite_STAMP.db.gz" "SELECT backup_create('data/ö \"q''; \$(x).db')"
}

@test "two backups in one second both exist" {
  out=$(sql "SELECT backup_create('data/admin.db')" "SELECT backup_create('data/admin.db')" \
            "SELECT backup_create('data/admin.db')" "SELECT backup_create('data/admin.db')")
  [ "$(sort -u <<<"$out" | wc -l)" = 4 ]
  while read -r path; do
    gunzip -c "$path" >one.db
    [ "$(content one.db)" = "$(content data/admin.db)" ]
  done <<<"$out"
  [ "$(sql "SELECT count(*) FROM backups")" = 4 ]
  grep -q '_2.db.gz$' <<<"$out"  # four backups take a few milliseconds: at least two share a second
}

@test "of backups of one second the last one is the newest, whatever its suffix, though rotation took those before it" {
  local out other=gzip suffix=gz
  if has_zstd; then other=zstd suffix=zst; fi
  for _ in {1..20}; do  # until no second begins in the middle
    rm -rf backups/*
    out=$(sql "SELECT backup_create('data/admin.db', '{\"compress\":\"$other\"}')" "SELECT backup_create('data/admin.db')" \
              "SELECT backup_rotate('{\"keep_last\":1}')" \
              "SELECT backup_create('data/admin.db', '{\"compress\":\"$other\"}')" "SELECT backup_create('data/admin.db')")
    [ "$(grep -o '_[0-9]\{8\}_[0-9]*' <<<"$out" | sort -u | wc -l)" != 1 ] || break
  done
  mapfile -t made <<<"$out"
  echo "$out"
  [ "${made[2]}" = 1 ]
  [[ ${made[0]} == *[0-9][0-9].db.$suffix && ${made[1]} == *_2.db.gz && ${made[3]} == *_3.db.$suffix && ${made[4]} == *_4.db.gz ]]
  [ "$(sql "SELECT path FROM backups")" = "${made[4]}
${made[3]}
${made[1]}" ]
}

@test "a number that no name can tell is an error, not a backup that nobody finds" {
  mkdir -p backups
  for ((second = 0; second < 60; second++)); do
    touch "backups/admin_sqlite_$(date -u -d "+$second seconds" +%Y%m%d_%H%M%S)_999999.db.gz"
  done
  fails 'T/backups: no name is free for one more backup of this second' "SELECT backup_create('data/admin.db')"
  [ "$(ls -A backups | grep -vc '_999999.db.gz$\|^catalog.db')" = 0 ]
}

@test "what the configuration names is the default source" {
  export ADMIN_DB_PATH=$T/data/admin.db
  gives "T/backups/admin_sqlite_STAMP.db.gz" "SELECT backup_create()"
  export BACKUP_NAME=nightly
  gives "T/backups/nightly_sqlite_STAMP.db.gz" "SELECT backup_create()"
  export ADMIN_DB_TYPE=sqlite
  gives "T/backups/nightly_sqlite_STAMP.db.gz" "SELECT backup_create()"
  export ADMIN_DB_TYPE=mysql
  fails 'ADMIN_DB_TYPE must be sqlite or postgres, not "mysql"' "SELECT backup_create()"
  export ADMIN_DB_TYPE=postgres
  fails 'no database named: set ADMIN_DATABASE_URL, or pass a source (a postgresql:// URI)' "SELECT backup_create()"
  unset ADMIN_DB_TYPE ADMIN_DB_PATH
  fails 'no database named: set ADMIN_DB_PATH, or pass a source (main, a path)' "SELECT backup_create()"
}

@test "sources: main, an attached name, a file: URI, in-memory databases" {
  gives "T/backups/admin_sqlite_STAMP.db.gz" ".open data/admin.db" ".load ${LIFEBOAT_SO%.so}" "SELECT backup_create('main')"
  gives "T/backups/admin_sqlite_STAMP.db.gz" "ATTACH 'data/admin.db' AS a" "SELECT backup_create('a')"
  gives "T/backups/admin_sqlite_STAMP.db.gz" "ATTACH 'data/admin.db' AS \"we'ird \"\"name\"" \
    "SELECT backup_create('we''ird \"name')"
  gives "T/backups/admin_sqlite_STAMP.db.gz" "SELECT backup_create('file:data/admin.db?mode=ro')"
  gives "T/backups/admin_sqlite_STAMP.db.gz" "SELECT backup_create('file:data/%61dmin.db')"
  gives "T/backups/memory_sqlite_STAMP.db.gz" "CREATE TABLE x(a)" "SELECT backup_create('main')"
}

@test "databases in memory: each by its schema, so that none rotates another's backups; main is memory" {
  gives 'T/backups/mem_sqlite_STAMP.db.gz
T/backups/tmpdb_sqlite_STAMP.db.gz
T/backups/memory_sqlite_STAMP.db.gz' "ATTACH ':memory:' AS mem; ATTACH '' AS tmpdb; CREATE TABLE mem.a(x); CREATE TABLE tmpdb.b(x)" \
    "SELECT backup_create('mem'); SELECT backup_create('tmpdb'); SELECT backup_create('MAIN')"
  gives '0
a' "ATTACH ':memory:' AS mem" "SELECT backup_restore('latest:mem', 'mem') IS NULL" "SELECT name FROM mem.sqlite_schema"
}

@test "a URI of a database in memory: nobody else's is always empty; a shared one is somebody's" {
  local uri
  for uri in 'file:admin.db?mode=memory' 'file::memory:' 'file:'; do
    fails "$uri: a database in memory that nobody else has, so it is always empty (name the schema of the connection that holds the one you mean)" \
      "SELECT backup_create('$uri')"
  done
  gives "T/backups/memory_sqlite_STAMP.db.gz
8192" "ATTACH 'file:mine?mode=memory&cache=shared' AS mine; CREATE TABLE mine.a(x)" \
    "SELECT backup_create('file:mine?mode=memory&cache=shared')" "SELECT raw_bytes FROM backups"
}

@test "the level of compression is the codec's, the setting's, the option's" {
  level() { python "$ROOT/tests/archive/lbformat.py" index "$BACKUP_DIR/$1"_*.gz | grep -o '"level":[0-9]*'; }
  sql "SELECT backup_create('data/admin.db', '{\"name\":\"codec\"}'), backup_set('level', 4),
       backup_create('data/admin.db', '{\"name\":\"setting\"}'),
       backup_create('data/admin.db', '{\"name\":\"option\",\"level\":9}')"
  [ "$(level codec) $(level setting) $(level option)" = '"level":2 "level":4 "level":9' ]
}

@test "all options together, and what the listing then says" {
  sql "SELECT backup_create('data/admin.db', '{\"dir\":\"$T/backups\",\"name\":\"nightly\",\"compress\":\"gzip\",\"level\":6,
       \"threads\":3,\"verify\":\"full\",\"check\":true,\"retention_days\":30,\"note\":\"before v2\",\"timeout_ms\":100}')"
  size=$(stat -c %s "$BACKUP_DIR"/nightly_*.gz)
  raw=$(stat -c %s data/admin.db)
  gives "T/backups/nightly_sqlite_STAMP.db.gz|nightly_sqlite_STAMP.db.gz|nightly|sqlite|full|TIME|$size|$raw|TIME|ok|0|before v2|30.0|gzip|T/data/admin.db|" \
    "SELECT path, file, name, type, kind, created_at, bytes, raw_bytes, verified_at, verify_result, pinned, note,
            julianday(keep_until) - julianday(created_at), codec, source, problem FROM backups"
}

@test "verify off, quick and full; what was not verified is not called so" {
  for level in true '"quick"' '"full"'; do
    rm -f "$BACKUP_DIR"/*
    sql "SELECT backup_create('data/admin.db', '{\"verify\":$level}')"
    gives "ok" "SELECT verify_result FROM backups WHERE verified_at IS NOT NULL"
  done
  rm -f "$BACKUP_DIR"/*
  sql "SELECT backup_create('data/admin.db', '{\"verify\":false}')"
  gives "1|1" "SELECT verified_at IS NULL, verify_result IS NULL FROM backups"
}

@test "check finds a damaged source, and no backup is made of it" {
  make_db data/bad.db 2000
  # Page 3 (a leaf of the table) becomes rubbish that the header does not know of.
  dd if=/dev/urandom of=data/bad.db bs=4096 seek=5 count=2 conv=notrunc status=none
  run sql "SELECT backup_create('data/bad.db', '{\"check\":true}')"
  [ "$status" -ne 0 ]
  [[ $output == *"$T/data/bad.db is damaged, no backup was made: "* ]]
  [ -z "$(ls -A "$BACKUP_DIR" | grep -v '^catalog')" ]
}

@test "check says nothing of what quick_check takes back, with tables checked one by one" {
  python - <<'PY'
import sqlite3
db = sqlite3.connect('data/odd.db', isolation_level=None)
db.create_collation('klingon', lambda a, b: (a > b) - (a < b))
db.executescript("CREATE TABLE t(a TEXT COLLATE klingon); CREATE INDEX i ON t(a); CREATE TABLE d(a);"
                 "INSERT INTO d VALUES(7); CREATE TABLE w(a, b, c, PRIMARY KEY(a, c, b)) WITHOUT ROWID;"
                 "INSERT INTO w VALUES(1, 2, 3)")
page, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'd'").fetchone()
db.close()
with open('data/odd.db', 'r+b') as file:
    file.seek((page - 1) * 4096 + 8)
    file.write(b'\0\1')  # where the row lies: in what is not used
PY
  fails 'T/data/odd.db is damaged, no backup was made: *** in database main ***
On tree page 4 cell 0: Offset 1 out of range 4091..4092
table d: database disk image is malformed' \
    "SELECT backup_create('data/odd.db', '{\"check\":true}')"
}

@test "what is not a database to back up is refused by name" {
  head -c 5000 /dev/urandom >data/garbage.db
  fails 'nosuch: neither a schema of this connection nor a database file' "SELECT backup_create('nosuch')"
  fails './nosuch.db: no such database file' "SELECT backup_create('./nosuch.db')"
  fails "T/data/garbage.db: file is not a database (an encrypted one, such as SQLCipher's, cannot be read either)" \
    "SELECT backup_create('data/garbage.db')"
  fails 'data: not a regular file' "SELECT backup_create('data')"
  fails 'argument 1 is NULL' "SELECT backup_create(NULL)"
  fails 'argument 1 is not a text' "SELECT backup_create(x'00')"
  fails 'argument 1 is not a text' "SELECT backup_create('a' || char(0) || 'b')"
  run sql "SELECT backup_create('postgresql://u:secret@127.0.0.1:1/db')"
  [[ $output == *'database "db" on 127.0.0.1:1: '*'is the server up'* && $output != *secret* ]]
  [ -z "$(ls -A "$BACKUP_DIR" | grep -v '^catalog')" ]
  run sql "SELECT backup_create('postgresql://u:secret@127.0.0.1:1/db')" "SELECT * FROM backup_history"
  [[ $output != *secret* ]]
}

@test "a schema that SQLite cannot read may be one of a newer SQLite" {
  sqlite3 new.db "CREATE TABLE t(a); PRAGMA writable_schema=1;
    UPDATE sqlite_schema SET sql = 'CREATE TABLE t(a AS (json_valid(1, 2, 3)), b)'"
  fails "T/new.db: malformed database schema (t) - wrong number of arguments to function json_valid() (damaged, or of a \
newer SQLite than this one, which is $(sqlite3 :memory: 'SELECT sqlite_version()'))" "SELECT backup_create('new.db')"
}

@test "unknown options and wrong types name the option and the valid ones" {
  fails 'unknown option "levle" (valid: dir, name, compress, level, threads, verify, retention_days, note, check, timeout_ms)' \
    "SELECT backup_create('data/admin.db', '{\"levle\":1}')"
  fails 'option "level" must be a whole number of at least 1' "SELECT backup_create('data/admin.db', '{\"level\":\"6\"}')"
  fails 'level 11: gzip has levels 1 to 9' "SELECT backup_create('data/admin.db', '{\"level\":11}')"
  fails 'option "compress" must be one of gzip, zstd' "SELECT backup_create('data/admin.db', '{\"compress\":\"lz4\"}')"
  fails 'option "verify" must be true, false or one of quick, full' \
    "SELECT backup_create('data/admin.db', '{\"verify\":\"slow\"}')"
  fails 'option "check" must be true or false' "SELECT backup_create('data/admin.db', '{\"check\":\"yes\"}')"
  fails 'option "retention_days" must be a whole number from 1 to 36500' \
    "SELECT backup_create('data/admin.db', '{\"retention_days\":0}')"
  fails 'option "note" must be a text that is not empty' "SELECT backup_create('data/admin.db', '{\"note\":\"\"}')"
  fails 'options: not a JSON object; they are written as in {"dir":"…"}' "SELECT backup_create('data/admin.db', '[1]')"
  fails 'options: not a JSON object; they are written as in {"dir":"…"}' "SELECT backup_create('data/admin.db', '{\"level\":')"
  [ -z "$(ls -A "$BACKUP_DIR" | grep -v '^catalog')" ]
}

@test "names that cannot be a file's are refused" {
  fails "name \"a/b\" cannot be a backup's: it contains a '/'" "SELECT backup_create('data/admin.db', '{\"name\":\"a/b\"}')"
  fails "name \"../x\" cannot be a backup's: it begins with a dot" "SELECT backup_create('data/admin.db', '{\"name\":\"../x\"}')"
  fails "name \"a..b\" cannot be a backup's: it contains \"..\"" "SELECT backup_create('data/admin.db', '{\"name\":\"a..b\"}')"
  fails "name \".hidden\" cannot be a backup's: it begins with a dot" \
    "SELECT backup_create('data/admin.db', '{\"name\":\".hidden\"}')"
  fails "this name cannot be a backup's: it contains a control character" \
    "SELECT backup_create('data/admin.db', '{\"name\":\"a\\nb\"}')"
  fails "this name cannot be a backup's: it contains a control character" \
    "SELECT backup_create('data/admin.db', '{\"name\":\"a\\u007fb\"}')"
  [ -z "$(ls -A "$BACKUP_DIR" | grep -v '^catalog')" ]
}

@test "two sources under one name are an error that says to pass a name" {
  mkdir other
  make_db other/admin.db 5
  sql "SELECT backup_create('data/admin.db')"
  fails 'the name "admin" in T/backups belongs to another source, T/data/admin.db: pass {"name":"…"} to keep T/other/admin.db apart, or move the old backups away' \
    "SELECT backup_create('other/admin.db')"
  gives "T/backups/admin2_sqlite_STAMP.db.gz" "SELECT backup_create('other/admin.db', '{\"name\":\"admin2\"}')"
  # The same file by another spelling of its path is the same source.
  ln -s data linked
  sql "SELECT backup_create('data/../data/admin.db')" "SELECT backup_create('linked/admin.db')"
}

@test "a database whose path is no UTF-8 is one source, in every backup of it and for latest" {
  file=$(printf 'b\344r.db')
  there() { sqlite3 -init /dev/null -batch -bail "$file" -cmd ".load '${LIFEBOAT_SO%.so}'" "$@"; }
  make_db "$file" 10
  there "SELECT backup_create('main')" >/dev/null
  there "SELECT backup_create('main')" >/dev/null
  make_db other.db 10
  sql "SELECT backup_create('other.db')"
  gives "2|T/b$(printf '\357\277\275')r.db" "SELECT count(*), max(source) FROM backups WHERE name <> 'other'"
  there "SELECT backup_restore('latest', 'main', '{\"overwrite\":true}')" >/dev/null
  gives "T/b$(printf '\357\277\275')r.db" "SELECT source FROM backup_history WHERE operation = 'restore'"
}

@test "what a killed run left is removed, of a verification and a look inside too; what is locked stays" {
  make_db admin.db 10
  cd "$BACKUP_DIR"
  touch .admin.000001.partial .verify.000002.partial .contents.000003.partial .verify.000004.partial .other.000005.partial
  exec 9<.verify.000004.partial
  flock -x 9
  sql "SELECT backup_create('$T/admin.db')"
  same ".other.000005.partial .verify.000004.partial" "$(echo .*.partial)"
  exec 9<&-
}

@test "a level that the codec does not have: the error says which it has" {
  fails 'level 99: gzip has levels 1 to 9' "SELECT backup_create('data/admin.db', '{\"level\":99}')"
  if has_zstd; then
    fails 'level 20: zstd has levels 1 to 19' "SELECT backup_create('data/admin.db', '{\"compress\":\"zstd\",\"level\":20}')"
  fi
  fails 'option "level" must be a whole number of at least 1' "SELECT backup_create('data/admin.db', '{\"level\":0}')"
  fails 'setting level must be a whole number from 1 to 19, not "99"' "SELECT backup_set('level', 99)"
}

@test "the advice for a folder that is missing is a command that makes it, whatever its name" {
  local name word
  while IFS=' ' read -r name word; do
    name=${name//+/ }
    fails "no folder for backups: $name does not exist (make it: mkdir -p ${word//+/ }; or name another with BACKUP_DIR or the option dir)" \
      "SELECT count(*) FROM backups('${name//\'/\'\'}')"
    (eval "mkdir -p ${word//+/ }")
    gives 0 "SELECT count(*) FROM backups('${name//\'/\'\'}')"
  done <<'NAMES'
none/such-dir_2.d none/such-dir_2.d
no+such/dir 'no+such/dir'
it's 'it'\''s'
$(touch+pwned) '$(touch+pwned)'
a;b 'a;b'
-p ./-p
-a+b ./'-a+b'
ö 'ö'
NAMES
  [ ! -e pwned ]
  fails 'the name of the folder of backups is empty (leave it out to mean BACKUP_DIR)' "SELECT * FROM backups('')"
}

@test "a folder that is missing or no folder" {
  fails 'no folder for backups: T/none does not exist (make it: mkdir -p T/none; or name another with BACKUP_DIR or the option dir)' \
    "SELECT backup_create('data/admin.db', '{\"dir\":\"$T/none\"}')"
  fails 'folder of backups T/data/admin.db: not a folder' "SELECT backup_create('data/admin.db', '{\"dir\":\"$T/data/admin.db\"}')"
}

@test "uncommitted work of the caller: COMMIT first" {
  fails 'T/data/admin.db: this connection has an open write transaction: COMMIT first, then back up' \
    ".open data/admin.db" ".load ${LIFEBOAT_SO%.so}" "BEGIN; INSERT INTO t(name) VALUES('x')" "SELECT backup_create('main')"
  # A read transaction, and a write transaction on another schema, are no obstacle.
  sql ".open data/admin.db" ".load ${LIFEBOAT_SO%.so}" "BEGIN; SELECT count(*) FROM t" "SELECT backup_create('main')"
  sql "ATTACH 'data/admin.db' AS a" "BEGIN; CREATE TABLE x(y)" "SELECT backup_create('a')"
}

@test "a trigger, a view or a default in a hostile database reaches neither functions nor tables" {
  sqlite3 data/evil.db "CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT backup_create('main'); END;
    CREATE VIEW v AS SELECT * FROM backups; CREATE VIEW w AS SELECT backup_version() AS x;"
  fails 'unsafe use of backup_create()' ".open data/evil.db" ".load ${LIFEBOAT_SO%.so}" "INSERT INTO t VALUES(1)"
  gives 0 "CREATE TEMP VIEW mine AS SELECT * FROM backups" "SELECT count(*) FROM mine"
  fails 'unsafe use of backup_verify(): something inside the database calls it' \
    "CREATE TEMP VIEW mine AS SELECT backup_verify('latest') AS result" "SELECT * FROM mine"
  fails 'unsafe use of virtual table "backups"' ".open data/evil.db" ".load ${LIFEBOAT_SO%.so}" "SELECT * FROM v"
  fails 'unsafe use of backup_version()' ".open data/evil.db" ".load ${LIFEBOAT_SO%.so}" "SELECT * FROM w"
  [ -z "$(ls -A "$BACKUP_DIR")" ]
}

@test "a backup that has its name can be read by others while history waits" {
  make_db admin.db
  sql "SELECT backup_create('admin.db')"
  rm "$BACKUP_DIR"/*.gz
  python - <<'PY'
import glob, os, sqlite3, subprocess, time
folder = os.environ['BACKUP_DIR']
catalog = sqlite3.connect(folder + '/catalog.db', isolation_level=None)
catalog.execute('BEGIN IMMEDIATE')  # history may be read, and not written
shell = ['sqlite3', '-init', '/dev/null', '-batch', '-bail', ':memory:', '.load ' + os.environ['LIFEBOAT_SO'][:-3]]
create = subprocess.Popen([*shell, "SELECT backup_create('admin.db')"], stdout=subprocess.DEVNULL)
while not glob.glob(folder + '/*.gz'):
    assert create.poll() is None
    time.sleep(0.005)
read = subprocess.run([*shell, "ATTACH backup_uri('latest') AS old", 'SELECT count(*) FROM old.t'], text=True,
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
assert create.poll() is None, 'it was too late to tell'
catalog.execute('ROLLBACK')
assert create.wait() == 0
assert read.stdout == '1000\n', read.stdout
PY
}
