-- Sequences whose state belongs to a backup: those of identity columns too, of an extension only its configuration ones.
-- $1 to $5: as in tables.sql. As in pg_dump, the sequence of an identity column goes with its table, one that a table
-- owns with its table or for itself, any other for itself. Row: schema, name, whether the user may read it
SELECT n.nspname, c.relname, pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
        AND d.objsubid = 0 AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
  LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
  LEFT JOIN pg_catalog.pg_depend o ON o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = c.oid
        AND o.objsubid = 0 AND o.deptype IN ('a', 'i') AND o.refclassid = 'pg_catalog.pg_class'::regclass
  LEFT JOIN pg_catalog.pg_class t ON t.oid = o.refobjid
  LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't'
   AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
   AND CASE WHEN x.oid IS NOT NULL THEN c.oid = ANY (x.extconfig)
            ELSE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' END
   AND EXISTS (
       SELECT FROM (VALUES (n.nspname, c.relname, o.deptype IS DISTINCT FROM 'i'),
                           (tn.nspname, t.relname, t.oid IS NOT NULL)) AS r(s, t, counts)
        WHERE r.counts
          AND CASE WHEN $2::text[] IS NOT NULL
                   THEN EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS p(s, t) WHERE r.s ~ p.s AND r.t ~ p.t)
                   ELSE $1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS p(s) WHERE r.s ~ p.s) END
          AND NOT EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS p(s, t) WHERE r.s ~ p.s AND r.t ~ p.t))
 ORDER BY n.nspname, c.relname
