-- The privileges on the current database, grant by grant, in the order of its ACL; no rows where it has none of its own.
-- Row: grantor (NULL: the owner), grantee (NULL: PUBLIC), privileges, with grant option
SELECT CASE WHEN x.grantor <> d.datdba THEN g.rolname END, r.rolname,
       string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type), CASE WHEN x.is_grantable THEN 1 ELSE 0 END
  FROM pg_catalog.pg_database d
 CROSS JOIN LATERAL unnest(d.datacl) WITH ORDINALITY AS a(item, place)
 CROSS JOIN LATERAL pg_catalog.aclexplode(ARRAY[a.item]) AS x
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantor
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
 WHERE d.datname = current_database()
 GROUP BY a.place, d.datdba, x.grantor, g.rolname, r.rolname, x.is_grantable
 ORDER BY a.place, x.is_grantable
