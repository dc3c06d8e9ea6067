-- The types of some columns of a table, in the order of their names: an enumeration's as text (25), a domain's as what
-- it is made of. A row is missing where the table has no such column, all are where its rows are not simply stored: a
-- view, a partitioned or foreign table, one with triggers (foreign keys are some, and each COPY runs them) or rules.
-- $1: schema, or NULL for where the search_path has it. $2: table. $3: names of columns.
-- The script has the search_path by now, and may have operators of its own in it. No right is needed.
WITH RECURSIVE target(oid) AS (
     SELECT c.oid
       FROM pg_catalog.pg_class c
      WHERE c.oid OPERATOR(pg_catalog.=) CASE WHEN $1 IS NULL THEN
              pg_catalog.to_regclass(pg_catalog.quote_ident($2))::pg_catalog.oid
            ELSE
              (SELECT k.oid FROM pg_catalog.pg_class k
                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) k.relnamespace
                WHERE k.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name
                  AND n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name) END
        AND c.relkind OPERATOR(pg_catalog.=) 'r' AND NOT c.relhastriggers AND NOT c.relhasrules),
base(place, type) AS (
     SELECT w.place, a.atttypid
       FROM pg_catalog.unnest($3::pg_catalog.text[]) WITH ORDINALITY AS w(name, place)
       JOIN pg_catalog.pg_attribute a ON a.attname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
       JOIN target ON a.attrelid OPERATOR(pg_catalog.=) target.oid
      WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
      UNION ALL
     SELECT b.place, t.typbasetype
       FROM base b JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) b.type
      WHERE t.typtype OPERATOR(pg_catalog.=) 'd')
SELECT CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'e' THEN 25 ELSE t.oid END
  FROM base b JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) b.type
 WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'
 ORDER BY b.place
