# What db_backup.sh and db_restore.sh share: messages, .env, where the extension lies, running SQL.
#
# How values travel: settings are exported and the extension reads them from the environment itself. The SQL that is
# fed to the shell is fixed text, and so is the one path in it: `.load` names a symbolic link in a private folder that
# mktemp made. No value of the user's is ever parsed by bash, by SQLite or by its shell: a quote, a newline or $(…) in
# a path is just a character.
#
# The caller sets `program` (for messages) and `here` (its own folder, links resolved) before it sources this.

LC_ALL=C
export LC_ALL

# The keys of .env that count. Everything else in that file belongs to the application.
env_keys='BACKUP_DIR RETENTION_DAYS ADMIN_DB_PATH ADMIN_DATABASE_URL ADMIN_DB_TYPE'

private=

say() { [ "${quiet:-no}" = yes ] || printf '%s\n' "$*"; }
row() { say "$(printf '  %-10s %s' "$1" "$2")"; }

# fail MESSAGE [HINT]: one line of what went wrong, one of what to do.
fail() {
  printf '%s: %s\n' "$program" "$1" >&2
  [ $# -lt 2 ] || printf '  hint: %s\n' "$2" >&2
  exit 1
}

usage_error() {
  printf '%s: %s\n  hint: %s --help\n' "$program" "$1" "$program" >&2
  exit 2
}

# A path as it may be shown: control characters could rewrite the terminal.
shown() { printf '%s' "${1//[[:cntrl:]]/?}"; }

# Sets the variable named $1 to the absolute form of the path $2, seen from $3 (default: the working directory).
# SQLite's `file:` URIs stay as they are. Absolute, because a file may be called `main` or `-x`.
absolute() {
  case $2 in
    /* | file:*) printf -v "$1" '%s' "$2" ;;
    *) printf -v "$1" '%s/%s' "${3:-$PWD}" "$2" ;;
  esac
}

# Fails if what hides the absolute path $1 is a folder on its way that may not be searched: nobody knows then whether
# it is missing.
check_searchable() {
  local dir=${1%/*}
  [ "${1:0:1}" = / ] || return 0  # a URI
  while [ -n "$dir" ] && [ ! -d "$dir" ]; do dir=${dir%/*}; done
  [ -x "$dir/" ] || fail "cannot look into the folder $(shown "$dir"): permission denied" \
    'run this as its owner or as root'
}

# The address of a server, where a path or a URI was meant: may hold a password, and is not shown.
is_address() { [[ $1 =~ postgres.*/.*:.*@|[pP][aA][sS][sS][wW][oO][rR][dD][[:space:]]*= ]]; }

# ---- .env ----

# Sets `value` from what stands after KEY= in line $2 of file $1. One line; nothing is expanded, nothing executed.
env_value() {
  local where="$1: line $2" text=$3 quote rest
  text=${text#"${text%%[![:space:]]*}"}
  value=
  case $text in
    "'"* | '"'*)
      quote=${text:0:1}
      text=${text:1}
      while :; do
        case $text in
          '') fail "$where: no closing $quote" ;;
          "$quote"*) rest=${text:1}; break ;;
          # Within double quotes a shell takes the backslash away from these four only.
          '\'[\"\\\$\`]*) [ "$quote" = '"' ] && text=${text:1} ;;
        esac
        value+=${text:0:1}
        text=${text:1}
      done
      rest=${rest#"${rest%%[![:space:]]*}"}
      case $rest in '' | '#'*) ;; *) fail "$where: text after the closing $quote" ;; esac
      ;;
    '#'*) ;;
    *)
      value=${text%%[[:space:]]#*}
      value=${value%"${value##*[![:space:]]}"}
      ;;
  esac
}

