-- Patterns that choose nothing: of tables or of schemas, which one from 1, whether only the exclusions leave nothing.
-- $1 to $5: as in tables.sql. Tables are what pg_dump's -t takes for one, of an extension its configuration.
WITH fit AS (
     SELECT n.nspname, c.relname,
            EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS p(s, t)
                     WHERE n.nspname ~ p.s AND c.relname ~ p.t) AS excluded
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
             AND d.objsubid = 0 AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
       LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND CASE WHEN x.oid IS NOT NULL THEN c.oid = ANY (x.extconfig)
                 ELSE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' END)
SELECT false AS of_tables, p.o, false AS excluded
  FROM unnest($1::text[]) WITH ORDINALITY AS p(s, o)
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n
                    WHERE n.nspname ~ p.s AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_')
 UNION ALL
SELECT true, p.o, EXISTS (SELECT FROM fit WHERE fit.nspname ~ p.s AND fit.relname ~ p.t)
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS p(s, t, o)
 WHERE NOT EXISTS (SELECT FROM fit WHERE fit.nspname ~ p.s AND fit.relname ~ p.t AND NOT fit.excluded)
