-- Who keeps us from reading tables of this database: holders of ACCESS EXCLUSIVE locks, and those who wait for one.
-- Row: schema, table, user, application, pid
SELECT n.nspname, c.relname, a.usename, a.application_name, l.pid
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
 ORDER BY l.granted DESC, 1, 2
 LIMIT 5
