# backup_diff over random edits, held against a model, and its memory; what it tells is in tests/api/diff.bats.
load ../helper

setup() {
  lifeboat_setup
  mkdir backups
  export BACKUP_DIR=$T/backups
}

diff_py() { python -B "$ROOT/tests/job/diff.py" "$@"; }

@test "random edits of databases of every kind, each against each" { diff_py random "${SEED:-1}" "${ROUNDS:-4}"; }

@test "some hundred thousand rows that differ: memory stays within cache and sorting" { diff_py memory; }
