-- How many locks dropping everything takes at most, one for each object and for each of its parts; how many the server's
-- lock table has; and the settings that it comes from. Row: drops, capacity, per_transaction, connections, prepared
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
), settings AS (
  SELECT current_setting('max_locks_per_transaction')::bigint AS locks,
         current_setting('max_connections')::bigint AS connections,
         current_setting('max_prepared_transactions')::bigint AS prepared
)
SELECT (SELECT sum(n)::bigint FROM drops), s.locks * (s.connections + s.prepared), s.locks, s.connections, s.prepared
  FROM settings s
