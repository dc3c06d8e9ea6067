# Private PostgreSQL servers for bats files: `load ../helper`, then `load server` (and `load oracle`).
#
#   setup_file() { pg_server_start; }        teardown_file() { pg_server_stop_all; }
#
#   pg_server_start [OPTION…] [VERSION [INITDB-ARGUMENT…]]
#                         starts one ($PG_DEFAULT, Debian's, when nothing is said) and makes it the current one.
#                         Options come first:
#                           --name NAME      more than one server per file; default: main
#                           --set NAME=VALUE a line of postgresql.conf (wal_level=logical, max_connections=5, …)
#                           --tcp            listens on 127.0.0.1 as well, on a free port
#                           --scram          asks for passwords, over the socket too; that of postgres is $PG_PASSWORD,
#                                            and the helpers here know it by $PGPASSFILE
#   pg_server_use NAME    makes another one current: sets PGHOST, PGPORT, PGUSER, PG_VERSION, PG_DATA, PG_LOG and,
#                           where it has one, PG_PASSWORD and PGPASSFILE
#   pg_server_pid         process id of the current one's postmaster
#   pg_server_halt [smart|fast|immediate]      stops it and keeps its folder (fast when nothing is said)
#   pg_server_kill9       SIGKILL to all its processes at once, as a crash of the machine would do
#   pg_server_restart [smart|fast|immediate]   halts it if it runs, starts it on the same folder
#   pg_server_stop [smart|fast|immediate]      halts it and removes its folder
#   pg_server_stop_all    stops all that were started, at once, and removes their folders
#   pg_version VERSION    status 0 when a server of that version can be started here
#   require_pg VERSION    skips the test when it cannot; fails under CI
#
#   url [NAME]            postgresql:///NAME?host=…&port=…&user=postgres (default: postgres)
#   url_tcp NAME [USER [PASSWORD]]   postgresql://USER:PASSWORD@127.0.0.1:PORT/NAME of a --tcp server
#   newdb NAME [WORD…]    a new, empty database (one of that name goes away); words go to CREATE DATABASE, as in
#                           newdb latin "ENCODING 'LATIN1' LOCALE 'C'"
#   q DB [SQL]            psql -XAtq, stops at the first error; SQL from stdin when there is none. DB: a name or a URI
#   failing TEXT COMMAND…    status not 0, with this in what it says
#   not COMMAND…          where `!` would be forgiven by set -e
#   await COMMAND…        what takes its time to begin or to end; answers SQL: whether the server says t to that
#   hold DB [SQL]         another session there, called holder, that does this and stays in its transaction, until
#                           release; $holder is its psql
#   load_objects DB       objects.sql: every kind of object there is, with rows
#   load_bytes DB         a table whose name, comment and rows have bytes from 128 on: LATIN1, SQL_ASCII
#   install_test_extension   makes the extension lifeboat_test (a table with configuration, dumped with a condition)
#                           available on the current server; CREATE EXTENSION is left to the caller
#   pg_bigtable DB MB     a database of about MB on disk, six tenths of it one table
#
# How it works: postgres refuses to run as root, so root starts it as the user postgres (or nobody); everybody else as
# themselves. Folders lie in a temporary folder that this user can enter, with the socket's path short enough for the
# kernel. initdb runs once per version, user and arguments; its result is kept in build/postgres and copied, which makes
# a start take about half a second. Debian's, 15, runs from a tree of links in build/postgres/15, so that an
# extension can be added to it without touching the system's folders; others are those that scripts/bootstrap.sh puts
# there. Nothing here ever touches a cluster of Debian's. A server is started by the shell that calls: not from `$(…)`.

unset PG_BINDIR PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE PGSYSCONFDIR PGOPTIONS PGSSLMODE
unset PGCLIENTENCODING PGAPPNAME PGTZ PGDATESTYLE PGHOSTADDR PGCONNECT_TIMEOUT PGTARGETSESSIONATTRS

