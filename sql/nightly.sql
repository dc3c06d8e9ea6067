-- The nightly job: back up, check the whole backup, remove old ones. From cron:
--
--   ADMIN_DB_PATH=/srv/app/admin.db BACKUP_DIR=/data/backups BACKUP_NAME=admin \
--     sqlite3 -init /dev/null -batch -bail :memory: < sql/nightly.sql
--
-- What is backed up, where to and for how long comes from the environment: ADMIN_DB_PATH (or ADMIN_DB_TYPE=postgres and
-- ADMIN_DATABASE_URL), BACKUP_DIR (default /data/backups), RETENTION_DAYS (default 7), BACKUP_NAME (default: the name
-- of the file without its extension, for Postgres that of the database). Adapt the path after .load.
--
-- Prints the path of the new backup, ok, and how many old ones of this database are gone. -bail: the first failure ends
-- it with a status other than 0, so nothing is removed unless the new backup is proven.

.load ./build/lifeboat

CREATE TEMP TABLE nightly AS SELECT backup_create() AS path;
SELECT path FROM nightly;

-- full: beside every checksum, integrity_check of the database inside; a Postgres backup is restored into a scratch
-- database of the server that ADMIN_DATABASE_URL names, which needs CREATEDB, space and time: quick goes without.
-- "raise" turns damage into an error.
SELECT backup_verify(path, '{"level":"full","raise":true}') FROM nightly;

-- Of this database only: others whose backups lie in the folder have limits of their own.
SELECT backup_rotate(json_object('name', name, 'type', type)) FROM nightly JOIN backups USING (path);
