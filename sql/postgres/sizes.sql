-- Pages of the main fork, and bytes with TOAST, of the tables $1, in their order.
SELECT pg_catalog.pg_relation_size(t.id) / current_setting('block_size')::bigint, pg_catalog.pg_table_size(t.id)
  FROM unnest($1::oid[]) WITH ORDINALITY AS t(id, place)
 ORDER BY t.place
