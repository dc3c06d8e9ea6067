-- Extensions that the user may not drop. Rows: name, owner, the schema they lie in.
SELECT x.extname, pg_catalog.pg_get_userbyid(x.extowner), n.nspname
  FROM pg_catalog.pg_extension x
  JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
 WHERE NOT pg_catalog.pg_has_role(x.extowner, 'USAGE')
 ORDER BY x.extname
