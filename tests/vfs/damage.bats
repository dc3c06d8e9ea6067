# Damaged backups read in place: an error that names the block in SQLite's log, never other rows.
load ../helper
load ../api/expect

setup() { api_setup; }

damage() { python "$BATS_TEST_DIRNAME/damage.py" "$1" "$T"; }

@test "gzip: flipped bits, cut off, too long, damaged while attached" { damage gzip; }

@test "zstd: flipped bits, cut off, too long, damaged while attached" {
  has_zstd || return 0
  damage zstd
}

@test "one gzip member of another tool: flipped bits, cut off, too long, damaged while attached" { damage old; }

@test "SQLite's log names file and block, and verify names the same block" {
  make_db app.db 20000
  local path
  path=$(sql "SELECT backup_create('app.db')")
  printf XXXX | dd of="$path" bs=1 seek=$(($(stat -c %s "$path") / 2)) conv=notrunc status=none
  run ! sqlite3 -init /dev/null -batch -bail :memory: ".log stdout" ".load ${LIFEBOAT_SO%.so}" \
    "ATTACH 'file:$path?vfs=lifeboat' AS old" "SELECT sum(length(body)) FROM old.t"
  [[ $output == *"lifeboat: $path: block "[0-9]*" at byte "[0-9]*": stored checksum does not match"* ]]
  local block=${output#*: block }
  block=${block%% *}
  [[ $(sql "SELECT backup_verify('$path')") == "block $block at byte"* ]]
  head -c 5000 "$path" >cut.db.gz
  run ! sqlite3 -init /dev/null -batch -bail :memory: ".log stdout" ".load ${LIFEBOAT_SO%.so}" \
    "ATTACH 'file:$T/cut.db.gz?vfs=lifeboat' AS old"
  [[ $output == *"lifeboat: $T/cut.db.gz: damaged: the footer is missing"* ]]
}

@test "zstd of another tool cannot be read in place, and the log says so" {
  skip_without zstd
  has_zstd || return 0
  make_db app.db 2000
  zstd -q app.db
  run ! sqlite3 -init /dev/null -batch -bail :memory: ".log stdout" ".load ${LIFEBOAT_SO%.so}" \
    "ATTACH 'file:$T/app.db.zst?vfs=lifeboat' AS old"
  [[ $output == *"app.db.zst: zstd of another tool can only be read from its front: restore it to look inside"* ]]
}
