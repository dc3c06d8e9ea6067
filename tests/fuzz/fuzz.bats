# Fuzzing, the way it went before as far as time allows; see run.sh.
load ../helper

@test "the readers of backups and of scripts, 20 and 10 seconds; a bug that was planted is found" {
  FUZZ_SEED=1 FUZZ_SECONDS=20 FUZZ_SCRIPT_SECONDS=10 make -s -j2 -C "$ROOT" BUILD="${LIFEBOAT_SO%/*}" fuzz
}
