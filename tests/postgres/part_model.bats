# Restoring some tables into PostgreSQL: each mode against a model. The work is done in part_model.py; SEED repeats a run.
load ../helper
load server

setup_file() { pg_server_start; }
teardown_file() { pg_server_stop immediate; }

setup() {
  lifeboat_setup
  mkdir "$T/backups"
  export BACKUP_DIR=$T/backups
}

@test "each mode against a model, over every kind of key" {
  run python -B "$PG_HERE/part_model.py" "${SEED:-$RANDOM}"
  echo "$output"
  [ "$status" = 0 ]
}
