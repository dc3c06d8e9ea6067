-- User mappings whose options pg_user_mappings keeps from the user, by the view's own conditions; whether one has any is
-- not to be seen either. Those of an extension's servers are in no dump. Row: role and server of the first five
SELECT string_agg(CASE place WHEN 6 THEN 'others' ELSE format('%s on server %s', usename, srvname) END, ', ' ORDER BY place)
  FROM (SELECT m.usename, m.srvname, row_number() OVER (ORDER BY m.srvname, m.usename) AS place
          FROM pg_catalog.pg_user_mappings m
          JOIN pg_catalog.pg_foreign_server s ON s.oid = m.srvid
         WHERE m.umoptions IS NULL AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
           AND NOT CASE WHEN m.umuser = 0 THEN pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                        ELSE m.usename = current_user AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                             OR pg_catalog.has_server_privilege(s.oid, 'USAGE')) END
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                            WHERE d.classid = 'pg_catalog.pg_foreign_server'::regclass AND d.objid = s.oid
                              AND d.deptype = 'e')) AS hidden
 WHERE place <= 6
