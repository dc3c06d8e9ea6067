-- Restores a backup. The target is replaced without asking; a copy of what is there is saved first. By hand:
--
--   RESTORE_BACKUP=latest RESTORE_TARGET=/srv/app/admin.db RESTORE_OPTIONS='{"overwrite":true}' \
--     BACKUP_DIR=/data/backups sqlite3 -init /dev/null -batch -bail :memory: < sql/restore.sql
--
-- RESTORE_BACKUP is a path, a file name in BACKUP_DIR, or latest; RESTORE_TARGET a database, existing or new; without
-- RESTORE_OPTIONS an existing one is refused. Adapt the path after .load. The same with literals:
--
--   SELECT backup_restore('latest', '/srv/app/admin.db', '{"overwrite":true}');
--
-- Prints the JSON report. Ends with a status other than 0 if the restore failed, or if the database that was restored
-- does not pass its integrity check (it is in place then, as the backup had it).

.load ./build/lifeboat

CREATE TEMP TABLE restored(report TEXT);
INSERT INTO restored SELECT backup_restore();
SELECT report FROM restored;

CREATE TEMP TABLE checked(outcome TEXT,
  CONSTRAINT "the restored database does not pass its integrity check" CHECK (outcome IS 'ok'));
INSERT INTO checked SELECT json_extract(report, '$.check') FROM restored;
