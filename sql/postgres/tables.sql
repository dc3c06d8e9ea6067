-- Tables that hold rows of their own and belong to a backup: ordinary tables and leaf partitions, unlogged ones too; of
-- an extension only its configuration tables, with their condition.
-- $1: schemas, regular expressions, or NULL for all. $2 and $3: wanted tables, schema and name in pairs, or NULL; they
-- make $1 count for nothing, as in pg_dump. $4 and $5: tables left out.
-- The last two columns are for COPY's binary form (copy_out.h): what to ask for, and each one's type as wire.h knows it,
-- for which two functions have to be that type's own; of other types the text is asked for (cstring, sent as it is).
-- NULL where the text of one is made by a function that is not the system's, and where the form gains nothing: in units
-- of 50 ns a value it spares a server so much, by measurement (docs/architecture.md).
SELECT c.oid, n.nspname, c.relname,
       coalesce((SELECT string_agg('"' || replace(a.attname, '"', '""') || '"', ', ' ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                        -- attgenerated is new in 12; asked for by name it would be an error before
                    AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''), '') AS columns,
       CASE WHEN x.oid IS NOT NULL
            THEN nullif(x.extcondition[array_position(x.extconfig, c.oid)], '') END AS condition,
       c.relam IN (0, 2) AS heap, root.nspname, root.relname, key.attname, key.field, key.typname,
       binary_form.expressions, binary_form.types
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
  LEFT JOIN LATERAL (
       SELECT string_agg(CASE WHEN own THEN quoted ELSE format('pg_catalog.%I(%s)', out_name, quoted) END, ', '
                         ORDER BY attnum) AS expressions,
              string_agg(wire::text, ' ' ORDER BY attnum) AS types
         FROM (SELECT a.attnum, '"' || replace(a.attname, '"', '""') || '"' AS quoted, p.proname AS out_name,
                      coalesce(w.type, 25) AS wire, w.type IS NOT NULL OR enum AS own, coalesce(w.gain, enum::int - 1) AS gain,
                      p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace
                        AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AS callable
                 FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                 JOIN pg_catalog.pg_proc p ON p.oid = t.typoutput
                 CROSS JOIN LATERAL (SELECT t.typoutput = 'pg_catalog.enum_out'::regproc
                                            AND t.typsend = 'pg_catalog.enum_send'::regproc AS enum) AS e
                 LEFT JOIN (SELECT type, gain, typoutput, typsend
                              FROM (VALUES (16, 0), (17, 20), (20, 0), (21, -1), (23, -1), (25, 2), (114, 3), (650, 3),
                                           (869, 3), (1042, 2), (1043, 2), (1082, 3), (1083, 3), (1114, 3), (1184, 3),
                                           (1700, 0), (2950, 4), (3802, 0)) AS known(type, gain)
                              JOIN pg_catalog.pg_type b ON b.oid = type) AS w
                   ON w.typoutput = t.typoutput AND w.typsend = t.typsend
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = '') AS each_column
       HAVING bool_and(own OR callable) AND sum(gain) > 0) AS binary_form ON true
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
