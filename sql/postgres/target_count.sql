-- How many objects of users a database has: 0 for a new one, also with public's privileges changed. Parts of an object
-- (a table's indexes and row type, an extension's members) count as it. Extensions that the user may not drop stay
-- whatever happens, and so do their schemas, $1: neither count, but for what users have put into these. Row: objects
-- What belongs to another object is looked for in pg_depend each time, by its index: a list of all of them, in WITH, was
-- gone through for every object where the catalogue's statistics were of before the objects were made.
WITH schemas AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
   WHERE (n.oid >= 16384 OR n.nspname = 'public') AND n.nspname !~ '^pg_(toast|temp)'
     AND (n.nspname = ANY ($1::text[])
          OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend b
                          WHERE b.classid = 'pg_catalog.pg_namespace'::regclass AND b.objid = n.oid
                            AND b.deptype IN ('e', 'i')))
), counts(n) AS (
  SELECT count(*) FROM schemas WHERE nspname <> 'public' AND nspname <> ALL ($1::text[])
  UNION ALL
  SELECT count(DISTINCT (d.classid, d.objid))
    FROM pg_catalog.pg_depend d
    JOIN schemas s ON s.oid = d.refobjid
   WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.deptype = 'n'
     AND d.classid <> 'pg_catalog.pg_extension'::regclass
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend b
                      WHERE b.classid = d.classid AND b.objid = d.objid AND b.deptype IN ('e', 'i')
                        AND (b.classid, b.objid) <> (b.refclassid, b.refobjid))
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'
     AND pg_catalog.pg_has_role(extowner, 'USAGE')
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
   WHERE o.objid >= 16384
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend b
                      WHERE b.classid = o.classid AND b.objid = o.objid AND b.deptype IN ('e', 'i')
                        AND (b.classid, b.objid) <> (b.refclassid, b.refobjid))
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_default_acl
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_largeobject_metadata
  UNION ALL
  SELECT count(*) FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
)
SELECT sum(n)::bigint FROM counts
