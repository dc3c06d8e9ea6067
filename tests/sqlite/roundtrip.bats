# Round trips over the variety of SQLite databases: the content, and every byte beside what .backup makes.
load ../helper
load ../api/expect

setup() { api_setup; }

roundtrip() { python "$BATS_TEST_DIRNAME/roundtrip.py" "$@"; }

@test "page sizes from 512 to 65536" { roundtrip page_sizes; }
@test "journal modes" { roundtrip modes; }
@test "exclusive locking mode: through the caller's own connection" { roundtrip exclusive; }
@test "UTF-16, auto-vacuum, WITHOUT ROWID, STRICT, FTS5, R-Tree, reserved bytes, a dropped table" { roundtrip kinds; }
@test "JSON functions in CHECK, generated columns and indexes" { roundtrip json_functions; }
@test "zstd" { roundtrip zstd; }
@test "levels and threads" { roundtrip levels; }
@test "empty databases: no byte, one page" { roundtrip empty; }
@test "in-memory and temporary databases" { roundtrip memory; }
@test "main and attached names" { roundtrip attached; }
# bats test_tags=long
@test "past the lock-byte page at 1 GiB" { roundtrip past_the_lock_byte_page; }