# Debian's server: 15, or in other releases of it the newest there is.
pg_debian() {
  local dir=/usr/lib/postgresql/15
  [ -x $dir/bin/postgres ] || dir=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -V | tail -1)
  printf '%s\n' "${dir%/bin/postgres}"
}
PG_DEBIAN=${PG_DEBIAN:-$(pg_debian)}
PG_DEFAULT=${PG_DEBIAN##*/}
PG_KEPT=${PG_KEPT:-$ROOT/build/postgres}
PG_HERE=$ROOT/tests/postgres

# Debian's psql and kin are wrappers in Perl that take ten times as long to start.
if [ -x "$PG_DEBIAN/bin/psql" ]; then PATH=$PG_DEBIAN/bin:$PATH; fi

# ---- as whom ----

pg_user() {
  if id -u postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# Runs a command as the unprivileged user; without privileges, as oneself.
pg_drop() {
  if [ "$(id -u)" -ne 0 ]; then "$@"; return; fi
  local user group
  user=$(pg_user)
  group=$(id -gn "$user")
  setpriv --reuid="$user" --regid="$group" --clear-groups --inh-caps=-all -- "$@"
}

pg_give() { [ "$(id -u)" -ne 0 ] || chown -R "$(pg_user):" "$@"; }

# ---- which programs ----

pg_tree() {
  case $1 in
    "$PG_DEFAULT") echo "$PG_KEPT/$1" ;;
    *) echo "$PG_KEPT/$1/native" ;;
  esac
}

pg_version() {
  case $1 in
    "$PG_DEFAULT") [ -x "$PG_DEBIAN/bin/postgres" ] && [ -x "$PG_DEBIAN/bin/initdb" ] ;;
    *) [ -x "$(pg_tree "$1")/bin/postgres" ] && [ -e "$(pg_tree "$1")/lib/libpq.so.5" ] ;;
  esac
}

require_pg() {
  pg_version "$1" && return
  [ -z "${CI:-}" ] || { echo "no PostgreSQL $1 here: run scripts/bootstrap.sh test" >&2; return 1; }
  skip "no PostgreSQL $1 here"
}

# postgres finds its shared files relative to itself, symbolic links resolved: the tree needs a copy of the program.
# One bats file at a time: others may run from the tree that is there.
pg_link_debian() {
  mkdir -p "$PG_KEPT" || return 1
  (flock 9 && { pg_is_linked || pg_make_links; }) 9>>"$PG_KEPT/lock"
}

pg_is_linked() {
  local program=$PG_KEPT/$PG_DEFAULT/lib/postgresql/$PG_DEFAULT/bin/postgres
  [ -x "$program" ] && ! [ "$PG_DEBIAN/bin/postgres" -nt "$program" ] && cmp -s "$PG_DEBIAN/bin/postgres" "$program"
}

