# How scripts/lib.sh reads .env: what counts, what wins, and that nothing in it is ever executed.
load ../helper

# Reads .env as the scripts do, and prints the settings between < and >.
settings() {
  bash -c 'set -u; program=test; here=$1/app/scripts; . "$2/scripts/lib.sh"; read_settings
    for key in ADMIN_DB_TYPE ADMIN_DB_PATH ADMIN_DATABASE_URL BACKUP_DIR RETENTION_DAYS BACKUP_NAME; do
      printf "%s=<%s>\n" "$key" "${!key-unset}"
    done' bash "$T" "$ROOT"
}

value() { settings | sed -n "s/^$1=<\(.*\)>\$/\1/p"; }

@test "env: defaults" {
  run -0 settings
  [ "$output" = 'ADMIN_DB_TYPE=<sqlite>
ADMIN_DB_PATH=<unset>
ADMIN_DATABASE_URL=<unset>
BACKUP_DIR=</data/backups>
RETENTION_DAYS=<7>
BACKUP_NAME=<admin>' ]
}

@test "env: quotes, export, comments, spaces, CRLF, a byte order mark, no newline at the end" {
  printf '\xef\xbb\xbfADMIN_DB_PATH="/srv/a b.db" # quoted\r\n# RETENTION_DAYS=1\r\n' >.env
  printf '  export  RETENTION_DAYS = 30 # days \r\n' >>.env
  printf "ADMIN_DATABASE_URL='postgresql://u:p#w@h/d?x=\"1\"'\r\nBACKUP_DIR=/back ups/x#y  \t" >>.env
  [ "$(value ADMIN_DB_PATH)" = '/srv/a b.db' ]
  [ "$(value RETENTION_DAYS)" = 30 ]
  [ "$(value ADMIN_DATABASE_URL)" = 'postgresql://u:p#w@h/d?x="1"' ]
  [ "$(value BACKUP_DIR)" = '/back ups/x#y' ]
}

@test "env: backslashes: taken away in double quotes before \" \\ \$ \`, kept elsewhere" {
  cat >.env <<'ENV'
ADMIN_DB_PATH="/a\"b\\c\$d\`e\n"
BACKUP_DIR='/a\"b'
ADMIN_DATABASE_URL=a\b
ENV
  [ "$(value ADMIN_DB_PATH)" = '/a"b\c$d`e\n' ]
  [ "$(value BACKUP_DIR)" = '/a\"b' ]
  [ "$(value ADMIN_DATABASE_URL)" = 'a\b' ]
}

@test "env: nothing is expanded, nothing executed" {
  cat >.env <<'ENV'
ADMIN_DB_PATH=/x/$(touch pwned)`touch pwned`$HOME;touch pwned
BACKUP_DIR="/y/$(touch pwned)`touch pwned`${HOME}"
ADMIN_DATABASE_URL='$(touch pwned)'
touch pwned
RETENTION_DAYS=a[$(touch pwned)]
ENV
  [ "$(value ADMIN_DB_PATH)" = '/x/$(touch pwned)`touch pwned`$HOME;touch pwned' ]
  [ "$(value BACKUP_DIR)" = '/y/$(touch pwned)`touch pwned`${HOME}' ]
  [ "$(value ADMIN_DATABASE_URL)" = '$(touch pwned)' ]
  [ "$(value RETENTION_DAYS)" = 'a[$(touch pwned)]' ]
  [ ! -e pwned ]
}

@test "env: RETENTION_DAYS with a command in it is refused, not computed" {
  export ADMIN_DB_PATH=$T/x.db RETENTION_DAYS='a[$(touch pwned)]'
  run -1 "$ROOT/scripts/db_backup.sh"
  [[ $output == *'it must be a number of days'* ]]
  [ ! -e pwned ]
}

@test "env: only the known keys" {
  printf '%s\n' PATH=/nowhere LD_PRELOAD=/x.so LIFEBOAT_SO=/x.so BACKUP_NAME=other IFS=x RESTORE_TARGET=/x key=1 \
    RETENTION_DAYS=3 >.env
  run -0 settings
  [ "${lines[4]}" = 'RETENTION_DAYS=<3>' ]
  [ "${lines[5]}" = 'BACKUP_NAME=<admin>' ]
  run -0 bash -c 'program=t; here=$1/app/scripts; . "$2/scripts/lib.sh"; read_settings
    echo "${LIFEBOAT_SO-} ${LD_PRELOAD-} ${RESTORE_TARGET-}"' \
    bash "$T" "$ROOT"
  [ "$output" = "$LIFEBOAT_SO  " ]
}

@test "env: a key that looks like one of ours with a slip is told of on standard error" {
  printf '%s\n' BACKUP_DIRS=/x OTHER=1 'export RETENTION_DAY=30' ADMIN_DATABASE=x ADMIN_DB=/a.db backup_dir=/y >.env
  run -0 --separate-stderr settings
  [ "$stderr" = "test: $T/.env: line 1: BACKUP_DIRS is not read (is BACKUP_DIR meant?)
test: $T/.env: line 3: RETENTION_DAY is not read (is RETENTION_DAYS meant?)
test: $T/.env: line 5: ADMIN_DB is not read (is ADMIN_DB_PATH meant?)
test: $T/.env: line 6: backup_dir is not read (is BACKUP_DIR meant?)" ]
  [ "${lines[3]}" = 'BACKUP_DIR=</data/backups>' ]
  printf '%s\n' ADMIN_DB_TYPE=postgres ADMIN_DATABASE=x ADMIN_DATABASE_ULR=y RETENSION_DAYZ=1 BAKCUP_DIR=2 >'.env'
  run -0 --separate-stderr settings
  [ "$stderr" = "test: $T/.env: line 2: ADMIN_DATABASE is not read (is ADMIN_DATABASE_URL meant?)
test: $T/.env: line 3: ADMIN_DATABASE_ULR is not read (is ADMIN_DATABASE_URL meant?)
test: $T/.env: line 4: RETENSION_DAYZ is not read (is RETENTION_DAYS meant?)
test: $T/.env: line 5: BAKCUP_DIR is not read (is BACKUP_DIR meant?)" ]
}

@test "env: keys of the application are not told of, nor slips of what is set" {
  printf '%s\n' DATABASE_URL=x ADMIN_DB_HOST=x ADMIN_DB_PORT=1 ADMIN_DB_PASSWORD=x ADMIN_PASSWORD=x BACKUP_NAME=x \
    ADMIN_DATABASE_NAME=x RESTORE_TARGET=x RETENTION=30 BACKUP_DIRS=/x 'MII=' 'x y=1' '"BACKUP_DIRS=1' '#BACKUP_DIRS=' \
    RETENTION_DAYS=3 BACKUP_DIR=/b >.env
  run -0 --separate-stderr settings
  [ -z "$stderr" ]
  printf 'BACKUP_DIRS=1\n' >.env
  BACKUP_DIR=/e run -0 --separate-stderr settings
  [ -z "$stderr" ]
}

@test "env: the environment wins, an empty one does not, the last line of a file does" {
  printf 'RETENTION_DAYS=3\nRETENTION_DAYS=4\nBACKUP_DIR=/from/file\n' >.env
  export RETENTION_DAYS= BACKUP_DIR=/from/env
  [ "$(value RETENTION_DAYS)" = 4 ]
  [ "$(value BACKUP_DIR)" = /from/env ]
}

@test "env: the working directory's file hides the one beside the scripts; relative paths are the file's" {
  mkdir -p app/scripts work
  echo 'ADMIN_DB_PATH=data/admin.db' >app/.env
  cd work
  [ "$(value ADMIN_DB_PATH)" = "$T/app/data/admin.db" ]
  echo 'RETENTION_DAYS=5' >.env
  [ "$(value ADMIN_DB_PATH)" = unset ]
  [ "$(value RETENTION_DAYS)" = 5 ]
}

@test "env: a link that leads nowhere is an error, a folder of that name is not meant" {
  mkdir -p app/scripts work
  echo 'RETENTION_DAYS=100' >app/.env
  cd work
  ln -s ../shared/env .env
  run -1 settings
  [ "${lines[0]}" = "test: cannot read $T/work/.env: it is a link that leads nowhere, or to where this user may not look" ]
  mkdir ../shared
  echo 'RETENTION_DAYS=300' >../shared/env
  [ "$(value RETENTION_DAYS)" = 300 ]
  rm .env
  mkdir .env  # Python's virtual environments may be called so
  [ "$(value RETENTION_DAYS)" = 100 ]
}

@test "env: a working directory that is gone is told" {
  mkdir gone
  cd gone
  rmdir ../gone
  for script in "db_backup.sh" "db_restore.sh latest"; do
    run -1 env -u PWD "$ROOT/scripts/"$script
    [[ $output == *"${script%% *}: the working directory is gone"$'\n'"  hint: cd to a folder that is there, such as /" ]]
  done
  cd "$T"
}

@test "env: leftovers of RESTORE_* are forgotten" {
  export RESTORE_BACKUP=x RESTORE_TARGET=y RESTORE_OPTIONS=z
  run -0 bash -c 'program=t; here=/x/y; . "$1/scripts/lib.sh"; read_settings
    echo "${RESTORE_BACKUP-}${RESTORE_TARGET-}${RESTORE_OPTIONS-}."' \
    bash "$ROOT"
  [ "$output" = . ]
}

@test "env: a quote that does not close, text behind a quote: an error that names the line" {
  printf 'OTHER="\nADMIN_DB_PATH="/srv/x.db\n' >.env
  run -1 settings
  [ "$output" = "test: $T/.env: line 2: no closing \"" ]
  printf "ADMIN_DB_PATH='/srv'/x.db\n" >.env
  run -1 settings
  [ "$output" = "test: $T/.env: line 1: text after the closing '" ]
}

@test "an address of a server where a path or a URI is meant is not shown" {
  local address
  for address in 'host=/tmp dbname=app password=Secr3t' 'postgresql//p:Secr3t@x/app' 'postgresq://p:Secr3t@x/app'; do
    ADMIN_DB_TYPE=postgres ADMIN_DATABASE_URL=$address BACKUP_DIR=$T/b run "$ROOT/scripts/db_backup.sh"
    echo "$output"
    [ "$status" != 0 ] && [[ $output == *'not a postgresql:// URI'* && $output != *Secr3t* ]]
    ADMIN_DB_TYPE=sqlite ADMIN_DB_PATH=$address BACKUP_DIR=$T/b run "$ROOT/scripts/db_backup.sh"
    [ "$status" != 0 ] && [[ $output == *'ADMIN_DB_PATH is the address of a server'* && $output != *Secr3t* ]]
    ADMIN_DB_TYPE=postgres ADMIN_DATABASE_URL=$address BACKUP_DIR=$T/b \
      run "$ROOT/scripts/db_restore.sh" latest --target "$address" --yes
    [ "$status" != 0 ] && [[ $output != *Secr3t* ]]
    ADMIN_DB_TYPE=postgres ADMIN_DATABASE_URL=$address BACKUP_DIR=$T/b \
      run "$ROOT/scripts/db_restore.sh" latest --yes
    [ "$status" != 0 ] && [[ $output != *Secr3t* ]]
  done
}
