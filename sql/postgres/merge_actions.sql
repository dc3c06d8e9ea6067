-- Foreign keys that would do something to other rows when rows of the table $1 go, or change what is referred to; also
-- those that lead to one of its partitions, which are among $2.
-- Row: the referring table as SQL wants it, its name, CASCADE and the like on DELETE, on UPDATE, the condition by which
-- a row r of it refers to a row t, the numbers of the columns of t that are referred to
SELECT CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END || format('%I.%I', n.nspname, c.relname), c.relname,
       CASE WHEN k.confdeltype IN ('c', 'n', 'd') THEN 1 ELSE 0 END,
       CASE WHEN k.confupdtype IN ('c', 'n', 'd') THEN 1 ELSE 0 END,
       (SELECT string_agg(format('t.%I OPERATOR(%I.%s) r.%I', p.attname, opn.nspname, o.oprname, f.attname), ' AND ')
          FROM unnest(k.confkey, k.conkey, k.conpfeqop) AS u(pk, fk, op)
          JOIN pg_catalog.pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = u.pk
          JOIN pg_catalog.pg_attribute f ON f.attrelid = k.conrelid AND f.attnum = u.fk
          JOIN pg_catalog.pg_operator o ON o.oid = u.op
          JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace),
       pg_catalog.array_to_string(k.confkey, ' ')
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND (k.confrelid = $1::oid OR (k.confrelid = ANY ($2::oid[]) AND k.conparentid = 0))
   AND NOT (c.relispartition AND k.conparentid <> 0)
   AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
 ORDER BY 1
