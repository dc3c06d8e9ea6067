# A round trip under valgrind: no invalid access, no use of undefined bytes, nothing lost.
load ../helper

@test "create, verify, restore, rotate and the tables are clean under valgrind" {
  skip_without valgrind
  make_db app.db 3000 wal
  mkdir backups
  export BACKUP_DIR=$T/backups
  run -0 valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
    sqlite3 -init /dev/null -batch -bail :memory: -cmd ".load '${LIFEBOAT_SO%.so}'" \
    "SELECT backup_create('app.db') IS NOT NULL, backup_create('app.db', '{\"level\":6,\"verify\":\"full\"}') IS NOT NULL" \
    "SELECT backup_verify('latest'), backup_verify('latest', 'full')" \
    "SELECT json_extract(backup_restore('latest', 'new.db'), '$.check')" \
    "SELECT json_extract(backup_restore('latest', 'app.db', '{\"overwrite\":true}'), '$.check')" \
    "SELECT count(*) FROM backups" "SELECT count(*) FROM backup_plan" "SELECT count(*) > 4 FROM backup_history" \
    "SELECT backup_rotate('{\"keep_last\":1}')"
  [ "$output" = $'1|1\nok|ok\nok\nok\n2\n2\n1\n1' ]
}
