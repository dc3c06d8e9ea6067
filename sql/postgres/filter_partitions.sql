-- Partitions at every level of the partitioned tables that fit a pattern, and fit none themselves.
-- $1 and $2: patterns of tables, regular expressions, schema and name in pairs.
WITH RECURSIVE below(id) AS (
     SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'p'
        AND EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS p(s, t) WHERE n.nspname ~ p.s AND c.relname ~ p.t)
      UNION
     SELECT i.inhrelid FROM below JOIN pg_catalog.pg_inherits i ON i.inhparent = below.id)
SELECT n.nspname, c.relname
  FROM below JOIN pg_catalog.pg_class c ON c.oid = below.id
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relispartition
   AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS p(s, t) WHERE n.nspname ~ p.s AND c.relname ~ p.t)
 ORDER BY 1, 2
