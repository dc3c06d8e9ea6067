# Restoring some tables: foreign keys. The work is done in part_foreign.py.
load ../helper

setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

part() { python -B "$BATS_TEST_DIRNAME/part_foreign.py" "$@"; }

@test "foreign keys that would be broken: an error that says which tables would mend it" { part foreign_keys; }
@test "orphans that were there before, and those of the backup, are nobody's fault" { part orphans; }
@test "orphans by the thousand, beside many tables, take no time" { part orphans_by_the_thousand; }
@test "an orphan of one foreign key hides none of another" { part orphans_beside_orphans; }
@test "an orphan that was at the same rowid before hides no new one" { part orphans_that_changed; }
@test "orphans of the backup at another rowid, with other keys beside theirs" { part orphans_that_stay; }
@test "no table is advised that the backup does not have" { part advice_that_can_be_taken; }
@test "foreign keys in a circle, with actions that must not run" { part cycles; }
