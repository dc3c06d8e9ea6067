# Restoring over what is there: databases in use, other page sizes, garbage, crashed writers, stale siblings.
load ../helper
load ../api/expect

setup() { api_setup; }

target() { python "$BATS_TEST_DIRNAME/target.py" "$@"; }

@test "WAL: a reader in a transaction keeps the old content, then sees the new" { target wal_reader; }
@test "WAL: an open write transaction is a busy error that names the pid" { target wal_writer; }
@test "WAL, unchecked: pages come straight from the backup" { target in_place gzip && rm -rf ./* && mkdir backups && target in_place zstd; }
@test "WAL, unchecked: a bad block is named, and nothing has changed" { target in_place_damaged gzip && rm -rf ./* && mkdir backups && target in_place_damaged zstd; }
@test "rollback: an open reader is a busy error that names the pid, within timeout_ms" { target rollback_reader; }
@test "rollback: so is a writer that holds RESERVED, and its commit lives" { target rollback_reserved; }
@test "rollback: a reader that ends in time only delays" { target rollback_waits; }
@test "rollback: an exclusive holder is an error, nothing changes" { target exclusive_holder; }
@test "a reader in the same process is named as this process" { target same_process_reader; }
@test "another page size in rollback mode, alone" { target page_size delete 1024 && rm -rf ./* && mkdir backups && target page_size delete 65536; }
@test "another page size in WAL mode, alone: it stays WAL" { target page_size wal 1024 && rm -rf ./* && mkdir backups && target page_size wal 8192; }
@test "another page size in rollback mode, with an idle connection" { target page_size_rollback_connected; }
@test "another page size in WAL mode, with another connection: an error with both sizes" { target page_size_wal_connected; }
@test "garbage is kept byte for byte, and not replaced while somebody has it open" { target garbage 5000; }
@test "so is a truncated database" { target garbage truncated; }
@test "and a file shorter than a header" { target garbage 60; }
@test "and an empty file that has a -wal: its content may be all that is left" { target garbage 0; }
@test "stale -wal, -shm and -journal beside a missing target are never replayed" { target stale_siblings; }
@test "nor is one that was moved aside replaced by a later one" { target stale_again; }
@test "a hot journal is rolled back before the target is saved and replaced" { target hot_journal; }
@test "a WAL that a crashed writer left is saved with its commits" { target crashed_wal; }
@test "journal mode, mode bits, owner and inode of the target are kept" { target keeps delete && rm -rf ./* && mkdir backups && target keeps wal; }
@test "rollback: no acknowledged commit of a busy writer is lost" { target busy_writer delete; }
@test "WAL: no acknowledged commit of a busy writer is lost" { target busy_writer wal; }
@test "WAL, unchecked: nor is one lost there" { target busy_writer wal false; }
@test "the caller's own connection sees the restored content" { target caller_connected; }
@test "another text encoding: a note says that connections have to be opened again" { target encodings; }
@test "connections that share their caches in this process are no obstacle" { target shared_cache; }
