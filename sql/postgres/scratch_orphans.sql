-- Scratch databases of Lifeboat whose maker no longer holds its advisory lock. $1: their mark, which begins the comment;
-- $2: the first key of the locks. Row: name, has the mark
SELECT d.datname, CASE WHEN starts.it THEN 1 ELSE 0 END
  FROM pg_catalog.pg_database d
 CROSS JOIN LATERAL (
         SELECT coalesce(left(pg_catalog.shobj_description(d.oid, 'pg_database'), length($1)) = $1, false)) AS starts(it)
 WHERE d.datname ~ '^lifeboat_[a-z]{1,16}_[0-9]+_[0-9]{8}_[0-9]{6}(_[0-9])?$'
   AND (starts.it OR pg_catalog.shobj_description(d.oid, 'pg_database') IS NULL)
   AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_locks l
          WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = $2::oid
            AND l.objid::bigint = pg_catalog.hashtext(d.datname::text)::bigint & 4294967295)
