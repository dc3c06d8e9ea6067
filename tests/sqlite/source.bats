# What is backed up: left as it was, whatever its state; crashed, busy, locked and moved sources.
load ../helper
load ../api/expect

setup() { api_setup; }

source_test() { python "$BATS_TEST_DIRNAME/source.py" "$@"; }

@test "untouched: rollback mode, nobody there" { source_test untouched rollback; }
@test "untouched: rollback mode, an idle connection" { source_test untouched rollback_held; }
@test "untouched: a persistent journal" { source_test untouched persist; }
@test "untouched: WAL mode, nobody there, no -wal" { source_test untouched wal; }
@test "untouched: WAL mode, an idle connection" { source_test untouched wal_idle; }
@test "untouched: WAL mode, a live connection and a -wal with content" { source_test untouched wal_held; }
@test "untouched: a -wal with content that nobody checkpointed, no -shm" { source_test untouched wal_left; }

@test "as root, of a database of another user: nothing there becomes root's" {
  [ "$(id -u)" = 0 ] || skip 'needs root'
  # Other users must reach it, and the folders of bats are closed to them.
  work=$(mktemp -d /tmp/lifeboat.XXXXXX)
  chmod 755 "$work"
  cd "$work"
  for kind in rollback wal wal_idle wal_held wal_left; do
    rm -rf ./*
    source_test untouched_other_owner $kind || { rm -rf "$work"; return 1; }
  done
  cd "$T"
  rm -rf "$work"
}

@test "what is no database is left alone, with what lies beside it" { source_test garbage_untouched; }
@test "a hot journal is rolled back" { source_test hot_journal; }
@test "a plain file with half a transaction in it is no backup" { source_test half_a_transaction_is_no_backup; }
@test "a WAL that a crashed writer left" { source_test crashed_wal; }
@test "WAL: in use, but not with a -wal beside this name" { source_test without_wal; }
@test "WAL: a writer that commits all the time never waits, each backup is one moment" { source_test busy_wal_writer; }
@test "an exclusive holder is named after timeout_ms" { source_test locked; }
@test "a writer that only holds RESERVED is no obstacle" { source_test reserved; }
@test "locks of other connections of this process are kept" { source_test keeps_locks; }
@test "so they are when a live database is named as a backup" { source_test keeps_locks_of_named_file; }
@test "a file that was moved under the caller's connection" { source_test moved; }
@test "Python's implicit transaction: COMMIT first" { source_test python_transaction; }

@test "WAL: permissions that are missing are told, and on what" {
  held /usr/bin/python3 "$BATS_TEST_DIRNAME/source.py" wal_permissions
}

@test "a hot journal, and no permission to roll it back: that is told, and what to do" {
  held /usr/bin/python3 "$BATS_TEST_DIRNAME/source.py" hot_journal_read_only
}

# on_file_system OPTIONS TEST: a test for which src is a file system of its own.
on_file_system() {
  local flags=-rm
  [ "$(id -u)" -ne 0 ] || flags=-m
  unshare $flags true 2>/dev/null || skip 'needs a mount namespace'
  mkdir src
  unshare $flags bash -c 'mount -t tmpfs -o "$1" none src && shift && exec "$@"' bash "$1" \
    env LD_PRELOAD="${LIFEBOAT_PRELOAD:-}" /usr/bin/python3 "$BATS_TEST_DIRNAME/source.py" "$2"
}

@test "WAL: on a read-only file system the error says what to do, and that works" { on_file_system rw wal_read_only; }
@test "WAL: on a full disk the error says what to do, and that works" { on_file_system size=400k wal_no_room; }
