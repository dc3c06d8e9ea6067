# Whether two PostgreSQL databases are the same: `load server`, `load oracle`. Databases are names or URIs.
#
#   pg_same A B          status 0 when they are; prints what differs (100 lines of a diff at most), and
#                        status 1, when they are not
#   pg_schema_same A B   only the objects: pg_dump's text, byte for byte
#   pg_data_same A B     only the content; also for servers of different versions, or newer than pg_dump is
#   pg_properties_same A B   what belongs to a database from outside: owner, encoding, locale, comment, ACL, settings
#   pg_schema A, pg_data A, pg_properties A    what is compared
#   rows_of_backup FILE SCHEMA.TABLE [FILTER], rows_of_server DATABASE SCHEMA.TABLE    each table's rows as text, in an
#                        order of their own: as the backup has them (through another filter than sort), and as the
#                        server writes them to others
#
# How it works: objects by `pg_dump --schema-only`, of which only the lines with the random key of \restrict are left
# out. Rows by sums of 64-bit hashes of each row's text, made in the server, so that neither their order nor a
# conversion of characters matters: two sums with different seeds, and a count. Tables that are partitioned by hash are summed over all of their partitions: rows of an enum, say, hash
# differently after a restore. Sequences by last_value and is_called; large objects by content, owner, privileges and
# comment. Generated columns, materialized views, unlogged tables and tables of extensions are compared like any
# table; foreign tables are not read.

pg_schema() {
  local db out
  pg_uri db "$1"
  out=$(mktemp) || return 1
  pg_dump --schema-only -d "$db" >"$out" || { rm -f "$out"; return 1; }
  LC_ALL=C sed -E '/^\\(un)?restrict [A-Za-z0-9]+$/d' "$out"
  rm -f "$out"
}

pg_data() {
  q "$1" <"$PG_HERE/oracle.sql"
}

pg_properties() {
  q "$1" <<'SQL'
SELECT 'owner', pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database();
SELECT 'encoding', pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, datallowconn, datistemplate
FROM pg_database WHERE datname = current_database();
SELECT 'locale', coalesce(d->>'datlocprovider', 'c'), coalesce(d->>'daticulocale', d->>'datlocale')
FROM (SELECT to_jsonb(pg_database) AS d FROM pg_database WHERE datname = current_database()) AS x;
SELECT 'comment', shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database();
SELECT 'acl', a.grantor::regrole, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
  a.privilege_type, a.is_grantable
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a WHERE datname = current_database()
ORDER BY 2, 3, 4;
SELECT 'setting', CASE setrole WHEN 0 THEN '' ELSE setrole::regrole::text END, unnest(setconfig)
FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 2, 3;
SQL
}

# Runs $1 on $2 and $3 and compares what it prints.
pg_compare() {
  local dir status
  dir=$(mktemp -d) || return 1
  "$1" "$2" >"$dir/a" && "$1" "$3" >"$dir/b" && [ -s "$dir/a" ] &&
    LC_ALL=C diff -a --label "$1 $2" --label "$1 $3" -U2 "$dir/a" "$dir/b" >"$dir/diff"
  status=$?
  [ ! -s "$dir/diff" ] || head -n 100 "$dir/diff"
  rm -rf "$dir"
  return $status
}

pg_schema_same() { pg_compare pg_schema "$1" "$2"; }
pg_data_same() { pg_compare pg_data "$1" "$2"; }
pg_properties_same() { pg_compare pg_properties "$1" "$2"; }

# Both are always compared, so that a failure tells all of it.
pg_same() {
  local status=0
  pg_schema_same "$1" "$2" || status=1
  pg_data_same "$1" "$2" || status=1
  return $status
}

# awk takes minutes for a line of megabytes.
rows_of_backup() {
  gunzip -c "$1" | python -c '
import sys
head, on = ("COPY \"%s\".\"%s\" " % tuple(sys.argv[1].split(".", 1))).encode(), False
for line in sys.stdin.buffer:
    if on and line == b"\\.\n":
        on = False
    elif on:
        sys.stdout.buffer.write(line)
    elif line.startswith(head):
        on = True
' "$2" | LC_ALL=C "${3:-sort}"
}

rows_of_server() {
  PGOPTIONS='-c TimeZone=UTC -c extra_float_digits=3 -c row_security=off' psql -XAtqw -d "$(url "$1")" -c "COPY $2 TO STDOUT" |
    LC_ALL=C sort
}
