# Restoring over what is there: the copies that are saved first, how many stay, and when one goes again.
load ../helper
load ../api/expect

setup() { api_setup; }

saved() { python "$BATS_TEST_DIRNAME/saved.py" "$@"; }

@test "the last three before_restore copies are kept" { saved keeps_three; }
@test "copies that are dated in the future take no place of the last three" { saved keeps_three_beside_the_future; }
@test "the copy that a report names is never pruned, however many restores a second has" { saved keeps_the_newest; }
@test "a restore that fails keeps no copy, so that trying again does not push out older ones" { saved failures_keep_nothing delete && rm -rf ./* && mkdir backups && saved failures_keep_nothing wal; }
@test "nor does one that is interrupted while it writes" { saved interrupted delete && rm -rf ./* && mkdir backups && saved interrupted wal; }
@test "a target that changes after it was saved is saved again, in one copy: of what was replaced" { saved saved_again_once delete && rm -rf ./* && mkdir backups && saved saved_again_once wal; }
@test "a caller that locks others out: its database is saved as well" { saved exclusive_caller; }
