#!/usr/bin/env bash
# What a check runs, as lines for queue.sh, long ones first: `jobs.sh KIND…`, each
#   full      every suite, on $BUILD
#   minimal   on build/minimal, what differs there: codecs, hashes, and what is written with them
#   address   on build/asan: the unit tests, instrumented whole, and suites in hosts with the sanitizer's library loaded
#             first; of those with servers only what reads and restores single tables, where most of what is hostile is
#             taken apart, and what turns rows into another form
#   address-short   the part of it that a check has time for: without what is tagged long (databases past 1 GiB,
#             processes that are killed, waits, threads, which are the other sanitizer's), and without suites whose code
#             its other suites or the fuzzers, which have the same sanitizer, run as well
#   thread    on build/tsan: what is tagged threads, from the unit test of the ring to backups over several connections.
#             SQLite is not instrumented: what it does under its own mutexes is understood by the sanitizer
set -eu
cd "$(dirname "$0")/.."

# each WORDS SUITE…: a line for every file of these suites.
each() {
  local words=$1 suite file
  shift
  for suite in "$@"; do
    if [ "$suite" = unit ]; then echo "$words tests/run.sh unit"; fi
    for file in tests/"$suite"/*.bats tests/"$suite".bats; do
      [ ! -e "$file" ] || { file=${file#tests/}; echo "$words tests/run.sh ${file%.bats}"; }
    done
  done
}

library() { "${CC:-cc}" -print-file-name="$1"; }

# address SUITE…: the unit tests and these.
address() {
  local words="LABEL=asan BUILD=build/asan${TAGS:+ TAGS=$TAGS}"
  each "$words ASAN_OPTIONS=detect_leaks=1" unit
  each "$words ASAN_OPTIONS=detect_leaks=0 LIFEBOAT_PRELOAD=$(library libasan.so)" "$@"
}

jobs_of() {
  local suites words
  case $1 in
    full)
      suites=$(ls -d tests/*/ | cut -d/ -f2)
      # shellcheck disable=SC2086
      each LABEL=full fault fuzz postgres/interrupts postgres/crash docs scripts postgres unit $suites |
        awk '!seen[$0]++'
      ;;
    minimal)
      words='LABEL=minimal BUILD=build/minimal'
      for suites in core codec archive; do each "$words UNIT=$suites/test_*" unit; done
      each "$words" api/create api/restore api/verify api/contents
      ;;
    address)
      address postgres/table postgres/part postgres/part_odd postgres/binary postgres/binary_out archive/damage api \
        sqlite vfs job/part_model job/part_schema job/part_foreign job/part_safety
      ;;
    address-short)
      TAGS='!long' address postgres/table postgres/part_odd api/contents api/create api/restore api/verify sqlite/source \
        sqlite/target vfs/damage job/part_schema
      ;;
    thread)
      words='LABEL=tsan BUILD=build/tsan TSAN_OPTIONS=exitcode=66'
      each "$words TAGS=threads" postgres/load
      each "$words TAGS=threads LIFEBOAT_PRELOAD=$(library libtsan.so)" postgres/binary_out hosts/hosts vfs/attach
      each "$words UNIT=core/test_ring" unit
      ;;
    *)
      echo 'jobs.sh full|minimal|address|address-short|thread…' >&2
      return 2
      ;;
  esac
}

for kind in "$@"; do jobs_of "$kind"; done
