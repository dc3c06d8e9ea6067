-- Foreign keys between tables among $1: the referring table, the one referred to.
SELECT conrelid, confrelid
  FROM pg_catalog.pg_constraint
 WHERE contype = 'f' AND conrelid = ANY ($1::oid[]) AND confrelid = ANY ($1::oid[])
