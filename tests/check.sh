#!/usr/bin/env bash
# All of `make check`: lint, the suite on the full build, and beside it, on the second processor, the main tests on the
# minimal build, the tests under the sanitizers, and fuzzing. What that second lane prints comes when it has ended.
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only without failures, and in CI (CI=true) a
# skipped test is a failure too.
set -u
cd "$(dirname "$0")/.." || exit 1
TALLY=$(mktemp) || exit 1
beside=$(mktemp) || exit 1
export TALLY
lane=
trap '[ -z "$lane" ] || kill "$lane" 2>/dev/null; rm -f "$TALLY" "$beside"' EXIT

step() {  # step NAME COMMAND…: a step without tests of its own counts as one
  local name=$1 began=$SECONDS out status
  shift
  out=$("$@" 2>&1)
  status=$?
  if [ $status = 0 ]; then echo "1 0 0" >>"$TALLY"; else printf '%s\n' "$out"; echo "0 1 0" >>"$TALLY"; fi
  printf '%-10s %-34s %s  (%d s)\n' '' "$name" "$([ $status = 0 ] && echo ok || echo FAILED)" "$((SECONDS - began))"
}

make_in() { make -s -j2 "$@"; }

other_builds() {
  step 'build MINIMAL=1' make_in MINIMAL=1 BUILD=build/minimal all unit
  # What differs there: codecs, hashes, and what is written with them.
  LABEL=minimal BUILD=build/minimal UNIT='core/test_* codec/test_* archive/test_*' \
    tests/run.sh unit api/create api/restore api/verify api/contents
  step 'build SANITIZE=address' make_in SANITIZE=address BUILD=build/asan all unit
  LABEL=asan tests/sanitized.sh address build/asan
  step 'build SANITIZE=thread' make_in SANITIZE=thread BUILD=build/tsan all raced
  LABEL=tsan tests/sanitized.sh thread build/tsan
  step 'fuzz, 60 s' env FUZZ_SEED=1 FUZZ_SCRIPT_SECONDS=20 make -s -j2 fuzz
}

step lint make -s lint
step build make_in all unit
other_builds >"$beside" 2>&1 &
lane=$!
LABEL=full tests/run.sh
wait "$lane"
lane=
cat "$beside"

awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s
       exit f > 0 || (s > 0 && ENVIRON["CI"] == "true") }' "$TALLY"
