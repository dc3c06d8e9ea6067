-- Who keeps us from locking tables of this database: holders of locks, and those who wait for one.
-- $1: the lock that was wanted, ACCESS SHARE, EXCLUSIVE or ACCESS EXCLUSIVE
-- Row: schema, table, user, application, pid
SELECT n.nspname, c.relname, a.usename, a.application_name, l.pid
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND (l.mode = 'AccessExclusiveLock' OR ($1 = 'EXCLUSIVE' AND l.mode <> 'AccessShareLock')
        OR $1 = 'ACCESS EXCLUSIVE')
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
 GROUP BY 1, 2, 3, 4, 5
 ORDER BY pg_catalog.bool_or(l.granted) DESC, 1, 2
 LIMIT 5
