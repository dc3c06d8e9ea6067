-- What of the current database lies outside its content. The columns of locales differ between versions (the provider
-- from 15, its locale named daticulocale, then datlocale from 17, rules of ICU from 16): they are read as JSON.
-- Row: encoding, collate, ctype, provider, locale, rules, owner, comment, tablespace (NULL: pg_default), connection limit, is template
SELECT pg_catalog.pg_encoding_to_char(d.encoding), j.d->>'datcollate', j.d->>'datctype',
       CASE j.d->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
       coalesce(j.d->>'datlocale', j.d->>'daticulocale'), j.d->>'daticurules',
       r.rolname, pg_catalog.shobj_description(d.oid, 'pg_database'), nullif(t.spcname, 'pg_default'), d.datconnlimit,
       CASE WHEN d.datistemplate THEN 1 ELSE 0 END
  FROM pg_catalog.pg_database d
  JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
  JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace,
       pg_catalog.to_jsonb(d) AS j(d)
 WHERE d.datname = current_database()
