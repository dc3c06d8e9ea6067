-- A table of a restore of some tables. $1: schema, $2: name.
-- Row: oid, kind, rules that would take writes elsewhere (NULL: none), the extension that it belongs to (NULL: none)
SELECT c.oid, c.relkind,
       (SELECT string_agg(w.rulename, ', ' ORDER BY w.rulename) FROM pg_catalog.pg_rewrite w
         WHERE w.ev_class = c.oid AND w.ev_type IN ('2', '3', '4') AND w.ev_enabled IN ('O', 'A')),
       (SELECT x.extname FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
           AND d.refclassid = 'pg_catalog.pg_extension'::regclass LIMIT 1)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c')
