# Damaged backups: found by verify, refused by restore, and the target is left as it was.
load ../helper

damage() { python -B "$ROOT/tests/archive/damage.py" "$1" "$T"; }

@test "gzip: every byte flipped, every length, every kind of tail" { damage gzip; }
@test "zstd: every byte flipped, every length, every kind of tail" { damage zstd; }
@test "a one-member .db.gz: every byte flipped, every length, every kind of tail" { damage old; }

# restore_refused FILE TEXT…: restoring it over target.db fails, says each TEXT, and changes nothing.
restore_refused() {
  local file=$1 before
  shift
  before=$(sha256sum target.db)
  run -1 sql "SELECT backup_restore('$T/$file', '$T/target.db', '{\"overwrite\":true}')"
  for text in "$file" "$@"; do [[ $output == *"$text"* ]] || { echo "no \"$text\" in: $output"; return 1; }; done
  [ "$before" = "$(sha256sum target.db)" ]
  [ -z "$(ls -A | grep -E 'partial|before_restore')" ]
}

@test "what is no SQLite backup is refused by name and reason" {
  make_db target.db 10
  printf -- '--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\n' | gzip >app_postgres_20250101_000000.sql.gz
  restore_refused app_postgres_20250101_000000.sql.gz "PostgreSQL dump"
  cp app_postgres_20250101_000000.sql.gz app.db.gz
  restore_refused app.db.gz "PostgreSQL dump"
  echo "just text" | gzip >text.db.gz
  restore_refused text.db.gz "not a SQLite database"
  echo "just text" >text.db
  restore_refused text.db text.db
  : >empty.db.gz
  restore_refused empty.db.gz empty
}

@test "a damaged database inside a whole backup: refused, with what integrity_check says" {
  make_db target.db 10
  make_db app.db 500
  printf '\xff%.0s' {1..64} | dd of=app.db bs=1 seek=$(($(stat -c %s app.db) - 600)) conv=notrunc status=none
  gzip -k app.db
  restore_refused app.db.gz "app.db.gz"
}
