-- Tables that hold rows of their own and belong to a backup: ordinary tables and leaf partitions, unlogged ones too; of
-- an extension only its configuration tables, with their condition.
-- $1: schemas, regular expressions, or NULL for all. $2 and $3: wanted tables, schema and name in pairs, or NULL; they
-- make $1 count for nothing, as in pg_dump. $4 and $5: tables left out.
-- Columns from expressions on are for COPY's binary form (copy_out.h): what to ask for, and each one's type as wire.h
-- knows it (25: text, which an enum's label is as well), for which two functions have to be that type's own. Of other
-- types the text is asked for, as cstring, which is sent as it is. NULL where a function makes that which is not the
-- system's, and where the form gains nothing: so many times 50 ns it spares a server for a value
-- (docs/architecture.md).
-- The last two are for tables that may have rows too long for one message (dump_long.h): what to ask for instead, with
-- such values left out and a last column, of type 25, that tells where such a row is; and its values, to be had in
-- pieces: column's place, whether it is a bytea, the bytes. NULL where nothing of a table is stored outside its rows.
-- Of 4 MiB a row's values may have a share each, but 128 KiB in any case; where the type does not tell without reading
-- the value, a 32nd as it is stored, compressed or not, but 64 KiB.
WITH known(output, send, type, gain) AS (
  VALUES ('pg_catalog.boolout'::regproc, 'pg_catalog.boolsend'::regproc, 16, 0),
    ('pg_catalog.byteaout', 'pg_catalog.byteasend', 17, 20), ('pg_catalog.int8out', 'pg_catalog.int8send', 20, 0),
    ('pg_catalog.int2out', 'pg_catalog.int2send', 21, -1), ('pg_catalog.int4out', 'pg_catalog.int4send', 23, -1),
    ('pg_catalog.textout', 'pg_catalog.textsend', 25, 2), ('pg_catalog.enum_out', 'pg_catalog.enum_send', 25, 0),
    ('pg_catalog.json_out', 'pg_catalog.json_send', 114, 3), ('pg_catalog.cidr_out', 'pg_catalog.cidr_send', 650, 3),
    ('pg_catalog.inet_out', 'pg_catalog.inet_send', 869, 3), ('pg_catalog.bpcharout', 'pg_catalog.bpcharsend', 1042, 2),
    ('pg_catalog.varcharout', 'pg_catalog.varcharsend', 1043, 2),
    ('pg_catalog.date_out', 'pg_catalog.date_send', 1082, 3), ('pg_catalog.time_out', 'pg_catalog.time_send', 1083, 3),
    ('pg_catalog.timestamp_out', 'pg_catalog.timestamp_send', 1114, 3),
    ('pg_catalog.timestamptz_out', 'pg_catalog.timestamptz_send', 1184, 3),
    ('pg_catalog.numeric_out', 'pg_catalog.numeric_send', 1700, 0),
    ('pg_catalog.uuid_out', 'pg_catalog.uuid_send', 2950, 4), ('pg_catalog.jsonb_out', 'pg_catalog.jsonb_send', 3802, 0)
), wanted AS (
  -- No others may be asked for their size: that would wait for whoever has them locked.
  SELECT c.oid, n.nspname, c.relname, root.oid AS root, root.nspname AS root_schema, root.relname AS root_name,
         c.relam IN (0, 2) AS heap,
         c.relam IN (0, 2) AND pg_catalog.pg_relation_size(c.reltoastrelid) > 0 AND (
           -- what long rows are found and read with
           SELECT bool_and(pg_catalog.has_function_privilege(oid, 'EXECUTE')) FROM pg_catalog.pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace
              AND proname IN ('byteasend', 'format', 'generate_series', 'num_nulls', 'octet_length', 'pg_column_size',
                              'substring', 'textsend', 'tidout')) AS has_toast,
         CASE WHEN x.oid IS NOT NULL
              THEN nullif(x.extcondition[array_position(x.extconfig, c.oid)], '') END AS condition
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
         SELECT r.oid, rn.nspname, r.relname
           FROM up JOIN pg_catalog.pg_class r ON r.oid = up.id
           JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
          WHERE EXISTS (SELECT FROM up AS u JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = u.id
                         WHERE (SELECT o.oid FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
                                 WHERE o.opcname = 'enum_ops' AND a.amname = 'hash'
                                   AND o.opcnamespace = 'pg_catalog'::regnamespace) = ANY (t.partclass))
          ORDER BY up.height DESC LIMIT 1) AS root ON c.relispartition
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
), listed AS (
  SELECT a.attrelid, a.attnum, a.atttypid,
         -- A row that another partition gets when it is restored is the same text there.
         CASE WHEN r.root IS NULL THEN a.attnum ELSE (
           SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = r.root AND attname = a.attname) END AS place,
         '"' || replace(a.attname, '"', '""') || '"' AS quoted, p.proname, k.type,
         coalesce(k.gain, -1) AS gain, p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace
           AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AS callable,
         r.has_toast, a.attlen = -1 AND r.has_toast AS grows
    FROM (VALUES (''::"char")) AS before_12(attgenerated)
   CROSS JOIN LATERAL (
         -- From 12 on the attribute's own; asked for by its name it would be an error before.
         SELECT attrelid, attnum, attname, atttypid, attlen FROM pg_catalog.pg_attribute
          WHERE attnum > 0 AND NOT attisdropped AND attgenerated = '') AS a
    JOIN wanted r ON r.oid = a.attrelid
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_proc p ON p.oid = t.typoutput
    LEFT JOIN known k ON k.output = t.typoutput AND k.send = t.typsend
), chosen AS (
  SELECT *, bool_and(type IS NOT NULL OR callable) OVER own AND sum(gain) OVER own > 0 AS in_binary,
         4194304 / nullif(count(*) FILTER (WHERE grows) OVER own, 0) AS share
    FROM listed WINDOW own AS (PARTITION BY attrelid)
), asked AS (
  SELECT *, CASE WHEN type IS NOT NULL OR NOT in_binary THEN quoted
                 ELSE format('pg_catalog.%I(%s)', proname, quoted) END AS expression,
         CASE WHEN NOT grows THEN NULL
              WHEN atttypid IN (17, 25, 1042, 1043)
              THEN format('pg_catalog.octet_length(%s) > %s', quoted, greatest(share, 131072))
              ELSE format('pg_catalog.pg_column_size(%s) > %s', quoted, greatest(share / 32, 65536)) END AS long
    FROM chosen
), list AS (
  SELECT attrelid, array_agg(attnum ORDER BY place) AS numbers, string_agg(quoted, ', ' ORDER BY place) AS names,
         CASE WHEN bool_and(in_binary) THEN string_agg(expression, ', ' ORDER BY place) END AS expressions,
         string_agg(coalesce(type, 25)::text, ' ' ORDER BY place) AS types,
         string_agg(CASE WHEN long IS NULL THEN expression
                         ELSE format('CASE WHEN %s THEN NULL ELSE %s END', long, expression) END, ', ' ORDER BY place)
           FILTER (WHERE has_toast)
           || format(', CASE WHEN %s THEN pg_catalog.tidout(ctid) END', string_agg(long, ' OR ')) AS marked,
         CASE WHEN bool_or(grows) THEN string_agg(
           format(CASE WHEN atttypid = 17 THEN '(%s, true, pg_catalog.byteasend(%s))'
                       ELSE '(%s, false, CASE pg_catalog.num_nulls(%2$s) WHEN 0 THEN pg_catalog.textsend('
                            'pg_catalog.format(''%%s'', %2$s)) END)' END, place, quoted), ', ' ORDER BY place)
           FILTER (WHERE has_toast) END AS pieces
    FROM asked GROUP BY attrelid
)
SELECT c.oid, c.nspname, c.relname,
       coalesce(l.names, '') AS columns,
       c.condition, c.heap, c.root_schema, c.root_name, key.attname, key.field, key.typname,
       l.expressions, l.types, l.marked, l.pieces
  FROM wanted c
  LEFT JOIN list l ON l.attrelid = c.oid
  LEFT JOIN LATERAL (
       -- The first column of the primary key, if it is of a type of the system: which of the columns above it is.
       SELECT a.attname, t.typname, array_position(l.numbers, a.attnum) - 1 AS field
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE i.indrelid = c.oid AND i.indisprimary AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''
          AND t.typtype = 'b' AND t.typnamespace = 'pg_catalog'::regnamespace) AS key ON true
 ORDER BY c.oid
