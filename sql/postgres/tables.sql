-- Tables that hold rows of their own and belong to a backup: ordinary tables and leaf partitions, unlogged ones too; of
-- an extension only its configuration tables, with their condition.
-- $1: schemas, regular expressions, or NULL for all. $2 and $3: wanted tables, schema and name in pairs, or NULL; they
-- make $1 count for nothing, as in pg_dump. $4 and $5: tables left out.
SELECT c.oid, n.nspname, c.relname,
       coalesce((SELECT string_agg('"' || replace(a.attname, '"', '""') || '"', ', ' ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                        -- attgenerated is new in 12; asked for by name it would be an error before
                    AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''), '') AS columns,
       CASE WHEN x.oid IS NOT NULL
            THEN nullif(x.extcondition[array_position(x.extconfig, c.oid)], '') END AS condition,
       c.relam IN (0, 2) AS heap, root.nspname, root.relname, key.attname, key.field, key.typname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
        AND d.objsubid = 0 AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
  LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
  LEFT JOIN LATERAL (
       -- The hash of an enum's value changes when it is restored: rows below a table that is parted by it are loaded
       -- through the uppermost one, which finds their places anew. So does pg_dump.
       WITH RECURSIVE up(id, height) AS (
            SELECT i.inhparent, 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition
             UNION ALL
            SELECT i.inhparent, up.height + 1
              FROM up JOIN pg_catalog.pg_class p ON p.oid = up.id AND p.relispartition
              JOIN pg_catalog.pg_inherits i ON i.inhrelid = p.oid)
       SELECT rn.nspname, r.relname
         FROM up JOIN pg_catalog.pg_class r ON r.oid = up.id
         JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
        WHERE EXISTS (SELECT FROM up AS u JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = u.id
                       WHERE (SELECT o.oid FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
                               WHERE o.opcname = 'enum_ops' AND a.amname = 'hash'
                                 AND o.opcnamespace = 'pg_catalog'::regnamespace) = ANY (t.partclass))
        ORDER BY up.height DESC LIMIT 1) AS root ON c.relispartition
  LEFT JOIN LATERAL (
       -- The first column of the primary key, if it is of a type of the system: which of the columns above it is.
       SELECT a.attname, t.typname,
              (SELECT count(*) FROM pg_catalog.pg_attribute b
                WHERE b.attrelid = c.oid AND b.attnum > 0 AND b.attnum < a.attnum AND NOT b.attisdropped
                  AND coalesce(to_jsonb(b) ->> 'attgenerated', '') = '') AS field
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE i.indrelid = c.oid AND i.indisprimary AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''
          AND t.typtype = 'b' AND t.typnamespace = 'pg_catalog'::regnamespace) AS key ON true
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
       -- a standby has no rows of unlogged tables
   AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
   AND CASE WHEN x.oid IS NOT NULL THEN c.oid = ANY (x.extconfig)
            ELSE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' END
   AND ($2::text[] IS NOT NULL OR $1::text[] IS NULL
        OR EXISTS (SELECT FROM unnest($1::text[]) AS p(s) WHERE n.nspname ~ p.s))
   AND ($2::text[] IS NULL
        OR EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS p(s, t) WHERE n.nspname ~ p.s AND c.relname ~ p.t))
   AND NOT EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS p(s, t) WHERE n.nspname ~ p.s AND c.relname ~ p.t)
 ORDER BY c.oid
