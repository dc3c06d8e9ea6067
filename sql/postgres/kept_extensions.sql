-- Extensions that the user may not drop. Rows: name, owner.
SELECT x.extname, pg_catalog.pg_get_userbyid(x.extowner)
  FROM pg_catalog.pg_extension x
 WHERE NOT pg_catalog.pg_has_role(x.extowner, 'USAGE')
 ORDER BY x.extname
