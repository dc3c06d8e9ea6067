-- Who is in the database $1: sessions, and transactions prepared there, which no session holds. An autovacuum worker,
-- which makes way, has no user; of what type it is not everybody is told.
-- Row: pid (NULL: a prepared transaction), user, application or identifier, what kind of backend
SELECT a.pid, a.usename, a.application_name, a.backend_type
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = $1 AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.usesysid IS NOT NULL
UNION ALL
SELECT NULL, p.owner, p.gid, NULL
  FROM pg_catalog.pg_prepared_xacts p
 WHERE p.database = $1
 ORDER BY 1
