# Memory of a process that reads backups through the VFS. Not among the tests of tests/vfs, which sanitizers follow as
# well: they take memory of their own.
load ../helper

@test "memory: scans of a backup of 200 MB with cache_mb 4 stay below 40 MiB, in each format" {
  export BACKUP_DIR=$T
  sqlite3 -init /dev/null -batch -bail big.db "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
    CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
    INSERT INTO t SELECT i, printf('%0*d', 3500, i) || hex(randomblob(200)) FROM n;" >/dev/null
  local path paths
  paths=$(sql "SELECT backup_create('big.db')")
  if [[ $(sql "SELECT backup_version()") == *zstd* ]]; then paths+=" $(sql "SELECT backup_create('big.db', '{\"compress\":\"zstd\"}')")"; fi
  gzip -1 -c big.db >old.db.gz
  for path in $paths "$T/old.db.gz"; do
    run -0 /usr/bin/python3 "$ROOT/tests/vfs/memory.py" "$path"
    echo "$path: $output MiB"
    [ "$output" -lt 40 ]
  done
}
