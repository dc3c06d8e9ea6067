#!/usr/bin/env bash
# Runs the tests that a sanitizer can follow: `sanitized.sh address|thread BUILD`. The unit tests are instrumented whole.
# address: the extension runs inside the plain sqlite3 shell with the sanitizer's library loaded first. thread: a C host
# that hammers the extension's code from many threads, instrumented whole.
set -u
cd "$(dirname "$0")/.." || exit 1
kind=$1
export BUILD=$2
case $kind in
  address)
    export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:handle_segv=0
    CMOCKA=1 ASAN_OPTIONS=detect_leaks=1 tests/run.sh unit
    status=$?
    preload=$("${CC:-cc}" -print-file-name=libasan.so)
    LIFEBOAT_PRELOAD=$preload tests/run.sh api
    [ $? = 0 ] && [ $status = 0 ]
    ;;
  thread)
    export TSAN_OPTIONS=halt_on_error=1:exitcode=66
    tests/run.sh unit
    ;;
  *) echo "sanitized.sh address|thread BUILD" >&2; exit 2 ;;
esac
