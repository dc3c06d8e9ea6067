-- How many locks dropping everything takes at most, one for each object and for each of its parts; how many the server's
-- lock table has; and what that comes from. Row: drops, capacity, per_transaction, processes
-- Source of the latter: MaxBackends and max_prepared_xacts in src/backend/utils/init/postinit.c and storage/lmgr/lock.c.
WITH drops(n) AS (
  -- All that depends on anything: a part on the whole, what is in a schema on that.
  SELECT count(*) FROM (SELECT DISTINCT classid, objid FROM pg_catalog.pg_depend WHERE objid >= 16384) d
  -- What need not depend on anything but the server's own.
  UNION ALL SELECT count(*) FROM pg_catalog.pg_namespace WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_extension
  UNION ALL SELECT count(*) FROM pg_catalog.pg_language WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_am WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_cast WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_transform
  UNION ALL SELECT count(*) FROM pg_catalog.pg_publication
  UNION ALL SELECT count(*) FROM pg_catalog.pg_foreign_data_wrapper
  UNION ALL SELECT count(*) FROM pg_catalog.pg_default_acl
  UNION ALL SELECT count(*) FROM pg_catalog.pg_largeobject_metadata
  -- The catalogue itself: tables and indexes of it that are read and written.
  UNION ALL VALUES (150)
), room(locks, processes) AS (
  SELECT current_setting('max_locks_per_transaction')::bigint,
         1 + (SELECT sum(s.setting::bigint) FROM pg_catalog.pg_settings s
               WHERE s.name IN ('max_connections', 'max_prepared_transactions', 'max_worker_processes')
                  -- Part of max_connections before 12.
                  OR s.name = 'max_wal_senders' AND current_setting('server_version_num')::int >= 120000
                  -- What bounds them from 18 on.
                  OR s.name = CASE WHEN current_setting('server_version_num')::int < 180000
                                   THEN 'autovacuum_max_workers' ELSE 'autovacuum_worker_slots' END)
)
SELECT (SELECT sum(n)::bigint FROM drops), r.locks * r.processes, r.locks, r.processes FROM room r
