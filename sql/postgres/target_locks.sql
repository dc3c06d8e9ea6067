-- How many locks dropping everything takes, one for each object and for each of its parts; how many the server's lock
-- table has; and the settings that it comes from. Row: drops, capacity, per_transaction, connections, prepared
WITH drops(n) AS (
  SELECT count(*) FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence <> 't'
  UNION ALL SELECT count(*) FROM pg_catalog.pg_type WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_proc WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_constraint WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_attrdef WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_rewrite WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_trigger WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_policy WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_statistic_ext WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_operator WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_opclass WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_opfamily WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_amop WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_amproc WHERE oid >= 16384
  UNION ALL SELECT count(*) FROM pg_catalog.pg_largeobject_metadata
), settings AS (
  SELECT current_setting('max_locks_per_transaction')::bigint AS locks,
         current_setting('max_connections')::bigint AS connections,
         current_setting('max_prepared_transactions')::bigint AS prepared
)
SELECT (SELECT sum(n)::bigint FROM drops), s.locks * (s.connections + s.prepared), s.locks, s.connections, s.prepared
  FROM settings s
