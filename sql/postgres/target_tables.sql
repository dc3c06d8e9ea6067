-- The tables of users that somebody could write to, as one LOCK wants them; NULL where there are none. Those of extensions
-- that stay, since the user may not drop them, are not his to lock.
SELECT string_agg(format('ONLY %I.%I', n.nspname, c.relname), ', ')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::regclass
          AND NOT pg_catalog.pg_has_role(x.extowner, 'USAGE'))
