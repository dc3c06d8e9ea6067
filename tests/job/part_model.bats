# Restoring some tables: each mode against a model. The work is done in part_model.py.
load ../helper

setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

part() { python -B "$BATS_TEST_DIRNAME/part_model.py" "$@"; }

@test "each mode against a model, over random small databases" { part model 0 39; }
