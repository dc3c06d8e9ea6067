# A restore in one transaction: are its locks counted before they run out? What it tells is held against pg_locks.
load ../helper
load server
load oracle

setup_file() { pg_server_start --set max_locks_per_transaction=400; }
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  mkdir b
  export BACKUP_DIR=$T/b
  pg_server_use main
}
teardown() { cd / && rm -rf "$T"; }

create() { sql "SELECT backup_create('$(url "$1")')"; }
replace() { sql "SELECT backup_restore('latest:$1', '$(url "$1")', '{\"overwrite\":true,\"pre_restore\":false}')"; }

# Comments on everything, and everything somebody else's, with privileges for one more.
decorate() {
  q "$1" <<'SQL'
SET client_min_messages = error;
CREATE TEMP VIEW o AS SELECT i.type, i.identity, x.* FROM (
  SELECT classid, objid FROM pg_depend WHERE objid >= 16384
  UNION SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE oid >= 16384
  UNION SELECT 'pg_publication'::regclass, oid FROM pg_publication
  UNION SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
  UNION SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata) AS x,
  pg_identify_object(x.classid, x.objid, 0) AS i
  WHERE i.identity !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = x.classid AND d.objid = x.objid AND d.deptype = 'e');
SELECT format('COMMENT ON %s %s IS ''x''', what, identity)
FROM (SELECT *, CASE type WHEN 'statistics object' THEN 'statistics' WHEN 'composite type' THEN 'type' WHEN 'foreign-data wrapper' THEN 'foreign data wrapper'
                          ELSE type END AS what FROM o) AS c
WHERE type IN ('table', 'view', 'materialized view', 'sequence', 'foreign table', 'index', 'trigger',
  'policy', 'statistics object', 'function', 'procedure', 'composite type', 'operator', 'operator class', 'schema',
  'operator family', 'collation', 'conversion', 'text search configuration', 'text search dictionary', 'language',
  'text search parser', 'text search template', 'event trigger', 'publication', 'foreign-data wrapper', 'server',
  'large object', 'cast') \gexec
SELECT format('COMMENT ON CONSTRAINT %I ON %s %s IS ''x''', conname, CASE contypid WHEN 0 THEN '' ELSE 'DOMAIN' END,
              CASE contypid WHEN 0 THEN conrelid::regclass::text ELSE contypid::regtype::text END)
FROM pg_constraint WHERE oid >= 16384 \gexec
SELECT format('COMMENT ON TYPE %s IS ''x''', objid::regtype) FROM o
WHERE classid = 'pg_type'::regclass AND identity !~ '\[\]$'
  AND NOT EXISTS (SELECT FROM pg_class WHERE reltype = objid AND relkind <> 'c') \gexec
SELECT format('ALTER %s %s OWNER TO lb_owner', type, identity) FROM o
WHERE type IN ('function', 'procedure', 'operator', 'operator class', 'operator family', 'collation', 'conversion',
  'text search configuration', 'text search dictionary', 'schema', 'language', 'large object') \gexec
SELECT format('GRANT ALL ON ROUTINE %s TO lb_reader', objid::regprocedure) FROM o
WHERE type IN ('function', 'procedure') \gexec
GRANT ALL ON ALL TABLES IN SCHEMA app TO lb_reader;
SQL
}

# Locks that a dump takes when it is loaded as one transaction.
taken_to_make() {
  newdb measured
  {
    echo 'BEGIN;'
    grep -vxE 'BEGIN;|COMMIT;|\\(un)?restrict .*' "$1"
    echo 'SELECT count(DISTINCT (locktype, database, relation, classid, objid)) FROM'
    echo 'pg_catalog.pg_locks WHERE pid = pg_backend_pid(); ROLLBACK;'
  } | q measured 2>err | tail -1
}

taken_to_drop() { "${LIFEBOAT_SO%/*}/tests/postgres/test_target" "$(url "$1")" locks; }

# within COUNTED TAKEN: no less, and not much more; what extensions take is guessed, and the catalogue
within() {
  echo "counted $1, taken $2"
  [ "$2" -gt 0 ] && [ "$1" -ge "$2" ] && [ $((10 * $1)) -le $((15 * $2 + 3000)) ]
}

