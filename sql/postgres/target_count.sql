-- How many objects of users a database has: 0 for a new one, also with public's privileges changed. Parts of an object
-- (a table's indexes and row type, an extension's members) count as it. Extensions that the user may not drop stay
-- whatever happens, and so do their schemas: neither count, but for what users have put into these. Row: objects
WITH bound AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
   WHERE d.deptype IN ('e', 'i') AND (d.classid, d.objid) <> (d.refclassid, d.refobjid)
), kept AS (
  SELECT x.oid, x.extnamespace FROM pg_catalog.pg_extension x
   WHERE NOT pg_catalog.pg_has_role(x.extowner, 'USAGE')
), kept_member AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    JOIN kept k ON k.oid = d.refobjid
   WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
), staying AS (
  -- As in kept_schemas.sql.
  SELECT k.extnamespace AS oid FROM kept k
  UNION
  SELECT m.objid FROM kept_member m WHERE m.classid = 'pg_catalog.pg_namespace'::regclass
  UNION
  SELECT d.refobjid FROM pg_catalog.pg_depend d
    JOIN kept_member m ON m.classid = d.classid AND m.objid = d.objid
   WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass
), schemas AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
   WHERE (n.oid >= 16384 OR n.nspname = 'public') AND n.nspname !~ '^pg_(toast|temp)'
     AND (n.oid IN (SELECT oid FROM staying)
          OR NOT EXISTS (SELECT FROM bound b WHERE b.classid = 'pg_catalog.pg_namespace'::regclass AND b.objid = n.oid))
), counts(n) AS (
  SELECT count(*) FROM schemas WHERE nspname <> 'public' AND oid NOT IN (SELECT oid FROM staying)
  UNION ALL
  SELECT count(DISTINCT (d.classid, d.objid))
    FROM pg_catalog.pg_depend d
    JOIN schemas s ON s.oid = d.refobjid
   WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.deptype = 'n'
     AND d.classid <> 'pg_catalog.pg_extension'::regclass
     AND NOT EXISTS (SELECT FROM bound b WHERE b.classid = d.classid AND b.objid = d.objid)
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' AND oid NOT IN (SELECT oid FROM kept)
  UNION ALL
  SELECT count(*)
    FROM (SELECT 'pg_catalog.pg_event_trigger'::regclass, oid FROM pg_catalog.pg_event_trigger
          UNION ALL SELECT 'pg_catalog.pg_publication'::regclass, oid FROM pg_catalog.pg_publication
          UNION ALL SELECT 'pg_catalog.pg_cast'::regclass, oid FROM pg_catalog.pg_cast
          UNION ALL SELECT 'pg_catalog.pg_transform'::regclass, oid FROM pg_catalog.pg_transform
          UNION ALL SELECT 'pg_catalog.pg_language'::regclass, oid FROM pg_catalog.pg_language
          UNION ALL SELECT 'pg_catalog.pg_am'::regclass, oid FROM pg_catalog.pg_am
          UNION ALL SELECT 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid FROM pg_catalog.pg_foreign_data_wrapper
          UNION ALL SELECT 'pg_catalog.pg_foreign_server'::regclass, oid FROM pg_catalog.pg_foreign_server)
         AS o(classid, objid)
   WHERE o.objid >= 16384 AND NOT EXISTS (SELECT FROM bound b WHERE b.classid = o.classid AND b.objid = o.objid)
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_default_acl
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_largeobject_metadata
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
)
SELECT sum(n)::bigint FROM counts
