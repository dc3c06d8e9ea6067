#!/usr/bin/env bash
# Restores a backup into the database that the environment or .env names, after asking. Thin: the SQL below does the
# work, through the Lifeboat extension, which checks the backup and saves what is there before it changes anything.
# See lib.sh for how values reach it.
# `sh db_restore.sh` gets another shell on Debian.
[ -n "${BASH_VERSION:-}" ] || exec bash -- "$0" "$@"
set -u

program=${0##*/}
here=$(readlink -f -- "$0"; printf x)
here=${here%/*}
. "$here/lib.sh"

usage() {
  cat <<EOT
Usage: $program FILE [--target DATABASE] [--yes] [--no-pre-restore] [--mode MODE] [--force] [--no-owner]

Restores a backup over the application's database. What is there is saved first; the result is checked afterwards.

  FILE                a path, the name of a file in BACKUP_DIR, or latest (also admin_sqlite_latest.db.gz)
  --target DATABASE   restore there instead: a path, or postgresql://user@host/database (others can see arguments: no
                      password in it; ADMIN_DATABASE_URL or PGPASSFILE is the place for that)
  --yes               do not ask
  --no-pre-restore    do not save what is there
  --help              this text

For Postgres. A database that is missing is made; one that has content is replaced:
  --mode transaction  in one transaction: all of it happens, or nothing (default)
  --mode swap         into a new database, faster; then the two change names, and the old one stays under another name
  --force             with --mode swap: end the sessions that are still in the database
  --no-owner          without owners and privileges, where roles of the backup are missing here

From the environment, else from .env in the working directory, else from .env beside the folder of this script:
  ADMIN_DB_TYPE       sqlite (default) or postgres
  ADMIN_DB_PATH       the SQLite database
  ADMIN_DATABASE_URL  the Postgres database: postgresql://user@host/database
  BACKUP_DIR          where backups lie (default: /data/backups)
For Postgres also from the environment: PGPASSFILE, PGPASSWORD and libpq's other variables; PG_BINDIR, the folder of a
pg_dump that is not found by itself (what is there is saved with it).
LIFEBOAT_SO names the extension where it is not beside this script.

Exit status: 0 only if the database was restored and passes its check; 2 for a wrong option; 128 + N if signal N (HUP,
INT, TERM) stopped it, which leaves the database as it was, or restored, if it came at the very end (backup_history
tells); 1 for anything else, "no" included.
EOT
}

backup=
option_target=
yes=no
pre_restore=yes
mode=
force=no
no_owner=no
options_over=no
while [ $# -gt 0 ]; do
  if [ $options_over = no ]; then
    case $1 in
      --target)
        [ $# -gt 1 ] && [ -n "$2" ] || usage_error "$1 needs a value"
        option_target=$2
        shift 2
        continue
        ;;
      --target=?*) option_target=${1#*=}; shift; continue ;;
      --yes | -y) yes=yes; shift; continue ;;
      --no-pre-restore) pre_restore=no; shift; continue ;;
      --mode)
        [ $# -gt 1 ] && [ -n "$2" ] || usage_error "$1 needs a value"
        mode=$2
        shift 2
        continue
        ;;
      --mode=?*) mode=${1#*=}; shift; continue ;;
      --force) force=yes; shift; continue ;;
      --no-owner) no_owner=yes; shift; continue ;;
      --help | -h) usage; exit 0 ;;
      --) options_over=yes; shift; continue ;;
      -*) usage_error "unknown option: $(shown "$1")" ;;
    esac
  fi
  [ -z "$backup" ] || usage_error "more than one FILE: $(shown "$1")"
  [ -n "$1" ] || usage_error 'FILE is empty'
  backup=$1
  shift
done
[ -n "$backup" ] || usage_error 'FILE is missing: say which backup to restore, or latest'
case $mode in
  '' | transaction | swap) ;;
  *) usage_error "--mode is $(shown "$mode"): it must be transaction or swap" ;;
esac
[ $force = no ] || [ "$mode" = swap ] || usage_error '--force is for --mode swap'

# The target decides the type; without --target it is the configured database, by its setting.
choose_target() {
  case $option_target in
    '') check_settings; return ;;
    postgres://* | postgresql://*)
      # Another database than the scripts' own is saved under its own name: two sources under one would be mixed up.
      [ "$option_target" = "${ADMIN_DATABASE_URL:-}" ] || unset BACKUP_NAME
      ADMIN_DB_TYPE=postgres
      ADMIN_DATABASE_URL=$option_target
      export ADMIN_DATABASE_URL
      RESTORE_TARGET=$option_target
      ;;
    *)
      ! is_address "$option_target" || fail '--target: not a postgresql:// URI' \
        'key=value connection strings are not accepted'
      ADMIN_DB_TYPE=sqlite
      absolute RESTORE_TARGET "$option_target"
      ADMIN_DB_PATH=$RESTORE_TARGET
      export ADMIN_DB_PATH
      ;;
  esac
  export RESTORE_TARGET
  check_settings
}

check_options() {
  [ "$ADMIN_DB_TYPE" = sqlite ] || return 0
  [ -z "$mode" ] && [ $no_owner = no ] || usage_error '--mode, --force and --no-owner are for Postgres'
}

# The target's address as it may be shown, without its password; the extension knows how to take that out.
postgres_target() {
  run_sql <<'SQL' || fail 'cannot read the settings'
SELECT replace(replace(value, char(10), '?'), char(27), '?') FROM backup_config WHERE key = 'database_url';
SQL
}

# Sets RESTORE_BACKUP to the newest good backup of the scripts' name: what is shown is then what is restored, even if
# another backup ends while somebody thinks about the answer. Good is what the extension means by it: it looks whole, and
# its last verification, if there was one, was ok. File names of the scheme are safe to carry in a variable.
choose_latest() {
  case ${backup##*/} in
    admin_sqlite_latest.* | admin_postgres_latest.*)
      case ${backup##*/} in
        "admin_${ADMIN_DB_TYPE}_"*) ;;
        *) fail "$(shown "$backup") is not for a $ADMIN_DB_TYPE database" \
          'check ADMIN_DB_TYPE and FILE, or say latest' ;;
      esac
      ;;
  esac
  [ -d "$BACKUP_DIR" ] || check_searchable "$BACKUP_DIR"
  [ -d "$BACKUP_DIR" ] || fail "the folder of backups is missing: $(shown "$BACKUP_DIR")" 'check BACKUP_DIR'
  local candidates line
  candidates=$(run_sql <<'SQL'
SELECT type || '/' || file FROM (
  SELECT type, created_at, substr(path, length(rtrim(path, replace(path, '/', ''))) + 1) AS file
    FROM backups WHERE kind = 'full' AND problem IS NULL AND coalesce(verify_result, 'ok') = 'ok')
 WHERE file GLOB 'admin_' || type || replace('_dddddddd_dddddd*', 'd', '[0-9]')
 ORDER BY created_at DESC, length(file) DESC, file DESC;
SQL
  ) || fail 'cannot read the folder of backups'
  RESTORE_BACKUP=
  while [ -z "$RESTORE_BACKUP" ] && IFS= read -r line; do
    case $line in "$ADMIN_DB_TYPE/"*) RESTORE_BACKUP=${line#*/} ;; esac
  done <<<"$candidates"
  [ -n "$RESTORE_BACKUP" ] ||
    fail "no good backup of admin ($ADMIN_DB_TYPE) in $(shown "$BACKUP_DIR")" 'name a FILE, or check BACKUP_DIR'
}

