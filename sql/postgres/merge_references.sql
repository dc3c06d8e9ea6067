-- Foreign keys between the tables $1 (partitions included), each where it was declared: what has to wait until all
-- rows are there. Row: table and constraint as SQL wants them, is deferrable, the constraint with its schema, oids of
-- the referring table and of the one referred to
WITH RECURSIVE up(id, parent) AS (
     SELECT k.oid, k.conparentid FROM pg_catalog.pg_constraint k
      WHERE k.contype = 'f' AND k.conrelid = ANY ($1::oid[]) AND k.confrelid = ANY ($1::oid[])
        AND coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
      UNION
     SELECT p.oid, p.conparentid FROM up JOIN pg_catalog.pg_constraint p ON p.oid = up.parent)
SELECT format('%I.%I', n.nspname, c.relname), quote_ident(k.conname),
       CASE WHEN k.condeferrable THEN 1 ELSE 0 END,
       format('%I.%I', kn.nspname, k.conname), k.conrelid, k.confrelid
  FROM up
  JOIN pg_catalog.pg_constraint k ON k.oid = up.id
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_namespace kn ON kn.oid = k.connamespace
 WHERE up.parent = 0
 ORDER BY 1, 2
