#!/usr/bin/env bash
# Runs the tests that a sanitizer can follow: `sanitized.sh address|thread BUILD`. The unit tests are instrumented whole
# (under thread only that of the ring: the others have one thread).
# address: the extension runs inside the plain sqlite3 shell with the sanitizer's library loaded first; of the suites with
# servers only what reads and restores single tables, where most of what is hostile is taken apart, and what turns rows
# into another form. What is tagged long is left out: databases past 1 GiB, processes that are killed, and threads, which
# are the other sanitizer's. thread: a C host that creates, verifies and restores from eight threads, one that reads backups in
# place, and the driver that loads scripts over several connections, all instrumented like the extension (SQLite is not:
# what it does under its own mutexes is understood by the sanitizer); backups over several connections are made in the
# shell, like those under address.
set -u
cd "$(dirname "$0")/.." || exit 1
kind=$1
export BUILD=$2
case $kind in
  address)
    ASAN_OPTIONS=detect_leaks=1 tests/run.sh unit
    status=$?
    export ASAN_OPTIONS=detect_leaks=0
    LIFEBOAT_PRELOAD=$("${CC:-cc}" -print-file-name=libasan.so) TAGS='!long' tests/run.sh api archive/damage sqlite vfs \
      job/part_model job/part_schema job/part_foreign job/part_safety postgres/table postgres/part postgres/part_odd postgres/binary \
      postgres/binary_out && [ $status = 0 ]
    ;;
  thread)
    export TSAN_OPTIONS=exitcode=66
    UNIT=core/test_ring tests/run.sh unit
    status=$?
    dir=$(mktemp -d)
    root=$PWD
    host() {  # host NAME ARGUMENT…: a program of $BUILD/hosts, which has to end with ok
      local name=$1 good=0 bad=1
      shift
      (cd "$dir" && BACKUP_DIR=$dir "$root/$BUILD/hosts/$name" "$root/$BUILD/lifeboat.so" "$@") >"$dir/out" 2>&1
      if [ $? = 0 ] && [ "$(tail -n 1 "$dir/out")" = ok ]; then good=1 bad=0; else cat "$dir/out"; status=1; fi
      printf '%-10s %-34s %4d passed, %d failed, 0 skipped\n' "${LABEL:-}" "hosts/$name" "$good" "$bad"
      [ -z "${TALLY:-}" ] || echo "$good $bad 0" >>"$TALLY"
    }
    host threads
    for name in one two; do
      sqlite3 -init /dev/null "$dir/$name.db" "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, amount REAL, body BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO t SELECT i, 'name ' || i, i, randomblob(100) FROM n"
    done
    gzip -k "$dir/two.db"
    host readers threads - one.db two.db.gz two.db
    rm -rf "$dir"
    LIFEBOAT_PRELOAD=$("${CC:-cc}" -print-file-name=libtsan.so) tests/run.sh postgres/binary_out || status=1
    tests/run.sh postgres/load && [ $status = 0 ]
    ;;
  *) echo "sanitized.sh address|thread BUILD" >&2; exit 2 ;;
esac
