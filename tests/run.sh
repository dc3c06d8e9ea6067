#!/usr/bin/env bash
# Runs tests, one after the other, and counts them: `run.sh SUITE...`, each a folder below tests/, a file in one
# (postgres/table) or `unit`; all of them when none is named. UNIT: patterns of the unit tests (core/test_* codec/test_*);
# TAGS: which tests by their tags, as bats takes them (!long). Reads TAP from bats and from the cmocka programs in
# $BUILD/tests. Adds to the tally in $TALLY, when that is set: queue.sh counts many runs.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}
case $build in /*) ;; *) build=$root/$build ;; esac
export LIFEBOAT_SO=${LIFEBOAT_SO:-$build/lifeboat.so}
label=${LABEL:-}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0

# Counts one run's TAP in $log; a run that ends badly without a failed test is a failure itself.
count() {
  local name=$1 status=$2 good bad skip
  skip=$(grep -cE '^ok .*# skip' "$log")
  good=$(($(grep -cE '^ok ' "$log") - skip))
  bad=$(grep -cE '^not ok ' "$log")
  if [ "$bad" = 0 ] && { [ "$status" != 0 ] || [ $((good + skip)) = 0 ]; }; then bad=1; fi
  if [ "$bad" != 0 ] || [ "$status" != 0 ]; then grep -vE '^ok |^1\.\.' "$log"; fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
  printf '%-10s %-34s %4d passed, %d failed, %d skipped  (%d s)\n' "$label" "$name" "$good" "$bad" "$skip" "$((SECONDS - began))"
}

run_unit() {
  local program
  for program in $(cd "$build/tests" && printf '%s\n' ${UNIT:-*/test_*}); do
    case $program in *.[do]) continue ;; esac
    [ -x "$build/tests/$program" ] || continue
    began=$SECONDS
    CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/$program" >"$log" 2>&1
    count "$program" $?
  done
}

run_bats() {
  local file
  for file in "$root/tests/$1"/*.bats "$root/tests/$1.bats"; do
    [ -e "$file" ] || continue
    began=$SECONDS
    bats ${TAGS:+--filter-tags "$TAGS"} --formatter tap "$file" >"$log" 2>&1
    count "${file#"$root"/tests/}" $?
  done
}

[ $# -gt 0 ] || set -- unit $(cd "$root/tests" && ls -d */ | tr -d /)
for suite in "$@"; do
  if [ "$suite" = unit ]; then run_unit; else run_bats "$suite"; fi
done

if [ $((passed + failed + skipped)) = 0 ]; then
  echo "run.sh: no tests for: $*${UNIT:+ (UNIT=$UNIT)}"
  failed=1
fi
if [ -n "${TALLY:-}" ]; then printf '%d %d %d\n' "$passed" "$failed" "$skipped" >>"$TALLY"; fi
[ "$failed" = 0 ]
