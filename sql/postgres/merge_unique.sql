-- What keeps two rows of the table $1 from having equal values, other than its primary key. Row: the numbers of the
-- columns that count there, those of expressions too
SELECT (SELECT string_agg(d.refobjsubid::text, ' ' ORDER BY d.refobjsubid)
          FROM (SELECT DISTINCT d.refobjsubid FROM pg_catalog.pg_depend d
                 WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
                   AND ((d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid)
                     OR (d.classid = 'pg_catalog.pg_constraint'::regclass
                         AND d.objid IN (SELECT k.oid FROM pg_catalog.pg_constraint k
                                          WHERE k.conindid = i.indexrelid AND k.contype IN ('u', 'x'))))) AS d)
  FROM pg_catalog.pg_index i
 WHERE i.indrelid = $1::oid AND NOT i.indisprimary AND (i.indisunique OR i.indisexclusion)
 ORDER BY i.indexrelid