# Says which keys of file $1 may be slips of ours: $2 has lines of "number key" with those that are not ours. A key of
# ours that is set, or not needed, is not what somebody meant.
tell_slips() {
  local key wanted=
  [ -n "$2" ] || return 0
  for key in $env_keys; do
    case $key:${ADMIN_DB_TYPE:-sqlite} in ADMIN_DB_PATH:postgres | ADMIN_DATABASE_URL:sqlite) continue ;; esac
    [ -n "${!key:-}" ] || wanted+=" $key"
  done
  [ -n "$wanted" ] || return 0
  printf '%s' "$2" | where="$program: $(shown "$1")" wanted=$wanted awk '
    function least(a, b) { return a < b ? a : b }
    # Letters that are wrong, missing, too many, or two that changed places.
    function slips(a, b,    i, j, d) {
      for (i = 0; i <= length(a); i++) d[i, 0] = i
      for (j = 0; j <= length(b); j++) d[0, j] = j
      for (i = 1; i <= length(a); i++) for (j = 1; j <= length(b); j++) {
        d[i, j] = least(d[i - 1, j], d[i, j - 1]) + 1
        d[i, j] = least(d[i, j], d[i - 1, j - 1] + (substr(a, i, 1) != substr(b, j, 1)))
        if (i > 1 && j > 1 && substr(a, i, 1) == substr(b, j - 1, 1) && substr(a, i - 1, 1) == substr(b, j, 1))
          d[i, j] = least(d[i, j], d[i - 2, j - 2] + 1)
      }
      return d[length(a), length(b)]
    }
    function begins(a, b) { return length(b) >= 8 && index(a, b) == 1 }
    BEGIN { count = split(ENVIRON["wanted"], ours, " ") }
    {
      key = toupper($2)
      for (k = 1; k <= count; k++) {
        if (begins(key, ours[k]) || begins(ours[k], key) || slips(key, ours[k]) <= (length(ours[k]) >= 12 ? 2 : 1)) {
          printf("%s: line %d: %s is not read (is %s meant?)\n", ENVIRON["where"], $1, $2, ours[k])
          break
        }
      }
    }' >&2
}

