# make install and make uninstall: the files that README tells of, from where they work, and nothing left.
load ../helper

make_in() { make -s -C "$ROOT" BUILD="${LIFEBOAT_SO%/*}" PREFIX=/usr DESTDIR="$T/in st" "$@"; }

# What is installed, as PATH MODE.
installed() { (cd "in st" && find . ! -type d -printf '%p %m\n' | sort); }

@test "install: what README tells of is there, with the modes that it needs, and below DESTDIR only" {
  make_in install
  [ "$(ls)" = 'in st' ]
  installed >found
  {
    printf './usr/bin/%s 777\n' db_backup.sh db_restore.sh
    printf './usr/lib/lifeboat/%s\n' 'db_backup.sh 755' 'db_restore.sh 755' 'lib.sh 644' 'lifeboat.so 755'
    printf './usr/share/lifeboat/%s 644\n' lifeboat-backup.service lifeboat-backup.timer lifeboat.cron
    (cd "$ROOT/sql" && printf './usr/share/lifeboat/sql/%s 644\n' *.sql)
    (cd "$ROOT" && printf './usr/share/doc/lifeboat/%s 644\n' README.md && cd docs &&
      printf './usr/share/doc/lifeboat/%s 644\n' *.md)
  } | sort >wanted
  diff wanted found
}

@test "install: extension and scripts work from there" {
  make_in install
  make_db admin.db 10
  mkdir backups
  export BACKUP_DIR=$T/backups ADMIN_DB_PATH=$T/admin.db
  run -0 sqlite3 -init /dev/null -batch :memory: ".load '$T/in st/usr/lib/lifeboat/lifeboat'" 'SELECT backup_version()'
  [[ $output == 'lifeboat '* ]]
  run -0 env -u LIFEBOAT_SO "in st/usr/bin/db_backup.sh"
  [[ $output == *'Backup finished'* ]]
  db admin.db 'DELETE FROM t'
  run -0 env -u LIFEBOAT_SO "in st/usr/bin/db_restore.sh" latest --yes
  [ "$(db admin.db 'SELECT count(*) FROM t')" = 10 ]
}

@test "uninstall: nothing of it is left, what is others' is" {
  mkdir -p 'in st/usr/bin' 'in st/usr/lib'
  touch 'in st/usr/bin/other' 'in st/usr/lib/other'
  make_in install
  make_in install    # over what is there already
  make_in uninstall
  [ "$(installed)" = './usr/bin/other 644
./usr/lib/other 644' ]
  [ -z "$(find 'in st' -name '*lifeboat*')" ]
  make_in uninstall  # where there is none
}
