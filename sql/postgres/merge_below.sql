-- The table $1 with all partitions below it: what its rows, triggers and keys may lie in. Row: oid, kind, schema, name
WITH RECURSIVE below(id) AS (
     SELECT $1::oid
      UNION
     SELECT i.inhrelid FROM below b
       JOIN pg_catalog.pg_inherits i ON i.inhparent = b.id
       JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)
SELECT c.oid, c.relkind, n.nspname, c.relname
  FROM below b
  JOIN pg_catalog.pg_class c ON c.oid = b.id
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY c.oid
