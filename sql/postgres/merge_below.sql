-- The tables $1 with all partitions below them: what their rows, triggers and keys may lie in. Row: oid
WITH RECURSIVE below(id) AS (
     SELECT unnest($1::oid[])
      UNION
     SELECT i.inhrelid FROM below b
       JOIN pg_catalog.pg_inherits i ON i.inhparent = b.id
       JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)
SELECT id FROM below ORDER BY id
