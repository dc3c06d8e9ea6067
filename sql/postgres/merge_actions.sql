-- Foreign keys that would do something to other rows when rows of the table $1 go, or change what is referred to; also
-- those that lead to one of its partitions, whose columns have other numbers.
-- Row: the referring table as SQL wants it, its name, CASCADE and the like on DELETE, on UPDATE, the condition by which
-- a row r of it refers to a row t, the numbers of the columns of t that are referred to, the referring table's oid
WITH RECURSIVE below(id) AS (
     SELECT $1::oid
      UNION
     SELECT i.inhrelid FROM below b
       JOIN pg_catalog.pg_inherits i ON i.inhparent = b.id
       JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)
SELECT CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END || format('%I.%I', n.nspname, c.relname), c.relname,
       CASE WHEN k.confdeltype IN ('c', 'n', 'd') THEN 1 ELSE 0 END,
       CASE WHEN k.confupdtype IN ('c', 'n', 'd') THEN 1 ELSE 0 END,
       (SELECT string_agg(format('t.%I OPERATOR(%I.%s) r.%I', p.attname, opn.nspname, o.oprname, f.attname), ' AND ')
          FROM unnest(k.confkey, k.conkey, k.conpfeqop) AS u(pk, fk, op)
          JOIN pg_catalog.pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = u.pk
          JOIN pg_catalog.pg_attribute f ON f.attrelid = k.conrelid AND f.attnum = u.fk
          JOIN pg_catalog.pg_operator o ON o.oid = u.op
          JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace),
       (SELECT string_agg(own.attnum::text, ' ')
          FROM pg_catalog.pg_attribute p
          JOIN pg_catalog.pg_attribute own ON own.attrelid = $1::oid AND own.attname = p.attname
         WHERE p.attrelid = k.confrelid AND p.attnum = ANY (k.confkey)),
       k.conrelid
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND (k.confrelid = $1::oid OR (k.confrelid IN (SELECT id FROM below) AND k.conparentid = 0))
   AND NOT (c.relispartition AND k.conparentid <> 0)
   AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
 ORDER BY 1
