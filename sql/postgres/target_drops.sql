-- What empties a database: the statements of phase $1 (1 to 9), in their order. A phase is asked for when those before
-- it have been executed, since a CASCADE takes along what a later one would have named.
-- Objects of users have oids from 16384 (FirstNormalObjectId); members of extensions go with their extension. Those
-- extensions stay that the user may not drop; their schemas, $2, are emptied of everything else, as public is.
WITH member AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
), emptied AS (
  SELECT n.oid FROM pg_catalog.pg_namespace n
   WHERE n.nspname = 'public' OR (n.oid >= 16384 AND n.nspname = ANY ($2::text[]))
), held AS (
  -- Without parts of another object (a multirange, an identity column's sequence), which only go with it. A partitioned
  -- table has its own key's columns for parts.
  SELECT DISTINCT d.classid, d.objid
    FROM pg_catalog.pg_depend d
    JOIN emptied e ON e.oid = d.refobjid
   WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.deptype = 'n'
     AND d.classid <> 'pg_catalog.pg_extension'::regclass
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend b
                      WHERE b.classid = d.classid AND b.objid = d.objid AND b.deptype IN ('e', 'i')
                        AND (b.classid, b.objid) <> (b.refclassid, b.refobjid))
), content AS (
  SELECT h.objid, i.identity,
         CASE WHEN i.type IN ('function', 'procedure', 'aggregate')
                THEN CASE WHEN current_setting('server_version_num')::int >= 110000 THEN 'routine' ELSE i.type END
              WHEN i.type = 'statistics object' THEN 'statistics'
              WHEN i.type = 'composite type' THEN 'type'
              ELSE i.type END AS kind
    FROM held h, pg_catalog.pg_identify_object(h.classid, h.objid, 0) i
   WHERE $1::int = 5
), default_acl AS (
  SELECT d.oid, r.rolname, n.nspname, d.defaclacl,
         CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                              WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS kind
    FROM pg_catalog.pg_default_acl d
    JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
), standard AS (
  -- Who owns public in a new database, and what everybody may do there.
  SELECT r.oid, r.rolname, CASE WHEN v.num >= 150000 THEN '{USAGE}' ELSE '{CREATE,USAGE}' END::text[] AS all_may
    FROM (SELECT current_setting('server_version_num')::int) AS v(num)
    JOIN pg_catalog.pg_roles r ON CASE WHEN v.num >= 150000 THEN r.rolname = 'pg_database_owner' ELSE r.oid = 10 END
), public AS (
  SELECT n.oid, n.nspowner, n.nspacl, s.oid AS owner, s.rolname, array_to_string(s.all_may, ', ') AS all_may,
         ARRAY(SELECT format('%s %s %s %s', x.grantor, x.grantee, x.privilege_type, x.is_grantable)
                 FROM pg_catalog.aclexplode(n.nspacl) x
                ORDER BY x.grantee, x.privilege_type)
         <> ARRAY(SELECT format('%s %s %s f', s.oid, e.grantee, e.privilege)
                    FROM (SELECT 0, m.p FROM unnest(s.all_may) AS m(p)
                          UNION ALL VALUES (s.oid, 'CREATE'), (s.oid, 'USAGE')) AS e(grantee, privilege)
                   ORDER BY e.grantee, e.privilege) AS changed
    FROM pg_catalog.pg_namespace n, standard s
   -- That of a server which began before 15 belongs to its superuser, also after pg_upgrade: it stays as it is.
   WHERE n.nspname = 'public' AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
)
SELECT statement FROM (
  -- First, because they might fire on what follows.
  SELECT 1, 1, e.oid, format('DROP EVENT TRIGGER IF EXISTS %I CASCADE', e.evtname)
    FROM pg_catalog.pg_event_trigger e
   WHERE ('pg_catalog.pg_event_trigger'::regclass, e.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  SELECT 1, 2, p.oid, format('DROP PUBLICATION IF EXISTS %I CASCADE', p.pubname)
    FROM pg_catalog.pg_publication p
   WHERE ('pg_catalog.pg_publication'::regclass, p.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  SELECT 1, 3, 0, format('DROP SUBSCRIPTION IF EXISTS %I CASCADE', s.subname)
    FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
  UNION ALL
  SELECT 2, 1, x.oid, format('DROP EXTENSION IF EXISTS %I CASCADE', x.extname)
    FROM pg_catalog.pg_extension x
   WHERE x.extname <> 'plpgsql' AND pg_catalog.pg_has_role(x.extowner, 'USAGE')
  UNION ALL
  SELECT 3, 1, c.oid, format('DROP CAST IF EXISTS %s CASCADE', i.identity)
    FROM pg_catalog.pg_cast c, pg_catalog.pg_identify_object('pg_catalog.pg_cast'::regclass, c.oid, 0) i
   WHERE c.oid >= 16384
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend b
                      WHERE b.classid = 'pg_catalog.pg_cast'::regclass AND b.objid = c.oid
                        AND b.deptype IN ('e', 'i'))
  UNION ALL
  SELECT 3, 2, t.oid, format('DROP TRANSFORM IF EXISTS FOR %s LANGUAGE %I CASCADE', i.identity, l.lanname)
    FROM pg_catalog.pg_transform t
    JOIN pg_catalog.pg_language l ON l.oid = t.trflang,
         pg_catalog.pg_identify_object('pg_catalog.pg_type'::regclass, t.trftype, 0) i
   WHERE ('pg_catalog.pg_transform'::regclass, t.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  SELECT 3, 3, w.oid, format('DROP FOREIGN DATA WRAPPER IF EXISTS %I CASCADE', w.fdwname)
    FROM pg_catalog.pg_foreign_data_wrapper w
   WHERE ('pg_catalog.pg_foreign_data_wrapper'::regclass, w.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  -- Of a wrapper that stays.
  SELECT 3, 4, s.oid, format('DROP SERVER IF EXISTS %I CASCADE', s.srvname)
    FROM pg_catalog.pg_foreign_server s
   WHERE ('pg_catalog.pg_foreign_server'::regclass, s.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  SELECT 4, 1, n.oid, format('DROP SCHEMA IF EXISTS %I CASCADE', n.nspname)
    FROM pg_catalog.pg_namespace n
   WHERE n.oid >= 16384 AND n.nspname !~ '^pg_(toast|temp)' AND n.oid NOT IN (SELECT oid FROM emptied)
     AND ('pg_catalog.pg_namespace'::regclass, n.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  SELECT 5, 1, c.objid,
         format('DROP %s IF EXISTS %s CASCADE', upper(c.kind),
                CASE c.kind WHEN 'aggregate' THEN replace(c.identity, '()', '(*)') ELSE c.identity END)
    FROM content c
  UNION ALL
  SELECT 6, 1, l.oid, format('DROP LANGUAGE IF EXISTS %I CASCADE', l.lanname)
    FROM pg_catalog.pg_language l
   WHERE l.oid >= 16384 AND ('pg_catalog.pg_language'::regclass, l.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  SELECT 6, 2, a.oid, format('DROP ACCESS METHOD IF EXISTS %I CASCADE', a.amname)
    FROM pg_catalog.pg_am a
   WHERE a.oid >= 16384 AND ('pg_catalog.pg_am'::regclass, a.oid) NOT IN (SELECT classid, objid FROM member)
  UNION ALL
  -- An entry of a schema goes away when it is empty, a global one when it equals what the server has built in.
  SELECT 7, 1, a.oid, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %s', a.rolname,
                             coalesce(' IN SCHEMA ' || quote_ident(a.nspname), ''), a.kind,
                             coalesce(quote_ident(r.rolname), 'PUBLIC'))
    FROM default_acl a
   CROSS JOIN LATERAL (SELECT DISTINCT x.grantee FROM pg_catalog.aclexplode(a.defaclacl) x) g
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
  UNION ALL
  SELECT 7, 2, a.oid, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT ALL ON %s TO %I', a.rolname, a.kind, a.rolname)
    FROM default_acl a
   WHERE a.nspname IS NULL
  UNION ALL
  SELECT 7, 3, a.oid, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT ALL ON %s TO PUBLIC', a.rolname, a.kind)
    FROM default_acl a
   WHERE a.nspname IS NULL AND a.kind IN ('FUNCTIONS', 'TYPES')
  UNION ALL
  SELECT 8, 1, 0, 'CREATE SCHEMA public'
   WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public')
  UNION ALL
  SELECT 8, 2, 0, 'CREATE EXTENSION plpgsql'
   WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension x WHERE x.extname = 'plpgsql')
     AND EXISTS (SELECT FROM pg_catalog.pg_available_extensions x WHERE x.name = 'plpgsql')
  UNION ALL
  SELECT 9, 1, 0, format('ALTER SCHEMA public OWNER TO %I', p.rolname) FROM public p WHERE p.nspowner <> p.owner
  UNION ALL
  SELECT 9, 2, 0, format('REVOKE ALL ON SCHEMA public FROM %s CASCADE', g.name)
    FROM public p
   CROSS JOIN LATERAL (
           SELECT coalesce(quote_ident(r.rolname), 'PUBLIC')
             FROM pg_catalog.aclexplode(p.nspacl) x
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
           UNION
           SELECT quote_ident(p.rolname)) AS g(name)
   WHERE p.changed
  UNION ALL
  SELECT 9, 3, 0, format('GRANT ALL ON SCHEMA public TO %I', p.rolname) FROM public p WHERE p.changed
  UNION ALL
  SELECT 9, 4, 0, format('GRANT %s ON SCHEMA public TO PUBLIC', p.all_may) FROM public p WHERE p.changed
  UNION ALL
  SELECT 9, 5, 0, 'COMMENT ON SCHEMA public IS ''standard public schema'''
    FROM public p
   WHERE pg_catalog.obj_description(p.oid, 'pg_namespace') IS DISTINCT FROM 'standard public schema'
  UNION ALL
  SELECT 9, 6, 0, format('SECURITY LABEL FOR %I ON SCHEMA public IS NULL', l.provider)
    FROM public p
    JOIN pg_catalog.pg_seclabel l ON l.objoid = p.oid AND l.classoid = 'pg_catalog.pg_namespace'::regclass
) AS d(phase, part, id, statement)
 WHERE phase = $1::int
 ORDER BY part, id DESC
