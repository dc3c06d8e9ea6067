# Every write, flush, rename, unlink, open, read, mapping, thread and allocation of a small operation fails in turn, or
# kills the process: afterwards old or new content, whole, and a next run that works. See drive.py and shim.c.
load ../helper

setup_file() {
  export SHIM=$BATS_FILE_TMPDIR/shim.so
  local without=()
  # The sanitizers bring an allocator of their own.
  case ${LD_PRELOAD:-} in *san*) without=(-DWITHOUT_ALLOC); export FAULT_NO_ALLOC=1 ;; esac
  ${CC:-cc} -O2 -g -Wall -Wextra -shared -fPIC "${without[@]}" -o "$SHIM" "$ROOT/tests/fault/shim.c" -ldl
}

drive() {
  LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}$SHIM" /usr/bin/python3 -B "$ROOT/tests/fault/drive.py" "$1" "$T"
}

@test "what gets its name was flushed before, and its folder is flushed after" { drive trace; }
@test "faults in create: WAL, gzip" { drive create; }
@test "faults in create: rollback journal, zstd, through a copy, verified in full" { drive create-zstd; }
@test "faults in restore: where there is nothing" { drive restore-new; }
@test "faults in restore: onto a database in WAL mode" { drive restore-wal; }
@test "faults in restore: onto a database in WAL mode, straight from the backup" { drive restore-in-place; }
@test "faults in restore: onto a database with a rollback journal" { drive restore-rollback; }
@test "faults in restore: onto a WAL database with pages of another size" { drive restore-pages; }
@test "faults in restore: onto garbage beside a stale -wal" { drive restore-garbage; }
@test "faults in restore: one table into a database in WAL mode" { drive restore-part; }
@test "faults in verify" { drive verify; }
@test "faults in verify: of another tool's backup" { drive verify-foreign; }
@test "faults in rotate" { drive rotate; }
@test "faults in rotate: where the newest backup is known to be damaged" { drive rotate-damaged; }
