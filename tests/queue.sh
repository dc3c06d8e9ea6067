#!/usr/bin/env bash
# Runs the jobs that it reads, a line of words for env(1) each (jobs.sh makes them), $JOBS at once: two more than there
# are processors when nothing is said, since many wait for servers. What a job prints comes when it has ended. The last
# line is "N passed, N failed, N skipped", and counts what was in $TALLY before, too; the exit status is 0 only without
# failures, and in CI (CI=true) a skipped test is a failure too.
set -u
cd "$(dirname "$0")/.." || exit 1
own=
[ -n "${TALLY:-}" ] || { own=$(mktemp) && TALLY=$own || exit 1; }
export TALLY
trap '[ -z "$own" ] || rm -f "$own"' EXIT

# The words are jobs.sh's own. A job that counted nothing did not come to its end.
# shellcheck disable=SC2016
xargs -d '\n' -r -n 1 -P "${JOBS:-$(($(nproc) + 2))}" bash -c '
  counted=$(mktemp) || exit
  out=$(TALLY=$counted env $0 2>&1)
  status=$?
  [ -s "$counted" ] || { out+="$0: ended with status $status"; echo "0 1 0" >"$counted"; }
  { flock 9; cat "$counted" >&9; printf "%s\n" "$out"; } 9>>"$TALLY"
  rm -f "$counted"'

awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s
       exit p == 0 || f > 0 || (s > 0 && ENVIRON["CI"] == "true") }' "$TALLY"
