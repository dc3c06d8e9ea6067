#!/usr/bin/env bash
# All of `make check`, once what a build needs is there: lint, the builds, while what the tests need is installed, and
# then the tests on all of them from one queue. The last line is "N passed, N failed, N skipped"; the exit status is 0
# only without failures, and in CI (CI=true) a skipped test is a failure too.
set -u
cd "$(dirname "$0")/.." || exit 1
TALLY=$(mktemp) && installed=$(mktemp) || exit 1
export TALLY
trap 'rm -f "$TALLY" "$installed"' EXIT

step() {  # step NAME COMMAND…: a step without tests of its own counts as one
  local name=$1 began=$SECONDS out status
  shift
  out=$("$@" 2>&1)
  status=$?
  if [ $status = 0 ]; then echo "1 0 0" >>"$TALLY"; else printf '%s\n' "$out"; echo "0 1 0" >>"$TALLY"; fi
  printf '%-10s %-34s %s  (%d s)\n' '' "$name" "$([ $status = 0 ] && echo ok || echo FAILED)" "$((SECONDS - began))"
}

build() { make -s -j"$(nproc)" "$@"; }

# Downloads may take minutes; the extension needs nothing of them.
scripts/bootstrap.sh test >"$installed" 2>&1 &
step lint make -s lint
step build build all
step 'build MINIMAL=1' build MINIMAL=1 BUILD=build/minimal CFLAGS=-O2 all
step 'build SANITIZE=address' build SANITIZE=address BUILD=build/asan all
step 'build SANITIZE=thread' build SANITIZE=thread BUILD=build/tsan all
wait $!
status=$?
cat "$installed"
[ $status = 0 ] || exit 1
step 'unit tests' build unit
step 'unit tests MINIMAL=1' build MINIMAL=1 BUILD=build/minimal CFLAGS=-O2 UNIT='core/test_* codec/test_* archive/test_*' unit
step 'unit tests SANITIZE=address' build SANITIZE=address BUILD=build/asan unit
step 'unit tests SANITIZE=thread' build SANITIZE=thread BUILD=build/tsan build/tsan/tests/core/test_ring
tests/jobs.sh full thread address-short minimal | tests/queue.sh
