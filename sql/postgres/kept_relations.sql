-- Tables and sequences of extensions that the user may not drop. Rows: schema, name, extension.
SELECT n.nspname, c.relname, x.extname
  FROM pg_catalog.pg_extension x
  JOIN pg_catalog.pg_depend d ON d.refobjid = x.oid AND d.refclassid = 'pg_catalog.pg_extension'::regclass
   AND d.deptype = 'e' AND d.classid = 'pg_catalog.pg_class'::regclass
  JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'S')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT pg_catalog.pg_has_role(x.extowner, 'USAGE')
