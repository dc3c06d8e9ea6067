# Restoring some tables: backups and targets of all kinds, other users, failures. The work is done in part_safety.py.
load ../helper

setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

part() { python -B "$BATS_TEST_DIRNAME/part_safety.py" "$@"; }

@test "backups of every kind, at every level of checking" { part kinds; }
@test "a damaged backup changes nothing" { part damaged; }
@test "quick_check has no complaints about a key in another order" { part sound_for_quick_check; }
@test "an index of the backup that lacks rows hides none" { part stale_index; }
@test "a schema that was tampered with makes nothing else" { part hostile; }
@test "in memory, attached, locked by the caller" { part callers_own; }
@test "WAL: readers go on with the old content, a writer is waited for" { part connected wal; }
@test "rollback: readers are waited for" { part connected delete; }
@test "WAL: no acknowledged commit of a busy writer is lost" { part busy_writer wal; }
@test "rollback: no acknowledged commit of a busy writer is lost" { part busy_writer delete; }
@test "a column that comes between the look and the lock" { part schema_changes_meanwhile; }
@test "many columns, long rows, small pages" { part shape; }
@test "a restore that changes nothing leaves no copy and pushes none out, rollback journal" { part nothing_to_do delete; }
@test "a restore that changes nothing leaves no copy and pushes none out, WAL" { part nothing_to_do wal; }
@test "history tells, failures leave no copies behind" { part told; }
# bats test_tags=long
@test "kill -9 in the middle: WAL" { part kill wal; }
# bats test_tags=long
@test "kill -9 in the middle: rollback" { part kill delete; }
@test "an interrupt leaves all as it was" { part interrupted; }
