# Our files are ordinary ones: every decoder that one may have at hand makes the same database of them, byte by byte.
load ../helper
load ../api/expect

setup() {
  lifeboat_setup
  skip_without gunzip zcat pigz busybox zstd
  export BACKUP_DIR=$T
  make_db app.db 60000
  # Written in other ways than the rest: stored, and as digits.
  sqlite3 app.db 'CREATE TABLE odd(bytes, digits); INSERT INTO odd VALUES (randomblob(99999), lower(hex(randomblob(99999))))'
  [ "$(stat -c %s app.db)" -gt 4000000 ]
}

# decodes FILE COMMAND…: it writes the database to standard output, and says nothing.
decodes() {
  local file=$1 said
  shift
  said=$("$@" "$file" 2>&1 >decoded.db) || { echo "$* failed: $said"; return 1; }
  [ -z "$said" ] || { echo "$* said: $said"; return 1; }
  cmp decoded.db wanted.db || { echo "by: $*"; return 1; }
}

python_gunzip() {
  /usr/bin/python3 -c 'import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.argv[1]), sys.stdout.buffer)' "$1"
}

# Sets `file` to a backup with these options, and makes wanted.db.
make_backup() {
  rm -f wanted.db
  file=$(sql "SELECT backup_create('app.db', '{\"name\":\"$RANDOM\",$1}')")
  sql "SELECT backup_restore('$file', '$T/wanted.db')" >/dev/null
  # A copy by the Backup API has other counters in its header, the first 100 bytes.
  cmp -i 100 wanted.db app.db
}

@test "gzip: gunzip, zcat, pigz, BusyBox and Python decode every level" {
  local level
  for level in 1 2 3 4 6 9; do
    make_backup "\"level\":$level"
    gunzip -t "$file"
    pigz -t "$file"
    busybox gunzip -t "$file"
    decodes "$file" gunzip -c
    decodes "$file" zcat
    decodes "$file" pigz -dc
    decodes "$file" busybox gunzip -c
    decodes "$file" python_gunzip
  done
}

@test "zstd: zstd decodes every kind of level" {
  has_zstd || return 0
  local level
  for level in 1 3 10 19; do
    make_backup "\"compress\":\"zstd\",\"level\":$level"
    zstd -qt "$file"
    decodes "$file" zstd -qdc
  done
}

# A single bit may well be the distance to another place where the same is written.
@test "a backup with wrong bytes is an error to all of them" {
  make_backup '"level":2'
  printf 'damaged damaged ' | dd of="$file" bs=1 seek=1000000 conv=notrunc status=none
  run ! gunzip -t "$file"
  run ! pigz -t "$file"
  run ! busybox gunzip -t "$file"
  run ! decodes "$file" zcat
  run ! decodes "$file" python_gunzip
}
