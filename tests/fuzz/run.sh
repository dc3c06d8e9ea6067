#!/usr/bin/env bash
# Fuzzes the reader of backup files and that of SQL scripts, at once, for FUZZ_SECONDS (default 60; the latter for
# FUZZ_SCRIPT_SECONDS, where that is set): `run.sh BUILD`, with BUILD/fuzz/reader, planted and script built. Each run
# goes its own way; FUZZ_SEED (a number above 0) makes it go one that it went before, as far as time allows. The corpus
# starts from real backups of both codecs, one with contents and one of gzip, and grows in BUILD/fuzz/corpus. Before that,
# a bug that was planted has to be found (Makefile). Status 1 on a crash, which is kept.
set -eu
cd "$(dirname "$0")/../.."
build=$1
corpus=$build/fuzz/corpus
mkdir -p "$corpus"
if [ -z "$(ls "$corpus")" ]; then
  seed=$(mktemp -d)
  sqlite3 -init /dev/null -batch -bail :memory: >/dev/null <<SQL
.load $(realpath "$build")/lifeboat
ATTACH '$seed/a.db' AS a;
CREATE TABLE a.t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i, 'row ' || i FROM n;
SELECT backup_create('a', '{"dir":"$seed"}'), backup_create('a', '{"dir":"$seed","compress":"zstd"}');
SQL
  gzip -c "$seed/a.db" >"$seed/old.db.gz"
  /usr/bin/python3 -B tests/fuzz/varying.py "$seed/app_sqlite_varying.sql.gz"
  # The index of a backup as a seed of its own: where its blocks end, then the payload of the record.
  /usr/bin/python3 - "$seed" <<'PY'
import glob, struct, sys
for path in glob.glob(sys.argv[1] + '/*_sqlite_*'):
    data = open(path, 'rb').read()
    at = data.find(b'LBINDEX')
    if at >= 0:
        blocks, = struct.unpack('<Q', data[at + 24:at + 32])
        last = data[at + 56 + 20 * (blocks - 1):]
        end = sum(struct.unpack('<QI', last[:12]))
        # The trailer of the record, two bytes and eight zeros, is not of the stream.
        stop = data.find(b'\x1f\x8b\x08\x04' if path.endswith('.gz') else b'\x50\x2a\x4d\x18', at)
        stream = data[at:stop - (10 if path.endswith('.gz') else 0)]
        open(path + '.index.gz', 'wb').write(struct.pack('<Q', end) + stream)
PY
  cp "$seed"/*.gz "$seed"/*.zst "$corpus"
  rm -rf "$seed"
fi
fuzz() {  # fuzz TARGET MAX_LEN CORPUS
  local seconds=${FUZZ_SECONDS:-60}
  [ "$1" != script ] || seconds=${FUZZ_SCRIPT_SECONDS:-$seconds}
  "$build/fuzz/$1" -max_total_time="$seconds" -max_len="$2" -rss_limit_mb=1024 -timeout=10 \
    -seed="${FUZZ_SEED:-0}" -artifact_prefix="$build/fuzz/$1-" -print_final_stats=1 -verbosity=0 "$3"
}

if fuzz planted 20000 "$corpus" >"$build/fuzz/planted.log" 2>&1; then
  echo "the planted bug was not found"
  exit 1
fi
grep -F 'SUMMARY: AddressSanitizer' "$build/fuzz/planted.log"

# The reader of SQL scripts: a seed of everything that it tells apart, its first four bytes being sizes of pieces.
corpus=$build/fuzz/corpus-script
mkdir -p "$corpus"
{
  printf '\003\001\007\040'
  cat <<'SQL'
-- Name: f(integer); Type: FUNCTION; Schema: public; Owner: x
create or replace function f(a int) returns int begin atomic select case a when 1 then 2 end; select (1); end;
CREATE PROCEDURE p() AS $a$ $b$a$ $a$; /* /* */ ; */ select E'a\'b'
  '\'c', U&"x;" - 1 / $1;
\connect "x;"
CREATE TABLE s.t (a int DEFAULT (1), "b" text[] COLLATE "C", CONSTRAINT c CHECK (a > 0), d numeric(1,2) GENERATED ALWAYS
AS (a) STORED) INHERITS (s.u, "v") PARTITION BY LIST (a); CREATE DOMAIN d AS x.y; SET search_path = 'a, b';
ALTER TABLE ONLY s.t ATTACH PARTITION s.w DEFAULT; CREATE TABLE o OF p (a WITH OPTIONS NOT NULL);
COPY "t ""u"".v" (a, "from stdin") FROM stdin WITH (FORMAT text, DELIMITER E'\t', NULL '\N');
1	\\.
\N	x

\.
SQL
} >"$corpus/seed"
# And two columns as a server sends them: a text, a number.
printf '\0\0\0\3a\nb\0\0\0\14\0\2\0\0\100\0\0\2\0\1\23\210' >"$corpus/sent"

fuzz script 1000 "$corpus" &
script=$!
fuzz reader 20000 "$build/fuzz/corpus" || { kill $script 2>/dev/null; exit 1; }
wait $script
