-- Sequences that fill columns of the table $1, counting upwards: of identity columns, owned ones, and those that a
-- default names. Row: sequence and column as SQL wants them, the last value that the sequence can have
SELECT DISTINCT format('%I.%I', n.nspname, s.relname), quote_ident(a.attname), q.seqmax
  FROM (SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS attnum
          FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
           AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        UNION
        SELECT d.refobjid, f.adrelid, f.adnum
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
         WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
           AND d.refclassid = 'pg_catalog.pg_class'::regclass) AS x
  JOIN pg_catalog.pg_class s ON s.oid = x.sequence AND s.relkind = 'S'
  JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
  JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = x.relation AND a.attnum = x.attnum
  JOIN pg_catalog.pg_type y ON y.oid = a.atttypid AND y.typcategory = 'N'
        AND (y.typtype = 'd' OR y.typname IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8'))
 WHERE x.relation = $1::oid
