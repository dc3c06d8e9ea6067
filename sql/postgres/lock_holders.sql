-- Who keeps us from locking tables of this database: holders of locks, and those who wait for one. A lock without a
-- process is that of a prepared transaction: its number is in the lock on itself that it has.
-- $1: the lock that was wanted, ACCESS SHARE, EXCLUSIVE or ACCESS EXCLUSIVE
-- Row: schema, table, user, application, pid, name of the prepared transaction
SELECT n.nspname, c.relname, coalesce(a.usename, p.owner), a.application_name, l.pid, p.gid
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_prepared_xacts p ON l.pid IS NULL AND p.transaction IN (
         SELECT x.transactionid FROM pg_catalog.pg_locks x
          WHERE x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction)
 WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND (l.mode = 'AccessExclusiveLock' OR ($1 = 'EXCLUSIVE' AND l.mode <> 'AccessShareLock')
        OR $1 = 'ACCESS EXCLUSIVE')
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
 GROUP BY 1, 2, 3, 4, 5, 6
 ORDER BY pg_catalog.bool_or(l.granted) DESC, 1, 2
 LIMIT 5