not_found() {
  local path
  absolute path "$1" "$2"
  check_searchable "$path"
  printf '%s: backup not found: %s\n' "$program" "$(shown "$1")" >&2
  printf 'Newest backups in %s:\n' "$(shown "$BACKUP_DIR")" >&2
  list_backups >&2
  exit 1
}

# Sets RESTORE_BACKUP for the extension and `file` for what is shown here.
choose_backup() {
  local name=${backup##*/}
  case $backup in
    */*)
      # The old guide wrote the folder too: /data/backups/admin_sqlite_latest.db.gz
      if [ ! -e "$backup" ]; then
        case $name in
          admin_*_latest.*) absolute BACKUP_DIR "${backup%/*}"; choose_latest ;;
          *) not_found "$backup" "$PWD" ;;
        esac
      else
        absolute RESTORE_BACKUP "$backup"
      fi
      ;;
    latest | admin_*_latest.*) choose_latest ;;
    *)
      if [ -e "$BACKUP_DIR/$backup" ]; then RESTORE_BACKUP=$BACKUP_DIR/$backup
      elif [ -e "$PWD/$backup" ]; then RESTORE_BACKUP=$PWD/$backup
      else not_found "$backup" "$BACKUP_DIR"
      fi
      ;;
  esac
  case $RESTORE_BACKUP in */*) file=$RESTORE_BACKUP ;; *) file=$BACKUP_DIR/$RESTORE_BACKUP ;; esac
  [ -f "$file" ] || fail "not a file: $(shown "$file")"
  [ -r "$file" ] || fail "cannot read the backup: $(shown "$file"): permission denied"
  export RESTORE_BACKUP
}

