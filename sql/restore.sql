-- Restores a backup. The target is replaced without asking; a copy of what is there is saved first. By hand:
--
--   RESTORE_BACKUP=latest RESTORE_TARGET=/srv/app/admin.db RESTORE_OPTIONS='{"overwrite":true}' \
--     BACKUP_DIR=/data/backups sqlite3 -init /dev/null -batch -bail :memory: < sql/restore.sql
--
-- RESTORE_BACKUP is a path, a file name in BACKUP_DIR, or latest; RESTORE_TARGET a database, existing or new, or a
-- postgresql:// URI; without RESTORE_OPTIONS an existing one is refused (of Postgres: one that is not empty). Adapt the path after .load. The same with literals:
--
--   SELECT backup_restore('latest', '/srv/app/admin.db', '{"overwrite":true}');
--
-- Prints the JSON report. A SQLite backup is unpacked beside the target and has to pass integrity_check before anything
-- is touched; a Postgres backup is loaded in one transaction, or into a new database (docs/postgres.md). Any failure ends
-- with a status other than 0 and the target as it was.

.load ./build/lifeboat

SELECT backup_restore();
