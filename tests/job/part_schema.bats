# Restoring some tables: what is special about a table. The work is done in part_schema.py.
load ../helper

setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

part() { python -B "$BATS_TEST_DIRNAME/part_schema.py" "$@"; }

@test "columns that only one side has" { part differing_columns; }
@test "a note is told whole, however long it is" { part long_notes; }
@test "values whose column has another type, or is computed in the target, are named" { part converted; }
@test "a key that is not the backup's is an error" { part differing_keys; }
@test "a key that has a column twice" { part key_with_a_column_twice; }
@test "rowids: they tell rows apart without a key, and are kept where they are free" { part no_key; }
@test "a table that is missing is made, with indexes and triggers" { part missing_table; }
@test "AUTOINCREMENT never goes back" { part sequence; }
@test "what is refused, in its words, and nothing is changed" { part refusals; }
@test "full-text indexes over a table are rebuilt; triggers do not run, and are named" { part fulltext; }
@test "full-text indexes that are named: rebuilt, and made where they are missing" { part indexes; }
@test "a missing full-text index comes back with its table where that needs it" { part missing_indexes; }
@test "tables that triggers would have written to are named" { part triggers; }
@test "rows in each other's way: an error with a way out; REPLACE in a schema takes no row away" { part collisions; }
@test "texts that begin with a byte order mark, in every encoding" { part byte_order_marks; }
@test "a collation that only the application has" { part unknown_here; }
