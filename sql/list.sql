-- The backups of a folder, newest first:
--
--   BACKUP_DIR=/data/backups sqlite3 -init /dev/null -batch -bail :memory: < sql/list.sql
--
-- Adapt the path after .load. One line a backup: name, when it was made (UTC), its size, the last check and its result.
-- Ends with a status other than 0 where the folder cannot be read. An empty folder is no error: to be told when backups
-- are missing, count the lines or ask for the age of the newest.

.load ./build/lifeboat

.mode list
.separator "  "
SELECT substr(path, length(rtrim(path, replace(path, '/', ''))) + 1), created_at,
       printf('%.1f MiB', bytes / 1048576.0),
       coalesce('checked ' || verified_at || ': ' || verify_result, 'never checked'),
       CASE pinned WHEN 1 THEN 'pinned' ELSE '' END
  FROM backups
 ORDER BY created_at DESC, path DESC;
