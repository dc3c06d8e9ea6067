-- The schemas that stay with extensions that the user may not drop: which they or their members lie in, or have made.
-- Row: schema
WITH kept AS (
  SELECT x.oid, x.extnamespace FROM pg_catalog.pg_extension x
   WHERE NOT pg_catalog.pg_has_role(x.extowner, 'USAGE')
), member AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    JOIN kept k ON k.oid = d.refobjid
   WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
), staying AS (
  SELECT k.extnamespace AS oid FROM kept k
  UNION
  SELECT m.objid FROM member m WHERE m.classid = 'pg_catalog.pg_namespace'::regclass
  UNION
  SELECT d.refobjid FROM pg_catalog.pg_depend d
    JOIN member m ON m.classid = d.classid AND m.objid = d.objid
   WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass
)
SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid IN (SELECT oid FROM staying)
