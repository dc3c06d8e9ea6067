-- Whether column $2 of the table $1 is NOT NULL, and what that constraint is called where it has a name (from 18 on).
SELECT CASE WHEN a.attnotnull THEN 1 ELSE 0 END,
       (SELECT quote_ident(k.conname) FROM pg_catalog.pg_constraint k
         WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum])
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = $1::oid AND a.attnum = $2::int2
