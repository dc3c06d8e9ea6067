# Fuzzing, the way it went before as far as time allows; see run.sh.
load ../helper

@test "the readers of backups and of scripts, 60 and 20 seconds; a bug that was planted is found" {
  FUZZ_SEED=1 FUZZ_SCRIPT_SECONDS=20 make -s -j2 -C "$ROOT" BUILD="${LIFEBOAT_SO%/*}" fuzz
}