# Exports the known keys of a .env file. What is in the environment already, and not empty, wins.
read_env_file() {
  local file=$1 dir=${1%/*} line key number=0 value others= from_environment=' '
  [ -r "$file" ] || fail "cannot read $(shown "$file"): permission denied"
  for key in $env_keys; do
    [ -z "${!key:-}" ] || from_environment+="$key "
  done
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    [ $number -gt 1 ] || line=${line#$'\xef\xbb\xbf'}
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=(.*)$ ]] || continue
    key=${BASH_REMATCH[2]}
    case " $env_keys " in *" $key "*) ;; *) others+="$number $key"$'\n'; continue ;; esac
    case $from_environment in *" $key "*) continue ;; esac
    env_value "$(shown "$file")" "$number" "${BASH_REMATCH[3]}"
    # Cron starts in another folder: a relative path in a file means the file's folder.
    case $key in
      BACKUP_DIR | ADMIN_DB_PATH) [ -z "$value" ] || absolute value "$value" "$dir" ;;
    esac
    export "$key=$value"
    [ "$key" != RETENTION_DAYS ] || [ -z "$value" ] || retention_from="$(shown "$file")"
  done <"$file"
  tell_slips "$file" "$others"
}

# .env of the working directory, else the one beside the scripts' folder; then the defaults.
read_settings() {
  local file
  # Somebody whose application's folder is gone may still stand in it.
  [ -n "${PWD:-}" ] || fail 'the working directory is gone' 'cd to a folder that is there, such as /'
  [ -z "${RETENTION_DAYS:-}" ] || retention_from='the environment'
  for file in "$PWD/.env" "${here%/*}/.env"; do
    # Without its settings the defaults would decide what is removed.
    [ ! -L "$file" ] || [ -e "$file" ] ||
      fail "cannot read $(shown "$file"): it is a link that leads nowhere, or to where this user may not look" \
        'mend the link, or remove it'
    if [ -f "$file" ]; then
      read_env_file "$file"
      break
    fi
  done
  export BACKUP_NAME=admin
  export BACKUP_DIR="${BACKUP_DIR:-/data/backups}"
  export RETENTION_DAYS="${RETENTION_DAYS:-7}"
  export ADMIN_DB_TYPE="${ADMIN_DB_TYPE:-sqlite}"
  # A leftover in the environment must not choose what is restored, or over what.
  unset RESTORE_BACKUP RESTORE_TARGET RESTORE_OPTIONS
}

# Holds the settings against what they may be. Not the database's existence: a restore may have to make it.
check_settings() {
  case $ADMIN_DB_TYPE in
    sqlite)
      [ -n "${ADMIN_DB_PATH:-}" ] || [ -z "${ADMIN_DATABASE_URL:-}" ] ||
        fail 'ADMIN_DATABASE_URL is set, but ADMIN_DB_TYPE says sqlite (the default), and ADMIN_DB_PATH is not set' \
          'for Postgres export ADMIN_DB_TYPE=postgres, or write that line into .env'
      [ -n "${ADMIN_DB_PATH:-}" ] || fail 'ADMIN_DB_PATH is not set' \
        'export ADMIN_DB_PATH=/path/to/admin.db, or write that line into .env'
      ! is_address "$ADMIN_DB_PATH" || fail 'ADMIN_DB_PATH is the address of a server, not the path of a database' \
        'set ADMIN_DB_TYPE=postgres and ADMIN_DATABASE_URL=postgresql://user@host/database'
      absolute ADMIN_DB_PATH "$ADMIN_DB_PATH"
      export ADMIN_DB_PATH
      ;;
    postgres)
      [ -n "${ADMIN_DATABASE_URL:-}" ] || fail 'ADMIN_DATABASE_URL is not set' \
        'export ADMIN_DATABASE_URL=postgresql://user@host/database, or write that line into .env'
      ;;
    *) fail "ADMIN_DB_TYPE is $(shown "$ADMIN_DB_TYPE"): it must be sqlite or postgres" ;;
  esac
  if [[ $RETENTION_DAYS =~ ^[0-9]{1,5}$ ]] && [ "$RETENTION_DAYS" -le 36500 ]; then
    RETENTION_DAYS=$((10#$RETENTION_DAYS))
  elif [ "$retention_from" = --retention-days ]; then
    usage_error "--retention-days is $(shown "$RETENTION_DAYS"): it must be a number of days, 0 to 36500"
  else
    fail "RETENTION_DAYS is $(shown "$RETENTION_DAYS"): it must be a number of days, 0 to 36500"
  fi
  absolute BACKUP_DIR "$BACKUP_DIR"
}
retention_from='the default'

# ---- SQL ----

# Finds the extension and links it under a name that needs no quoting.
find_extension() {
  local so
  command -v sqlite3 >/dev/null || fail 'the sqlite3 command is missing' \
    'apt-get install sqlite3, or scripts/bootstrap.sh build'
  if [ -n "${LIFEBOAT_SO:-}" ]; then
    absolute so "$LIFEBOAT_SO"
    [ -f "$so" ] || fail "LIFEBOAT_SO names no file: $(shown "$so")" 'run make in the folder of Lifeboat'
  else
    for so in "$here/../build/lifeboat.so" "$here/lifeboat.so" /usr/local/lib/lifeboat/lifeboat.so \
      "$here/../lib/lifeboat/lifeboat.so" ''; do
      [ ! -f "$so" ] || break
    done
    [ -n "$so" ] || fail 'the extension is not built: found no build/lifeboat.so' \
      'run make in the folder of Lifeboat, or let LIFEBOAT_SO name the file'
  fi
  trap '[ -z "$private" ] || rm -rf "$private"' EXIT
  trap 'stop HUP 1' HUP
  trap 'stop INT 2' INT
  trap 'stop TERM 15' TERM
  private=$(mktemp -d /tmp/lifeboat.XXXXXXXXXX) || fail 'cannot make a folder in /tmp'
  ln -s "$so" "$private/lifeboat.so" || fail 'cannot make a link in /tmp'
}

# Ends with the status of a signal, after sqlite3 has taken back what it was at. SIGINT is what its shell interrupts a
# statement for; it would count a third one as an order to exit at once, so it gets one, and no sooner than it has its
# handler.
stop() {
  local child
  trap '' HUP INT TERM
  child=$(jobs -pr)
  if [ -n "$child" ]; then
    while [ ! -e "$private/begun" ] && kill -0 "$child" 2>/dev/null; do sleep 0.05; done
    kill -INT "$child" 2>/dev/null
    wait "$child"
  fi
  printf '%s: stopped by SIG%s (SELECT * FROM backup_history tells what was done)\n' "$program" "$1" >&2
  exit $((128 + $2))
}

# Waits for sqlite3 so that a trap is run at once. What is sent to a whole group of processes (systemd, timeout, a
# terminal) does not reach it: `stop` tells it. Newer shells than 3.40 take what is only ignored, and exit; so it is
# blocked, and it has a session of its own, where there are programs for that.
run_shell() {
  local shield=()
  ! env --block-signal=HUP,TERM true 2>/dev/null || shield=(env --block-signal=HUP,TERM)
  [ -z "$(command -v setsid)" ] || shield=(setsid "${shield[@]}")
  (
    trap '' HUP TERM
    [ "${progress:-no}" = yes ] || exec 2>"$private/errors"
    exec "${shield[@]}" sqlite3 -init /dev/null -batch -bail :memory:
  ) <"$private/sql" &
  wait $!
}

# What the extension warned of in SQLite's log (28 is SQLITE_WARNING), once: above all, that history was not written. It
# writes a line of what did not happen, which ends in a colon, and one of why.
tell_warnings() {
  [ ! -f "$private/log" ] || program=$program awk '
    sub(/^\(28\) lifeboat: /, "") {
      gsub(/[[:cntrl:]]/, "?")
      what = what $0
      if (sub(/:$/, ": ", what)) next
      if (!told[what]++) print ENVIRON["program"] ": warning: " what
      what = ""
    }
    END { if (what != "") print ENVIRON["program"] ": warning: " what }' "$private/log" >&2
}

# Runs the fixed SQL of standard input with the extension loaded; status 0 only if every statement went well.
# Errors lose the shell's "Runtime error near line 3: ", which newer ones call "Error near line 3: "; a progress bar
# needs standard error as it is.
# What takes its time must not run in $(…): bash looks at signals only after that.
run_sql() {
  local status
  rm -f "$private/begun"
  # A full /tmp would leave the beginning of the SQL, or none: the shell runs that without an error, and does nothing.
  {
    printf '.output %s/begun\n.output\n.log %s/log\n.load %s/lifeboat\n' "$private" "$private" "$private" &&
      { [ "${progress:-no}" = no ] ||
        printf '%s\n' '.output /dev/null' "SELECT backup_set('progress', 'on');" '.output'; } &&
      cat
  } 2>/dev/null >"$private/sql" ||
    fail 'cannot write to /tmp, so nothing was done' \
      'df /tmp tells whether it is full: make room there, then run this again'
  run_shell
  status=$?
  [ "${progress:-no}" = yes ] || sed -E -e 's/^(Runtime e|Parse e|E)rror near line [0-9]+: //' -e 's/^Error: //' \
    -e "1s/^/$program: /" "$private/errors" >&2
  tell_warnings
  return $status
}

# The newest backups of the folder, for somebody who is choosing one.
list_backups() {
  [ -d "$BACKUP_DIR" ] || return 0
  run_sql <<'SQL'
.mode list
.separator "  "
SELECT '  ' || substr(path, length(rtrim(path, replace(path, '/', ''))) + 1), created_at,
       printf('%.1f MiB', bytes / 1048576.0)
  FROM backups ORDER BY created_at DESC LIMIT 10;
SQL
}
