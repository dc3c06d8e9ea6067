-- Sequences whose state belongs to a backup: those of identity columns too, of an extension only its configuration ones.
-- $1 to $5: as in tables.sql. $6: the tables that are carried, whose own sequences go with them.
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
        AND d.objsubid = 0 AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
  LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
 WHERE c.relkind = 'S' AND c.relpersistence <> 't'
   AND CASE WHEN x.oid IS NOT NULL THEN c.oid = ANY (x.extconfig) AND $1::text[] IS NULL AND $2::text[] IS NULL
            ELSE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' END
   AND ($2::text[] IS NOT NULL OR $1::text[] IS NULL
        OR EXISTS (SELECT FROM unnest($1::text[]) AS p(s) WHERE n.nspname ~ p.s))
   AND ($2::text[] IS NULL
        OR EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS p(s, t) WHERE n.nspname ~ p.s AND c.relname ~ p.t)
        OR EXISTS (SELECT FROM pg_catalog.pg_depend o
                    WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = c.oid AND o.deptype IN ('a', 'i')
                      AND o.refclassid = 'pg_catalog.pg_class'::regclass AND o.refobjid = ANY ($6::oid[])))
   AND NOT EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS p(s, t) WHERE n.nspname ~ p.s AND c.relname ~ p.t)
 ORDER BY n.nspname, c.relname
