# For the bats files that test the SQL surface: exact results and exact error texts. `load ../api/expect` after the helper.
#
#   api_setup             the helper's setup, and an empty folder of backups in $BACKUP_DIR
#   gives WANT SQL…       the last SQL's whole output, with the stamps of file names shown as STAMP and $T as T
#   fails WANT SQL…       the last statement fails with exactly this message (the shell's own words around it removed)
#   old_backup NAME DAYS FILE   a backup of FILE as the old script made it (one gzip member), DAYS days old; prints its path
#   has_zstd              whether the extension was built with it; without, that it says so is checked instead
#   old_stamp DAYS        the stamp of DAYS days ago

api_setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

# What differs from run to run: the folder of the test, the time, the number that tells two of one second apart.
plain() { sed -E "s|$T|T|g; s/20[0-9]{6}_[0-9]{6}(_[0-9]+)?/STAMP/g; s/20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}/TIME/g"; }

same() {
  [ "$1" = "$2" ] && return 0
  printf 'wanted: %s\ngot:    %s\n' "$1" "$2" >&2
  return 1
}

gives() {
  local want=$1 got
  shift
  got=$(sql "$@" 2>&1) || { printf 'failed: %s\n' "$got" >&2; return 1; }
  same "$want" "$(plain <<<"$got")"
}

fails() {
  local want=$1 got
  shift
  if got=$(sql "$@" 2>&1); then
    printf 'did not fail: %s\n' "$got" >&2
    return 1
  fi
  same "$want" "$(sed -E 's/^(Runtime|Parse) error near line [0-9]+: //; s/ \([0-9]+\)$//' <<<"$got" | plain)"
}

old_stamp() { date -u -d "$1 days ago" +%Y%m%d_%H%M%S; }

old_backup() {
  local path
  path=$BACKUP_DIR/$1_sqlite_$(old_stamp "$2").db.gz
  gzip -c "$3" >"$path" && printf '%s\n' "$path"
}

has_zstd() {
  [[ $(sql "SELECT backup_version()") == *zstd* ]] && return 0
  db any.db 'PRAGMA user_version=1'
  fails 'not built with zstd' "SELECT backup_create('any.db', '{\"compress\":\"zstd\"}')" || exit 1
  return 1
}