# When a backup was made, by its name; files of other names only have their own time.
made_at() {
  if [[ ${1##*/} =~ _([0-9]{4})([0-9]{2})([0-9]{2})_([0-9]{2})([0-9]{2})([0-9]{2})(_[0-9]+)?\.[a-z.]+$ ]]; then
    printf '%s-%s-%s %s:%s:%s UTC' "${BASH_REMATCH[@]:1:6}"
  else
    TZ=UTC0 date -r "$1" '+%Y-%m-%d %H:%M:%S UTC (time of the file)'
  fi
}

human_size() {
  local bytes
  bytes=$(wc -c <"$1") || bytes=0
  awk -v n="$bytes" 'BEGIN {
    split("bytes KiB MiB GiB TiB", unit, " ")
    for (i = 1; n >= 1024 && i < 5; i++) n /= 1024
    printf(i == 1 ? "%d %s" : "%.1f %s", n, unit[i])
  }'
}

# The database that the backup is of, if it tells, and if that is not the target: of another application, or of this one
# before it moved. All backups of the scripts are called admin. With --target another database is meant.
other_source() {
  local source target
  [ -z "$option_target" ] && [ "$ADMIN_DB_TYPE" = sqlite ] || return 0
  source=$(run_sql 2>/dev/null <<'SQL'
WITH chosen(path) AS (SELECT value FROM backup_config WHERE key = 'backup'),
     split(folder, file) AS (SELECT rtrim(path, replace(path, '/', '')),
                                    substr(path, length(rtrim(path, replace(path, '/', ''))) + 1) FROM chosen),
     whole(folder, file) AS (SELECT iif(folder = '', value, folder), file
                               FROM split JOIN backup_config ON key = 'dir')
SELECT source FROM whole JOIN backups ON backups.dir = whole.folder AND backups.file = whole.file;
SQL
  ) || return 0
  target=$(readlink -f -- "$ADMIN_DB_PATH") || target=$ADMIN_DB_PATH
  [ "$source" = "$target" ] || printf '%s' "$source"
}

show_plan() {
  local saved='no: --no-pre-restore' target source
  say 'About to restore'
  row backup "$(shown "${file##*/}")"
  row folder "$(shown "${file%/*}")"
  source=$(other_source)
  [ -z "$source" ] || row source "$(shown "$source"), which is not the target"
  row made "$(made_at "$file")"
  row size "$(human_size "$file")"
  if [ "$ADMIN_DB_TYPE" = postgres ]; then
    target=$(postgres_target) || exit 1
    row target "$(shown "$target"), whose content will be replaced"
    row mode "${mode:-transaction}"
    [ $pre_restore = no ] ||
      saved="$(shown "$BACKUP_DIR")/${BACKUP_NAME:-DATABASE}_postgres_before_restore_YYYYMMDD_HHMMSS.sql.gz"
  elif [ -e "$ADMIN_DB_PATH" ]; then
    row target "$(shown "$ADMIN_DB_PATH"), whose content will be replaced"
    [ $pre_restore = no ] || saved="$(shown "$ADMIN_DB_PATH").before_restore.YYYYMMDD_HHMMSS"
  else
    check_searchable "$ADMIN_DB_PATH"
    row target "$(shown "$ADMIN_DB_PATH"), which does not exist yet"
    saved='nothing: there is nothing yet'
    # What a database that is gone has left: beside the new one it would be replayed into it.
    if [ $pre_restore = yes ] && { [ -e "$ADMIN_DB_PATH-wal" ] || [ -e "$ADMIN_DB_PATH-journal" ]; }; then
      saved="its stale -wal or -journal, as $(shown "$ADMIN_DB_PATH").before_restore.YYYYMMDD_HHMMSS-…"
    fi
  fi
  row 'will save' "$saved"
}

confirm() {
  local answer=
  [ $yes = no ] || return 0
  printf 'Are you sure you want to continue? (yes/no) '
  read -r answer || true
  [ -t 0 ] || printf '\n'
  case ${answer%$'\r'} in
    [Yy][Ee][Ss]) ;;
    *) printf 'Restore cancelled: nothing was changed.\n'; exit 1 ;;
  esac
}

read_settings
choose_target
check_options
find_extension
choose_backup
show_plan
confirm

RESTORE_OPTIONS='{"overwrite":true'
[ $pre_restore = yes ] || RESTORE_OPTIONS+=',"pre_restore":false'
hint='the message above says why; if the database was touched, its old content is in TARGET.before_restore.*'
if [ "$ADMIN_DB_TYPE" = postgres ]; then
  # The check reads the whole file before anything is saved or loaded: at night it is better to know early.
  RESTORE_OPTIONS+=',"create":true,"verify":"quick"'
  [ -z "$mode" ] || RESTORE_OPTIONS+=",\"mode\":\"$mode\""
  [ $force = no ] || RESTORE_OPTIONS+=',"force":true'
  [ $no_owner = no ] || RESTORE_OPTIONS+=',"no_owner":true,"no_privileges":true'
  hint='the message above says why; unless it says otherwise the database has its old content. What it calls
        {"mode":"swap"} is --mode swap here, "force" --force, "no_owner" --no-owner, "pre_restore" --no-pre-restore'
fi
RESTORE_OPTIONS+='}'
export RESTORE_OPTIONS
progress=no
[ ! -t 2 ] || progress=yes

# A backup that does not pass its check is refused before the target is touched: no error means that it passed.
run_sql <<'SQL' || fail 'restore failed' "$hint"
CREATE TEMP TABLE restored AS SELECT backup_restore() AS report;
CREATE TEMP TABLE line AS
  SELECT json_extract(report, '$.check') AS outcome, json_extract(report, '$.pre_restore') AS saved,
         json_extract(report, '$.seconds') AS seconds, json_extract(report, '$.notes') AS notes,
         json_extract(report, '$.previous') AS previous,
         CASE WHEN json_extract(report, '$.created') THEN json_extract(report, '$.target') END AS created
    FROM restored;
SELECT 'Restore finished';
SELECT '  created    ' || replace(replace(created, char(10), '?'), char(27), '?') || ', which was not there before'
  FROM line WHERE created IS NOT NULL;
SELECT '  saved as   ' || coalesce(replace(replace(saved, char(10), '?'), char(27), '?'), 'nothing') FROM line;
SELECT '  seconds    ' || printf('%.2f', seconds) FROM line;
SELECT '  previous   ' || replace(replace(previous, char(10), '?'), char(27), '?')
       || ' is the old database: drop it when all is well' FROM line WHERE previous IS NOT NULL;
SELECT '  check      ' || coalesce(outcome, 'loaded without an error; this file has no counts to compare with')
  FROM line;
SELECT '  notes      ' || replace(replace(notes, char(27), '?'), char(10), char(10) || '             ')
  FROM line WHERE notes IS NOT NULL;
SQL
