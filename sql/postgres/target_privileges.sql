-- What gives the server's own objects (functions, tables, types, languages and schemas that initdb made; not public) the
-- privileges of a new database again, where somebody changed them. Only of owners whose rights the user has. Columns are
-- left alone, and so is information_schema: what it had is recorded nowhere (initdb makes it behind pg_init_privs), and
-- pg_dump writes none of its privileges.
WITH object AS (
  SELECT 'FUNCTION' AS kind, 'pg_catalog.pg_proc'::regclass AS classid, p.oid, p.proowner AS owner, p.proacl AS acl,
         pg_catalog.acldefault('f', p.proowner) AS standard
    FROM pg_catalog.pg_proc p
  UNION ALL
  SELECT 'TABLE', 'pg_catalog.pg_class'::regclass, c.oid, c.relowner, c.relacl, pg_catalog.acldefault('r', c.relowner)
    FROM pg_catalog.pg_class c
   WHERE c.relkind IN ('r', 'v')
  UNION ALL
  SELECT 'TYPE', 'pg_catalog.pg_type'::regclass, t.oid, t.typowner, t.typacl, pg_catalog.acldefault('T', t.typowner)
    FROM pg_catalog.pg_type t
  UNION ALL
  SELECT 'LANGUAGE', 'pg_catalog.pg_language'::regclass, l.oid, l.lanowner, l.lanacl,
         pg_catalog.acldefault('l', l.lanowner)
    FROM pg_catalog.pg_language l
  UNION ALL
  SELECT 'SCHEMA', 'pg_catalog.pg_namespace'::regclass, n.oid, n.nspowner, n.nspacl,
         pg_catalog.acldefault('n', n.nspowner)
    FROM pg_catalog.pg_namespace n
   WHERE n.nspname <> 'public'
), changed AS (
  SELECT o.kind, s.identity, coalesce(o.acl, o.standard) AS acl, coalesce(p.initprivs, o.standard) AS wanted
    FROM object o
    LEFT JOIN pg_catalog.pg_init_privs p ON p.classoid = o.classid AND p.objoid = o.oid AND p.objsubid = 0
   CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.oid, 0) AS s
   WHERE o.oid < 16384 AND o.acl IS DISTINCT FROM p.initprivs AND pg_catalog.pg_has_role(o.owner, 'USAGE')
     AND coalesce(o.acl, o.standard)::text <> coalesce(p.initprivs, o.standard)::text
     AND coalesce(s.schema, s.identity) <> 'information_schema'
)
SELECT statement FROM (
  SELECT DISTINCT 1, format('REVOKE ALL ON %s %s FROM %s CASCADE', c.kind, c.identity,
                            coalesce(quote_ident(r.rolname), 'PUBLIC'))
    FROM changed c
   CROSS JOIN LATERAL pg_catalog.aclexplode(c.acl) x
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
  UNION ALL
  SELECT 2, format('GRANT %s ON %s %s TO %s%s', x.privilege_type, c.kind, c.identity,
                   coalesce(quote_ident(r.rolname), 'PUBLIC'),
                   CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM changed c
   CROSS JOIN LATERAL pg_catalog.aclexplode(c.wanted) x
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
) AS s(part, statement)
 ORDER BY part
