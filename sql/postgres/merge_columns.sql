-- The columns of the table $1. Row: name, is generated, is NOT NULL without anything that would fill it, place in the
-- primary key (NULL: none), the operator by which the key tells equal values, number, is an identity that takes no
-- values in an UPDATE. A key that is no b-tree is none here.
SELECT a.attname,
       CASE WHEN coalesce(to_jsonb(a) ->> 'attgenerated', '') <> '' THEN 1 ELSE 0 END,
       CASE WHEN a.attnotnull AND NOT a.atthasdef AND coalesce(to_jsonb(a) ->> 'attidentity', '') = '' THEN 1 ELSE 0 END,
       k.place, k.operator, a.attnum, CASE WHEN to_jsonb(a) ->> 'attidentity' = 'a' THEN 1 ELSE 0 END
  FROM pg_catalog.pg_attribute a
  LEFT JOIN LATERAL (
       SELECT u.place, format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS operator
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
         JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree'
        CROSS JOIN unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS u(attnum, class, place)
         JOIN pg_catalog.pg_opclass c ON c.oid = u.class
         JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3
              AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
         JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
         JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
        WHERE i.indrelid = a.attrelid AND i.indisprimary AND u.attnum = a.attnum) AS k ON true
 WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
