#!/usr/bin/env bash
# Fuzzes the reader of backup files for FUZZ_SECONDS (default 60): `run.sh BUILD`, with BUILD/fuzz/reader built. The
# corpus starts from real backups of both codecs, and grows in BUILD/fuzz/corpus. Status 1 on a crash, which is kept.
set -eu
cd "$(dirname "$0")/../.."
build=$1
corpus=$build/fuzz/corpus
mkdir -p "$corpus"
if [ -z "$(ls "$corpus")" ]; then
  seed=$(mktemp -d)
  sqlite3 -init /dev/null -batch -bail :memory: >/dev/null <<SQL
.load $PWD/build/lifeboat
ATTACH '$seed/a.db' AS a;
CREATE TABLE a.t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i, 'row ' || i FROM n;
SELECT backup_create('a', '{"dir":"$seed"}'), backup_create('a', '{"dir":"$seed","compress":"zstd"}');
SQL
  gzip -c "$seed/a.db" >"$seed/old.db.gz"
  # The index of a backup as a seed of its own: where its blocks end, then the payload of the record.
  /usr/bin/python3 - "$seed" <<'PY'
import glob, struct, sys
for path in glob.glob(sys.argv[1] + '/*_sqlite_*'):
    data = open(path, 'rb').read()
    at = data.find(b'LBINDEX')
    if at >= 0:
        open(path + '.index.gz', 'wb').write(struct.pack('<Q', 4096) + data[at:at + 2000])
PY
  cp "$seed"/*.gz "$seed"/*.zst "$corpus"
  rm -rf "$seed"
fi
exec "$build/fuzz/reader" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=20000 -rss_limit_mb=1024 -timeout=10 \
  -artifact_prefix="$build/fuzz/" -print_final_stats=1 -verbosity=0 "$corpus"