pg_make_links() {
  local tree=$PG_KEPT/$PG_DEFAULT lib=lib/postgresql/$PG_DEFAULT share=share/postgresql/$PG_DEFAULT new file
  new=$(mktemp -d "$PG_KEPT/new.XXXXXX") && chmod 755 "$new" || return 1
  mkdir -p "$new/$lib/bin" "$new/$share/extension" "$new/bin" || return 1
  cp "$PG_DEBIAN/bin/postgres" "$new/$lib/bin/" || return 1
  ln -s "$PG_DEBIAN/lib" "$new/$lib/lib"
  for file in /usr/"$share"/*; do [ "${file##*/}" = extension ] || ln -s "$file" "$new/$share/"; done
  ln -s /usr/"$share"/extension/* "$new/$share/extension/"
  ln -s "../$lib/bin/postgres" "$new/bin/postgres"
  ln -s "$PG_DEBIAN/bin/initdb" "$new/bin/initdb"
  rm -rf "$tree"
  mv -T "$new" "$tree"
}

# Where the tree can be run from: itself, or a copy where the unprivileged user cannot enter it (below a home folder).
pg_runnable() {
  local tree
  tree=$(pg_tree "$1")
  if ! pg_drop test -x "$tree/bin/postgres"; then
    [ -d "$PG_WORLD/tree-$1" ] || cp -a "$tree/." "$PG_WORLD/tree-$1" || return 1  # the tree may be a link
    tree=$PG_WORLD/tree-$1
  fi
  echo "$tree"
}

# ---- start and stop ----

pg_world() {
  [ -z "${PG_WORLD:-}" ] || [ ! -d "$PG_WORLD" ] || return 0
  PG_WORLD=$(mktemp -d "$(in_memory)/lbpg.XXXXXX") && chmod 711 "$PG_WORLD" || return 1
  export PG_WORLD
}

# Fills the data folder $1 of version $2, from the one that is kept if it is.
pg_fill() {
  local data=$1 version=$2 tree kept
  shift 2
  tree=$(pg_runnable "$version") || return 1
  kept=$("$tree/bin/postgres" --version; id -u; printf '%s\n' "$@")
  kept=$PG_KEPT/data-$version-$(printf '%s' "$kept" | cksum | tr ' ' -)
  if [ ! -d "$kept" ]; then
    mkdir -p "$data" && pg_give "$data" || return 1
    (cd / && pg_drop "$tree/bin/initdb" -D "$data" -U postgres -A trust --no-sync --encoding=UTF8 --locale=C.UTF-8 \
      "$@") >"$data.initdb" 2>&1 || { cat "$data.initdb" >&2; return 1; }
    local new
    new=$(mktemp -d "$PG_KEPT/data.XXXXXX") && cp -a "$data" "$new/d" || return 1
    # Two at once: the first one wins.
    mv -T "$new/d" "$kept" 2>/dev/null || true
    rm -rf "$new"
  else
    cp -a "$kept" "$data" || return 1
  fi
}

pg_free_port() {
  local port
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 12000))
    (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  return 1
}

# Shared memory lies in the data folder, so that a server that is killed leaves none behind.
pg_configure() {
  local dir=$1 port=$2 listen=$3
  shift 3
  {
    printf '%s\n' "listen_addresses = '$listen'" "port = $port" "unix_socket_directories = '$dir'" 'fsync = off' \
      'shared_buffers = 32MB' 'max_connections = 40' 'max_prepared_transactions = 4' 'max_wal_size = 256MB' \
      'wal_level = replica' 'autovacuum = off' 'log_statement = ddl' "log_line_prefix = '%m [%p] %a '" \
      "timezone = 'UTC'" "log_timezone = 'UTC'" 'jit = off' 'dynamic_shared_memory_type = mmap'
    [ $# -eq 0 ] || printf '%s\n' "$@"
  } >>"$dir/data/postgresql.conf"
}

pg_server_start() {
  local name=main tcp=no scram=no version=$PG_DEFAULT port=54321 listen='' dir settings=()
  while [ $# -gt 0 ]; do
    case $1 in
      --name) name=$2; shift 2 ;;
      --set) settings+=("$2"); shift 2 ;;
      --tcp) tcp=yes; shift ;;
      --scram) scram=yes; shift ;;
      *) version=$1; shift; break ;;
    esac
  done
  pg_version "$version" || { echo "no PostgreSQL $version here: run scripts/bootstrap.sh test" >&2; return 1; }
  [ "$version" != "$PG_DEFAULT" ] || pg_link_debian || return 1
  pg_world || return 1
  dir=$PG_WORLD/$name
  mkdir "$dir" && chmod 711 "$dir" || return 1
  pg_give "$dir"
  pg_fill "$dir/data" "$version" "$@" || return 1
  if [ $tcp = yes ]; then
    port=$(pg_free_port) || return 1
    listen=127.0.0.1
  fi
  pg_configure "$dir" "$port" "$listen" "${settings[@]}" || return 1
  printf '%s\n' "$version" >"$dir/version"
  printf '%s\n' "$port" >"$dir/port"
  pg_server_use "$name"
  pg_server_launch || return 1
  [ $scram = no ] || pg_ask_passwords
}

# Waits for the server that was just started; status 1 when it went away instead.
pg_server_await() {
  local pid=$1 tries lines
  for ((tries = 0; tries < 1500; tries++)); do
    # The file may be that of a server that was killed: the first line tells whose it is.
    lines=()
    { mapfile -t lines <"$PG_DATA/postmaster.pid"; } 2>/dev/null
    if [ "${lines[0]:-}" = "$pid" ] && [[ ${lines[7]:-} == ready* ]]; then return 0; fi
    pg_alive "$pid" || return 1
    sleep 0.02
  done
  return 1
}

pg_server_launch() {
  local tree pid tries
  tree=$(pg_runnable "$PG_VERSION") || return 1
  # After a SIGKILL the old memory may be in use for a moment: try again.
  for ((tries = 0; tries < 20; tries++)); do
    pg_exec "$tree/bin/postgres" -D "$PG_DATA" </dev/null >>"$PG_LOG" 2>&1 3>&- 4>&- &
    pid=$!
    disown "$pid" 2>/dev/null || true
    if pg_server_await "$pid"; then
      printf '%s\n' "$pid" >"$PG_WORLD/$PG_NAME/pid"
      return 0
    fi
    pg_alive "$pid" && break
    grep -q 'still in use' "$PG_LOG" || break
    sleep 0.1
  done
  echo "PostgreSQL $PG_VERSION did not start:" >&2
  tail -20 "$PG_LOG" >&2
  return 1
}

# pg_drop, with the shell that runs it replaced, so that its process id is the server's.
pg_exec() {
  cd / || exit 1
  if [ "$(id -u)" -ne 0 ]; then exec "$@"; fi
  local user
  user=$(pg_user)
  exec setpriv --reuid="$user" --regid="$(id -gn "$user")" --clear-groups --inh-caps=-all -- "$@"
}

# Sends the server a password for postgres, and then has it ask for it.
pg_ask_passwords() {
  PG_PASSWORD="Gehe1m:$RANDOM\\$RANDOM@/"
  q postgres "ALTER ROLE postgres PASSWORD '$PG_PASSWORD'" || return 1
  local escaped=${PG_PASSWORD//\\/\\\\}
  printf '*:*:*:postgres:%s\n' "${escaped//:/\\:}" >"$PG_WORLD/$PG_NAME/pgpass"
  chmod 600 "$PG_WORLD/$PG_NAME/pgpass"
  printf '%s\n' "$PG_PASSWORD" >"$PG_WORLD/$PG_NAME/password"
  printf '%s\n' 'local all all scram-sha-256' 'host all all 127.0.0.1/32 scram-sha-256' >"$PG_DATA/pg_hba.conf"
  kill -HUP "$(pg_server_pid)"
  pg_server_use "$PG_NAME"
  # The new rules are in force when one without a password is turned away.
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    PGPASSFILE=/dev/null psql -Xw -d "$(url postgres)" -c '' >/dev/null 2>&1 || return 0
    sleep 0.02
  done
  return 1
}

pg_server_use() {
  local dir=$PG_WORLD/$1
  PG_NAME=$1 PGHOST=$dir PGPORT=$(cat "$dir/port") PGUSER=postgres
  PG_VERSION=$(cat "$dir/version") PG_DATA=$dir/data PG_LOG=$dir/log
  export PG_NAME PGHOST PGPORT PGUSER PG_VERSION PG_DATA PG_LOG
  unset PG_PASSWORD PGPASSFILE
  if [ -e "$dir/password" ]; then
    PG_PASSWORD=$(cat "$dir/password") PGPASSFILE=$dir/pgpass
    export PG_PASSWORD PGPASSFILE
  fi
}

pg_server_pid() { cat "$PG_WORLD/$PG_NAME/pid"; }

# A zombie whose parent has not looked yet is no longer there.
pg_alive() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  [ "${stat%% *}" != Z ]
}

pg_await_end() {
  local pid tries
  for pid in "$@"; do
    for ((tries = 0; tries < 1500; tries++)); do
      pg_alive "$pid" || continue 2
      sleep 0.02
    done
    echo "process $pid of PostgreSQL does not end" >&2
    return 1
  done
}

pg_server_halt() {
  local signal pid
  case ${1:-fast} in
    smart) signal=TERM ;;
    fast) signal=INT ;;
    immediate) signal=QUIT ;;
    *) echo "pg_server_halt: $1" >&2; return 1 ;;
  esac
  [ -e "$PG_WORLD/$PG_NAME/pid" ] || return 0
  pid=$(pg_server_pid)
  if pg_alive "$pid"; then kill -"$signal" "$pid" && pg_await_end "$pid" || return 1; fi
  rm -f "$PG_WORLD/$PG_NAME/pid"
}

pg_server_kill9() {
  local pid children
  pid=$(pg_server_pid) || return 1
  # Stopped first: it must not start new ones while the others die.
  kill -STOP "$pid"
  children=$(ps -o pid= --ppid "$pid")
  # shellcheck disable=SC2086
  kill -9 "$pid" $children 2>/dev/null
  # shellcheck disable=SC2086
  pg_await_end "$pid" $children || return 1
  rm -f "$PG_WORLD/$PG_NAME/pid"
}

pg_server_restart() {
  pg_server_halt "$@" && pg_server_launch
}

pg_server_stop() {
  [ -n "${PG_WORLD:-}" ] && [ -n "${PG_NAME:-}" ] || return 0
  pg_server_halt "$@" || return 1
  rm -rf "${PG_WORLD:?}/${PG_NAME:?}"
  # The last one takes the folder along; trees that were copied are ours too.
  if ! ls -d "$PG_WORLD"/*/port >/dev/null 2>&1; then rm -rf "${PG_WORLD:?}"; fi
}

