# Every write, flush, rename, unlink, open, read, mapping, thread and allocation of a small operation fails in turn, or
# kills the process: afterwards old or new content, whole, and a next run that works. See drive.py and shim.c.
load ../helper

setup_file() {
  export SHIM=$BATS_FILE_TMPDIR/shim.so WALK
  WALK=$(mktemp -d "$(in_memory)/walk.XXXXXX")
  local without=()
  # The sanitizers bring an allocator of their own.
  case ${LD_PRELOAD:-} in *san*) without=(-DWITHOUT_ALLOC); export FAULT_NO_ALLOC=1 ;; esac
  ${CC:-cc} -O2 -g -Wall -Wextra -shared -fPIC "${without[@]}" -o "$SHIM" "$ROOT/tests/fault/shim.c" -ldl
}

teardown_file() { rm -rf "${WALK:?}"; }

# drive SCENARIO FOLDER
drive() { LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}$SHIM" /usr/bin/python3 -B "$ROOT/tests/fault/drive.py" "$1" "$2"; }

# In memory: everything is made anew for each fault, and flushed more than once.
walk() { mkdir "$WALK/$1" && drive "$1" "$WALK/$1"; }

@test "what gets its name was flushed before, and its folder is flushed after" { drive trace "$T"; }
@test "faults in create: WAL, gzip" { walk create; }
@test "faults in create: rollback journal, zstd, through a copy, verified in full" { walk create-zstd; }
@test "faults in restore: where there is nothing" { walk restore-new; }
@test "faults in restore: onto a database in WAL mode" { walk restore-wal; }
@test "faults in restore: onto a database in WAL mode, straight from the backup" { walk restore-in-place; }
@test "faults in restore: onto a database with a rollback journal" { walk restore-rollback; }
@test "faults in restore: onto a WAL database with pages of another size" { walk restore-pages; }
@test "faults in restore: onto garbage beside a stale -wal" { walk restore-garbage; }
@test "faults in restore: one table into a database in WAL mode" { walk restore-part; }
@test "faults in verify" { walk verify; }
@test "faults in verify: of another tool's backup" { walk verify-foreign; }
@test "faults in rotate" { walk rotate; }
@test "faults in rotate: where the newest backup is known to be damaged" { walk rotate-damaged; }
