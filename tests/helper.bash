# Shared by all bats files: `load ../helper` (from tests/FOLDER/), nothing else to do.
#
# setup gives each test a folder of its own ($T, also the working directory; removed afterwards) and an environment
# without configuration. Tests that need more in setup call `lifeboat_setup` first in their own.
#
#   sql [SQL…]           runs the sqlite3 shell with the extension loaded, on :memory:, each SQL in turn; without
#                        arguments SQL comes from stdin. Stops at the first error with a non-zero status.
#   make_db FILE [ROWS [MODE]]   a sample database: table t(id, name, amount, body) and an index; MODE wal|delete
#   db FILE SQL          plain sqlite3, without the extension
#   content FILE         a digest of everything in a database's tables (sqlite3 .dump)
#   held COMMAND…        runs a command that file permissions hold, for root too
#   compile ARGUMENT…    cc for a host of the extension, instrumented as the build under test is
#   skip_without COMMAND…        skips, but fails under CI: nothing passes there by not running
#   in_memory            a folder where files are made and removed fast: a file system in memory, with room, or /tmp
#
# $NODE is a Node that has node:sqlite (scripts/bootstrap.sh test puts it into build/node).
# LIFEBOAT_SO names the extension under test; default: build/lifeboat.so at the root of the tree ($ROOT).

bats_require_minimum_version 1.5.0

# bats notes each command for the case that it fails, which takes a function of a few lines ten times its time. Only
# those of the tests themselves are noted: a failure names the line of the test, whatever that called.
if declare -F bats_debug_trap >/dev/null; then
  eval "$(declare -f bats_debug_trap | sed '2a [[ ${FUNCNAME[1]} == @(test_*|setup*|teardown*) ]] || return 0')"
fi

ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
export ROOT
export LIFEBOAT_SO=${LIFEBOAT_SO:-$ROOT/build/lifeboat.so}
NODE=$ROOT/build/node/node_modules/.bin/node
[ -x "$NODE" ] || NODE=node

# Debian's Python, whose sqlite3 loads extensions. LIFEBOAT_PRELOAD is a library that has to come before the extension
# (a sanitizer's runtime): loaded into the hosts, not into the shell that runs the tests.
python() { LD_PRELOAD=${LIFEBOAT_PRELOAD:-} /usr/bin/python3 "$@"; }
if [ -n "${LIFEBOAT_PRELOAD:-}" ]; then
  sqlite3() { LD_PRELOAD=$LIFEBOAT_PRELOAD command sqlite3 "$@"; }
fi

lifeboat_setup() {
  T=$(mktemp -d "${BATS_TEST_TMPDIR:?}/t.XXXXXX")
  T=$(cd "$T" && pwd -P)
  export T LC_ALL=C
  unset BACKUP_DIR RETENTION_DAYS ADMIN_DB_TYPE ADMIN_DB_PATH ADMIN_DATABASE_URL BACKUP_NAME
  unset RESTORE_BACKUP RESTORE_TARGET RESTORE_OPTIONS
  cd "$T" || return 1
}

setup() { lifeboat_setup; }

teardown() {
  cd / && [ -n "${T:-}" ] && chmod -R u+rwx "$T" && rm -rf "$T"
}

sql() {
  if [ $# -eq 0 ]; then
    sqlite3 -init /dev/null -batch -bail :memory: -cmd ".load '${LIFEBOAT_SO%.so}'"
  else
    printf '%s\n;\n' "$@" | sqlite3 -init /dev/null -batch -bail :memory: -cmd ".load '${LIFEBOAT_SO%.so}'"
  fi
}

db() { sqlite3 -init /dev/null -batch -bail "$1" "$2"; }

make_db() {
  local file=$1 rows=${2:-1000} mode=${3:-delete}
  sqlite3 -init /dev/null -batch -bail "$file" <<SQL >/dev/null
PRAGMA journal_mode=$mode;
BEGIN;
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, amount REAL, body BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
INSERT INTO t SELECT i, 'name ' || i, i * 1.25, CASE WHEN i % 10 = 0 THEN randomblob(200) ELSE zeroblob(20) END FROM n;
CREATE INDEX t_name ON t(name);
COMMIT;
SQL
}

content() { sqlite3 -init /dev/null -batch "$1" .dump | sha256sum | cut -d' ' -f1; }

# held PROGRAM…: as a user whom permissions hold, which root is not.
held() {
  local as=()
  [ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search)
  "${as[@]}" env ${LIFEBOAT_PRELOAD:+"LD_PRELOAD=$LIFEBOAT_PRELOAD"} "$@"
}

compile() {
  local sanitize=()
  case $(nm "${LIFEBOAT_SO%/*}/obj/core/error.o" 2>/dev/null) in
    *__asan_init*) sanitize=(-fsanitize=address) ;;
    *__tsan_init*) sanitize=(-fsanitize=thread) ;;
  esac
  ${CC:-cc} -Wall -Wextra -Werror "${sanitize[@]}" "$@"
}

# A file system takes long to create files where many went away lately.
in_memory() {
  local free options
  read -r free options < <(findmnt -bno AVAIL,OPTIONS /dev/shm 2>/dev/null)
  if [ "${free:-0}" -ge $((4 << 30)) ] && [[ ,$options, != *,noexec,* ]] && [ -w /dev/shm ]; then
    echo /dev/shm
  else
    echo /tmp
  fi
}

skip_without() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null && continue
    [ -z "${CI:-}" ] || { echo "$command is missing: run scripts/bootstrap.sh test" >&2; return 1; }
    skip "$command is missing"
  done
}
