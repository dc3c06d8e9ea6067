-- Triggers of users that would fire on writes to the tables $1, and all of their partitions: some servers pass a change
-- above on to these, whose own state is then set again, from above downwards. Row: table and trigger as SQL wants them,
-- its state, the table's oid, the trigger's name. Before 15 those of partitions that come from above count as internal.
SELECT format('%I.%I', n.nspname, c.relname), quote_ident(t.tgname), t.tgenabled, c.oid, t.tgname
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       WITH RECURSIVE up(id, height) AS (
            SELECT c.oid, 0 UNION ALL
            SELECT i.inhparent, up.height + 1 FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.id)
       SELECT max(height) AS height FROM up) AS h ON true
  LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
 WHERE t.tgrelid = ANY ($1::oid[]) AND (NOT t.tgisinternal OR (c.relispartition AND coalesce(k.contype = 't', true)))
   AND (t.tgenabled IN ('O', 'A') OR c.relispartition)
 ORDER BY h.height, 1, 2
