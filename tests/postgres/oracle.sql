-- What is in a database, as lines that can be compared (oracle.bash, pg_data). Only reads; settings that shape text are
-- set here, so that those of the databases do not matter.
SET client_min_messages = warning;
SET search_path = pg_catalog;
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET xmloption = 'content';
SET lc_monetary = 'C';
SET row_security = off;
SET quote_all_identifiers = off;
SET max_parallel_workers_per_gather = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

SELECT 'database', 'ready';  -- never nothing: two databases that could not be read are not equal

-- Tables: name, rows, two sums of hashes.
WITH tables AS (
  SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_partitioned_table AS root ON root.partrelid = pg_partition_root(c.oid)
  WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND CASE WHEN root.partstrat = 'h' AND NOT EXISTS (SELECT FROM pg_partition_tree(root.partrelid) AS t
                                                       JOIN pg_class AS f ON f.oid = t.relid WHERE f.relkind = 'f')
             THEN c.oid = root.partrelid
             ELSE c.relkind = 'r' OR (c.relkind = 'm' AND c.relispopulated) END)
SELECT format('SELECT ''table'', %L, count(*), sum(hashtextextended(t, 0)::numeric), '
              'sum(hashtextextended(t, 42)::numeric) FROM (SELECT (lb_row.*)::text AS t FROM %s %s AS lb_row OFFSET 0) AS x',
              name, CASE relkind WHEN 'p' THEN '' ELSE 'ONLY' END, name)
FROM tables
ORDER BY name COLLATE "C" \gexec

SELECT 'materialized view', format('%I.%I', n.nspname, c.relname), c.relispopulated
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'm'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C";

SELECT format('SELECT ''sequence'', %L, last_value, is_called FROM %I.%I', format('%I.%I', n.nspname, c.relname),
              n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" \gexec

SELECT 'large object', m.oid, pg_get_userbyid(m.lomowner), length(content), md5(content),
  obj_description(m.oid, 'pg_largeobject'),
  (SELECT string_agg(line, ', ' ORDER BY line COLLATE "C")
   FROM aclexplode(coalesce(m.lomacl, acldefault('L', m.lomowner))) AS a,
     concat_ws(' ', pg_get_userbyid(a.grantor), CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
               a.privilege_type, a.is_grantable) AS line)
FROM pg_largeobject_metadata AS m, LATERAL lo_get(m.oid) AS content
ORDER BY m.oid;
COMMIT;