pg_server_stop_all() {
  local port server
  for port in "${PG_WORLD:-/nowhere}"/*/port; do
    [ -e "$port" ] || continue
    server=${port%/port}
    pg_server_use "${server##*/}" && pg_server_stop immediate
  done
}

# ---- databases ----

# percent VARIABLE TEXT: sets it, as what follows does; a subshell would take longer than the work.
percent() {
  local text=$2 out='' i c LC_ALL=C
  case $text in
    *[!A-Za-z0-9_.~-]*)
      for ((i = 0; i < ${#text}; i++)); do
        c=${text:i:1}
        case $c in
          [A-Za-z0-9_.~-]) out+=$c ;;
          *)
            printf -v c '%d' "'$c"
            printf -v c '%%%02X' "$((c & 255))"
            out+=$c
            ;;
        esac
      done
      ;;
    *) out=$text ;;
  esac
  printf -v "$1" '%s' "$out"
}

# A name or a URI as a URI: a name with = in it would be taken for a connection string.
pg_uri() {
  local escaped
  case $2 in
    postgresql://* | postgres://*) printf -v "$1" '%s' "$2" ;;
    *)
      percent escaped "$2"
      printf -v "$1" 'postgresql:///%s?host=%s&port=%s&user=postgres' "$escaped" "$PGHOST" "$PGPORT"
      ;;
  esac
}

