#!/usr/bin/env bash
# Backs up the database that the environment or .env names, checks the backup, removes old ones, prints a summary.
# Thin: the SQL below does the work, through the Lifeboat extension. See lib.sh for how values reach it.
# It does not decide what a good backup is, nor what may go: backup_verify and backup_rotate do.
# A crontab that says `sh db_backup.sh` gets another shell on Debian.
[ -n "${BASH_VERSION:-}" ] || exec bash -- "$0" "$@"
set -u

program=${0##*/}
here=$(readlink -f -- "$0"; printf x)
here=${here%/*}
. "$here/lib.sh"

usage() {
  cat <<EOT
Usage: $program [--retention-days N] [--dir FOLDER] [--quiet]

Backs up the application's database into a compressed file, checks it, and removes backups that are too old.

  --retention-days N  remove backups older than N days (default: RETENTION_DAYS, or 7; 0 removes none by age)
  --dir FOLDER        where backups lie (default: BACKUP_DIR, or /data/backups)
  --quiet             print nothing but errors, and that the folder of backups had to be made
  --help              this text

From the environment, else from .env in the working directory, else from .env beside the folder of this script:
  ADMIN_DB_TYPE       sqlite (default) or postgres
  ADMIN_DB_PATH       the SQLite database
  ADMIN_DATABASE_URL  the Postgres database: postgresql://user@host/database
  BACKUP_DIR, RETENTION_DAYS
For Postgres also from the environment: PGPASSFILE, PGPASSWORD and libpq's other variables; PG_BINDIR, the folder of a
pg_dump that is not found by itself.
LIFEBOAT_SO names the extension where it is not beside this script.

Exit status: 0 only if backup, check and rotation all went well; 2 for a wrong option; 128 + N if signal N (HUP, INT,
TERM) stopped it, which leaves nothing half done; else 1.
EOT
}

quiet=no
option_dir=
option_days=
while [ $# -gt 0 ]; do
  case $1 in
    --retention-days | --dir)
      [ $# -gt 1 ] && [ -n "$2" ] || usage_error "$1 needs a value"
      if [ "$1" = --dir ]; then option_dir=$2; else option_days=$2; fi
      shift
      ;;
    --retention-days=?*) option_days=${1#*=} ;;
    --dir=?*) option_dir=${1#*=} ;;
    --quiet) quiet=yes ;;
    --help | -h) usage; exit 0 ;;
    *) usage_error "unknown option: $(shown "$1")" ;;
  esac
  shift
done

read_settings
[ -z "$option_dir" ] || BACKUP_DIR=$option_dir
if [ -n "$option_days" ]; then
  RETENTION_DAYS=$option_days
  retention_from=--retention-days
fi
check_settings

check_database() {
  [ "$ADMIN_DB_TYPE" = sqlite ] || return 0
  case $ADMIN_DB_PATH in file:*) return 0 ;; esac
  [ -e "$ADMIN_DB_PATH" ] || check_searchable "$ADMIN_DB_PATH"
  [ -e "$ADMIN_DB_PATH" ] || fail "database not found: $(shown "$ADMIN_DB_PATH")" 'check ADMIN_DB_PATH'
  [ -f "$ADMIN_DB_PATH" ] || fail "not a file: $(shown "$ADMIN_DB_PATH")" 'check ADMIN_DB_PATH'
  [ -r "$ADMIN_DB_PATH" ] || fail "cannot read the database: $(shown "$ADMIN_DB_PATH"): permission denied" \
    "run this as the database's owner or as root"
}

check_folder() {
  if [ ! -d "$BACKUP_DIR" ]; then
    check_searchable "$BACKUP_DIR"
    # Nothing is expanded in a .env, a crontab or a unit: backups would go where nobody looks, into a folder whose name
    # somebody may one day give to rm.
    case $BACKUP_DIR/ in
      */'~'/* | */'$HOME'/* | */'${HOME}'/*)
        fail "the folder of backups is missing: $(shown "$BACKUP_DIR"), where ~ and \$HOME are not expanded" \
          'write the whole path (a folder that is really called so is yours to make)'
        ;;
    esac
    # The mode is for the folder itself: what is above it may be for others as well, and is made as they would make it.
    mkdir -p -m 700 -- "$BACKUP_DIR" 2>/dev/null ||
      fail "cannot create the folder of backups: $(shown "$BACKUP_DIR")" \
        'create it, or name another one with BACKUP_DIR or --dir'
    # Also with --quiet: a slip in a crontab would fill a folder that nobody looks into.
    if [ "$quiet" = yes ]; then printf '%s: created the folder of backups %s\n' "$program" "$(shown "$BACKUP_DIR")" >&2
    else say "Created the folder of backups $(shown "$BACKUP_DIR")"
    fi
  fi
  [ -w "$BACKUP_DIR" ] && [ -x "$BACKUP_DIR" ] ||
    fail "cannot write to the folder of backups: $(shown "$BACKUP_DIR"): permission denied" \
      'run this as its owner, or name another folder with BACKUP_DIR or --dir'
}

check_database
find_extension
check_folder

# The extension's words are about SQL; with a progress bar they went by unseen.
backup_failed() {
  local hint='the message above says why; old backups go only after the new one has been checked' made
  # Whoever reads this at night has to know whether there is a backup.
  made=$(sed -n 's/^made //p' "$private/summary")
  [ -z "$made" ] || fail 'the backup was made, but the removal of old ones failed' \
    "the message above says why; $made is whole and checked"
  if [ $progress = yes ] || grep -q 'belongs to another source' "$private/errors"; then
    hint+='. The name of a
        backup is always admin here: what it calls {"name":"…"} is another folder, by --dir or BACKUP_DIR'
  fi
  fail 'backup failed' "$hint"
}

progress=no
[ "$quiet" = yes ] || [ ! -t 2 ] || progress=yes

run_sql >"$private/summary" <<'SQL' || backup_failed
CREATE TEMP TABLE begun AS SELECT julianday('now') AS at;
CREATE TEMP TABLE created AS SELECT backup_create() AS path;
CREATE TEMP TABLE verified AS SELECT backup_verify(path, '{"raise":true}') AS result FROM created;
CREATE TEMP TABLE made AS
  SELECT b.type, b.source, b.bytes, b.raw_bytes, c.file
    FROM (SELECT substr(path, length(rtrim(path, replace(path, '/', ''))) + 1) AS file FROM created) AS c
    JOIN backups AS b ON substr(b.path, length(rtrim(b.path, replace(b.path, '/', ''))) + 1) = c.file;
SELECT 'made ' || file FROM made;
CREATE TEMP TABLE rotated AS
  SELECT backup_rotate(json_object('name', 'admin', 'type', type)) AS removed FROM made;
CREATE TEMP TABLE kept AS
  SELECT count(*) AS n FROM made CROSS JOIN backup_plan(json_object('name', 'admin', 'type', made.type)) AS p
   WHERE p.action = 'keep';
CREATE TEMP TABLE unit(at_least INTEGER, of REAL, text TEXT);
INSERT INTO unit VALUES (0, 1, '%.0f bytes'), (1024, 1024.0, '%.1f KiB'), (1048576, 1048576.0, '%.1f MiB'),
  (1073741824, 1073741824.0, '%.1f GiB');
CREATE TEMP TABLE size AS
  SELECT (SELECT printf(text, bytes / of) FROM unit
           WHERE at_least <= bytes ORDER BY at_least DESC LIMIT 1) AS stored,
         (SELECT printf(text, raw_bytes / of) FROM unit
           WHERE at_least <= raw_bytes ORDER BY at_least DESC LIMIT 1) AS raw,
         raw_bytes * 1.0 / nullif(bytes, 0) AS ratio
    FROM made;
SELECT '  database   ' || source FROM made WHERE type = 'postgres';
SELECT '  backup     ' || file FROM made;
SELECT '  size       ' || stored || coalesce(printf(', %.1f:1 of %s', ratio, raw), '') FROM size;
SELECT '  seconds    ' || printf('%.2f', (julianday('now') - at) * 86400) FROM begun;
SELECT '  verified   ' || result FROM verified;
SELECT '  kept       ' || n FROM kept;
SELECT '  removed    ' || removed FROM rotated;
SQL
summary=$(sed '/^made /d' "$private/summary")
# Without its row in the listing the statements above had nothing to rotate.
case $summary in
  *'  removed    '*) ;;
  *) fail "the new backup does not appear in $(shown "$BACKUP_DIR")" ;;
esac

say 'Backup finished'
[ "$ADMIN_DB_TYPE" != sqlite ] || row database "$(shown "$ADMIN_DB_PATH")"
say "$summary"
row retention "$RETENTION_DAYS days ($retention_from)"
row folder "$(shown "$BACKUP_DIR")"
exit 0
