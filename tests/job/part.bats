# Restoring some tables into a database that goes on living. The work is done in part.py.
load ../helper

setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

part() { python -B "$BATS_TEST_DIRNAME/part.py" "$@"; }

@test "each mode against a model, over random small databases" { part model 0 39; }
@test "columns that only one side has" { part differing_columns; }
@test "values whose column has another type, or is computed in the target, are named" { part converted; }
@test "a key that is not the backup's is an error" { part differing_keys; }
@test "a key that has a column twice" { part key_with_a_column_twice; }
@test "rowids: they tell rows apart without a key, and are kept where they are free" { part no_key; }
@test "a table that is missing is made, with indexes and triggers" { part missing_table; }
@test "AUTOINCREMENT never goes back" { part sequence; }
@test "what is refused, in its words, and nothing is changed" { part refusals; }
@test "full-text indexes over a table are rebuilt; triggers do not run, and are named" { part fulltext; }
@test "foreign keys that would be broken: an error that says which tables would mend it" { part foreign_keys; }
@test "orphans that were there before, and those of the backup, are nobody's fault" { part orphans; }
@test "an orphan of one foreign key hides none of another" { part orphans_beside_orphans; }
@test "foreign keys in a circle, with actions that must not run" { part cycles; }
@test "rows in each other's way: an error with a way out; REPLACE in a schema takes no row away" { part collisions; }
@test "a collation that only the application has" { part unknown_here; }
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
@test "kill -9 in the middle: WAL" { part kill wal; }
@test "kill -9 in the middle: rollback" { part kill delete; }
@test "an interrupt leaves all as it was" { part interrupted; }