url() {
  local uri
  pg_uri uri "${1:-postgres}"
  printf '%s\n' "$uri"
}

url_tcp() {
  local name who password
  percent name "$1"
  percent who "${2:-postgres}"
  percent password "${3:-}"
  printf 'postgresql://%s@127.0.0.1:%s/%s\n' "$who${password:+:$password}" "$PGPORT" "$name"
}

q() {
  local db
  pg_uri db "$1"
  if [ $# -gt 1 ]; then
    psql -XAtq -v ON_ERROR_STOP=1 -d "$db" -f - <<<"$2"
  else
    psql -XAtq -v ON_ERROR_STOP=1 -d "$db" -f -
  fi
}

newdb() {
  local name=${1//\"/\"\"}
  # A database with a subscription cannot be dropped.
  q "$1" "SET client_min_messages = error;
SELECT format('DROP SUBSCRIPTION %I', subname) FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = current_database() \\gexec" >/dev/null 2>&1 || true
  shift
  q postgres "SET client_min_messages = warning;
DROP DATABASE IF EXISTS \"$name\" WITH (FORCE);
CREATE DATABASE \"$name\" TEMPLATE template0 $*;"
}

failing() {
  run "${@:2}"
  echo "$output"
  [ "$status" -ne 0 ] && [[ $output == *"$1"* ]]
}
not() { ! "$@"; }

await() {
  local tries
  for ((tries = 0; tries < 500; tries++)); do
    "$@" && return
    sleep 0.02
  done
  echo "waited in vain: $*"
  return 1
}
answers() { [ "$(q postgres "$1")" = t ]; }

hold() {
  PGAPPNAME=holder psql -Xq -d "$(url "$1")" -c "${2:+$2; }SELECT pg_sleep(60)" >/dev/null 2>&1 3>&- &
  holder=$!
  await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'holder' AND wait_event = 'PgSleep'"
}
release() {
  q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'" >/dev/null
  wait "$holder" || true
  holder=
}

# By its name, because it includes the other file from where it lies.
load_objects() {
  local db
  pg_uri db "$1"
  psql -XAtq -v ON_ERROR_STOP=1 -d "$db" -f "$PG_HERE/objects.sql"
}

# psql takes the database's encoding for its own: what is sent arrives as it is.
load_bytes() {
  local i i8 all=''
  for ((i = 1; i < 256; i++)); do
    case $i in 39) all+="''" ;; *) printf -v i8 '\\%03o' "$i"; all+=$i8 ;; esac
  done
  printf "CREATE TABLE \"n\351m\" (id int, \"\374\" text);
INSERT INTO \"n\351m\" VALUES (1, '\344\366\374 \303\244'), (2, E'\\\\200\377\\\\.'), (3, '$all');
COMMENT ON TABLE \"n\351m\" IS '\337 \200';
CREATE INDEX \"\311\" ON \"n\351m\" (\"\374\") WHERE \"\374\" <> '\351';" | q "$1"
}

install_test_extension() {
  local tree dir
  tree=$(pg_runnable "$PG_VERSION") || return 1
  dir=$tree/share/postgresql
  [ "$PG_VERSION" != "$PG_DEFAULT" ] || dir+=/$PG_VERSION
  cp "$PG_HERE/lifeboat_test.control" "$PG_HERE/lifeboat_test--1.0.sql" "$dir/extension/" || return 1
  chmod 644 "$dir"/extension/lifeboat_test*
}

pg_bigtable() { q "$1" <<<"\\set megabytes $2
\\i $PG_HERE/bigtable.sql"; }
