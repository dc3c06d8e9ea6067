#!/usr/bin/env bash
# All of `make check`, once what a build needs is there: the builds, while what the tests need is installed, lint, and
# then the tests on all builds from one queue. The last line is "N passed, N failed, N skipped"; the exit status is 0
# only without failures, and in CI (CI=true) a skipped test is a failure too.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export TALLY=$work/tally

step() {  # step NAME COMMAND…: a step without tests of its own counts as one
  local name=$1 began=$SECONDS out status
  shift
  out=$("$@" 2>&1)
  status=$?
  if [ $status = 0 ]; then echo "1 0 0" >>"$TALLY"; else printf '%s\n' "$out"; echo "0 1 0" >>"$TALLY"; fi
  printf '%-10s %-34s %s  (%d s)\n' '' "$name" "$([ $status = 0 ] && echo ok || echo FAILED)" "$((SECONDS - began))"
}

build() { make -s -j"$(nproc)" "$@"; }

# The builds need none of the tests' packages, of which lint's Python is one. What the minimal build does is tested, not
# how fast: it compiles in half the time so.
scripts/bootstrap.sh packages >"$work/packages" 2>&1 &
step build build all
step 'build MINIMAL=1' build MINIMAL=1 BUILD=build/minimal CFLAGS=-O1 all
step 'build SANITIZE=address' build SANITIZE=address BUILD=build/asan all
step 'build SANITIZE=thread' build SANITIZE=thread BUILD=build/tsan all
wait $!
status=$?
cat "$work/packages"
[ $status = 0 ] || exit 1
# npm may take minutes: suites that need neither its Node nor its servers come first.
exec 8< <(scripts/bootstrap.sh test 2>&1 || echo FAILED)
step lint make -s lint
step 'unit tests' build unit
step 'unit tests MINIMAL=1' build MINIMAL=1 BUILD=build/minimal CFLAGS=-O1 \
  UNIT='core/test_* codec/test_* archive/test_*' unit
step 'unit tests SANITIZE=address' build SANITIZE=address BUILD=build/asan unit
step 'unit tests SANITIZE=thread' build SANITIZE=thread BUILD=build/tsan build/tsan/tests/core/test_ring

tests/jobs.sh thread address-short full minimal >"$work/jobs"
grep -lE 'NODE|^load (\.\./postgres/)?server$' tests/*/*.bats | sed -E 's,^tests/(.*)\.bats$,\1,' >"$work/later"
{
  grep -vwFf "$work/later" "$work/jobs"
  npm=$(cat <&8)
  printf '%s\n' "$npm" >&2
  [[ $npm != *FAILED ]] || echo false
  grep -wFf "$work/later" "$work/jobs"
} | tests/queue.sh 8<&-