# The same content there, on a server whose table is too small, which tells what it counts.
check_counted() {
  failing '{"mode":"swap"}' replace "$1"
  [[ $output =~ takes\ about\ [0-9]+\ locks\ \(([0-9]+)\ to\ drop\ what\ is\ there,\ ([0-9]+)\ for\ what\ is\ made ]]
  within "${BASH_REMATCH[1]}" "$2"
  within "${BASH_REMATCH[2]}" "$3"
}

narrow() {
  q postgres 'ALTER SYSTEM SET max_locks_per_transaction = 10'
  pg_server_restart
}

@test "every kind of object: the count is no less than what is taken, to drop and to make" {
  local version drop make
  newdb kinds
  load_objects kinds
  q kinds 'ALTER SUBSCRIPTION to_nowhere SET (slot_name = NONE)'
  decorate kinds
  create kinds
  pg_dump -d "$(url kinds)" >dump
  for version in "$PG_DEFAULT" 18; do
    pg_version "$version" || continue
    if [ "$version" != "$PG_DEFAULT" ]; then
      pg_server_start --name "v$version" --set max_locks_per_transaction=400 "$version"
      q postgres 'CREATE ROLE lb_owner; CREATE ROLE lb_reader; CREATE ROLE "lb_odd ""role"""'
      newdb kinds
      q kinds <dump
    fi
    make=$(taken_to_make dump)
    drop=$(taken_to_drop kinds)
    narrow
    check_counted kinds "$drop" "$make"
  done
}

# None of them is a relation, and each takes its lock only with its owner or its comment.
@test "thousands of functions, types and large objects: refused before anything is touched, or done" {
  local drop make
  q postgres 'ALTER SYSTEM SET max_locks_per_transaction = 400'
  pg_server_restart
  newdb crowd
  q crowd "DO \$\$ BEGIN FOR i IN 1..1500 LOOP
    EXECUTE format('CREATE FUNCTION f%s(a int, b text) RETURNS int LANGUAGE sql AS ''SELECT 1''', i);
    EXECUTE format('COMMENT ON FUNCTION f%s IS ''c''; GRANT ALL ON FUNCTION f%s TO PUBLIC', i, i);
    IF i <= 400 THEN
      EXECUTE format('CREATE DOMAIN d%s AS int CONSTRAINT c CHECK (VALUE > %s)', i, i);
      EXECUTE format('COMMENT ON DOMAIN d%s IS ''c''; COMMENT ON CONSTRAINT c ON DOMAIN d%s IS ''c''', i, i);
      EXECUTE format('CREATE TYPE e%s AS ENUM (); COMMENT ON TYPE e%s IS ''c''', i, i);
      EXECUTE format('CREATE TYPE c%s AS (a int); COMMENT ON TYPE c%s IS ''c''', i, i);
      PERFORM lo_create(i);
      EXECUTE format('COMMENT ON LARGE OBJECT %s IS ''c''', i);
    END IF;
  END LOOP; END \$\$"
  create crowd
  pg_dump -d "$(url crowd)" >dump
  make=$(taken_to_make dump)
  drop=$(taken_to_drop crowd)
  narrow
  check_counted crowd "$drop" "$make"
  # In a database with a single table it is the script alone.
  newdb other
  q other 'CREATE TABLE t AS SELECT 1 AS a'
  failing '{"mode":"swap"}' sql "SELECT backup_restore('latest:crowd', '$(url other)', '{\"overwrite\":true}')"
  [ "$(find b -name '*.sql*' | wc -l)" = 1 ]  # not even saved
  [ "$(q other 'TABLE t')" = 1 ]
  # Where it is said to fit, without a place to spare, it does.
  [[ $output =~ takes\ about\ ([0-9]+)\ locks ]]
  q postgres "ALTER SYSTEM SET max_locks_per_transaction = $((BASH_REMATCH[1] * 10 / 9 / 66 + 1))"
  pg_server_restart
  run -0 sql "SELECT backup_restore('latest:crowd', '$(url other)', '{\"overwrite\":true}')"
  pg_same crowd other
}
