-- Every kind of object that pg_dump's manual speaks of, with rows: what a backup has to bring through. For psql, as a
-- superuser, into an empty UTF8 database of PostgreSQL 13 or newer (server.bash, load_objects); what older servers do
-- not know stands between \if and \endif. Tables of odd content and large objects are in objects_data.sql.
--
-- Roles belong to the server: they are made where they are missing, and all begin with lb_.
\set ON_ERROR_STOP on
\o /dev/null
SET client_min_messages = error;  -- wal_level is too low for publications: so what
SET client_encoding = 'UTF8';
SELECT current_setting('server_version_num')::int >= 140000 AS v14,
       current_setting('server_version_num')::int >= 150000 AS v15 \gset

SELECT format('CREATE ROLE %I', r) FROM unnest(ARRAY['lb_owner', 'lb_reader', 'lb_odd "role"']) AS r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec

-- ---- schemas, extensions ----

CREATE SCHEMA app AUTHORIZATION lb_owner;
CREATE SCHEMA kinds;
CREATE SCHEMA ext;
CREATE SCHEMA "empty";
COMMENT ON SCHEMA app IS 'the application''s own';
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION citext SCHEMA ext;
CREATE EXTENSION btree_gist SCHEMA ext;
CREATE EXTENSION pg_trgm SCHEMA ext;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;
COMMENT ON EXTENSION hstore IS 'a comment of our own';

-- ---- types ----

CREATE TYPE kinds.mood AS ENUM ('sad', 'ok', 'it''s', E'new\nline');
ALTER TYPE kinds.mood ADD VALUE 'fine' BEFORE 'it''s';
CREATE TYPE kinds.point3 AS (x double precision, gone int, y numeric(10, 2), label text COLLATE "C");
ALTER TYPE kinds.point3 DROP ATTRIBUTE gone;
COMMENT ON COLUMN kinds.point3.x IS 'eastwards';
CREATE TYPE kinds.empty_composite AS ();
CREATE TYPE kinds.float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
\if :v14
CREATE TYPE kinds.time_range AS RANGE (subtype = time, multirange_type_name = kinds.many_times);
\endif
CREATE TYPE kinds.shell;
CREATE TYPE kinds.blob;
CREATE FUNCTION kinds.blob_in(cstring) RETURNS kinds.blob LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION kinds.blob_out(kinds.blob) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE kinds.blob (INPUT = kinds.blob_in, OUTPUT = kinds.blob_out, INTERNALLENGTH = VARIABLE, STORAGE = extended,
                        CATEGORY = 'S', DEFAULT = 'none');
CREATE DOMAIN kinds.positive AS integer DEFAULT 1 NOT NULL CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN kinds.code AS text COLLATE "C" CHECK (VALUE ~ '^[A-Z]{2}\d+$');
ALTER DOMAIN kinds.code ADD CONSTRAINT not_too_long CHECK (length(VALUE) < 10) NOT VALID;
CREATE DOMAIN kinds.codes AS kinds.code[];
COMMENT ON DOMAIN kinds.positive IS 'more than nothing';
COMMENT ON CONSTRAINT above_zero ON DOMAIN kinds.positive IS 'a comment on a constraint of a domain';
CREATE COLLATION kinds.plain FROM "C";
COMMENT ON COLLATION kinds.plain IS 'bytes';
CREATE CONVERSION kinds.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
ALTER TYPE kinds.mood OWNER TO lb_owner;

-- ---- functions and their kin ----

CREATE FUNCTION app.add(a int, b int DEFAULT 2, VARIADIC rest int[] DEFAULT '{}') RETURNS int
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7
  AS $$ SELECT a + b + coalesce((SELECT sum(r)::int FROM unnest(rest) AS r), 0) $$;
CREATE FUNCTION app.rows_of(OUT n int, OUT label text) RETURNS SETOF record
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 5 SET search_path = pg_catalog, app SET work_mem = '8MB'
AS $body$
BEGIN
  -- What a reader of scripts must not trip over: $$, \., COPY and half a quote
  n := 1; label := $$it's; a "label"$$; RETURN NEXT;
  EXECUTE $q$ SELECT $x$COPY t FROM stdin;
\.
\connect elsewhere
$x$ $q$ INTO label;
  RETURN NEXT; /* not ended: $body */
END
$body$;
CREATE FUNCTION app.table_of(lo int) RETURNS TABLE (i int, "odd ""column""" text) LANGUAGE sql
  AS 'SELECT g, ''x''::text FROM generate_series(lo, lo + 2) AS g';
CREATE FUNCTION app.window_rank() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_rank';
CREATE FUNCTION app.autoinc() RETURNS trigger LANGUAGE c AS '$libdir/autoinc', 'autoinc';
CREATE FUNCTION app.loud() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN NEW.note := coalesce(NEW.note, '') || '!'; RETURN NEW; END $$;
CREATE FUNCTION app.after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
\if :v14
CREATE FUNCTION app.atomic(n int) RETURNS text LANGUAGE sql
BEGIN ATOMIC
  SELECT CASE WHEN n > 0 THEN CASE n WHEN 1 THEN 'one;' ELSE 'many' END ELSE 'none' END;
  SELECT 'the second; statement' AS done;
END;
CREATE PROCEDURE app.give(INOUT a int, OUT b text) LANGUAGE plpgsql AS $$ BEGIN b := a; a := a + 1; END $$;
\endif
CREATE PROCEDURE app.nothing(a text DEFAULT E'\\') LANGUAGE sql AS 'SELECT a';
COMMENT ON FUNCTION app.add IS E'two lines\n-- Name: fake; Type: TABLE; Schema: app; Owner: nobody\n\\.\n$$';
ALTER FUNCTION app.rows_of() OWNER TO lb_owner;
CREATE FUNCTION app.other_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION app.other_inline(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION app.other_validator(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE other HANDLER app.other_handler INLINE app.other_inline VALIDATOR app.other_validator;
CREATE FUNCTION app.in_other() RETURNS int LANGUAGE other AS 'BEGIN RETURN 1; END';
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal),
                                       TO SQL WITH FUNCTION int4recv(internal));

CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = SAFE,
  MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0', SORTOP = <);
CREATE AGGREGATE app.middle(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal,
  FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
COMMENT ON AGGREGATE app.total(int) IS 'like sum';

CREATE FUNCTION app.near(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 10';
CREATE FUNCTION app.far(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) >= 10';
CREATE OPERATOR app.~~~ (FUNCTION = app.near, LEFTARG = int, RIGHTARG = int, COMMUTATOR = OPERATOR(app.~~~),
  RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR app.!~~~ (FUNCTION = app.far, LEFTARG = int, RIGHTARG = int, COMMUTATOR = OPERATOR(app.!~~~),
  NEGATOR = OPERATOR(app.~~~));
CREATE OPERATOR app.@!@ (FUNCTION = int4um, RIGHTARG = int);
COMMENT ON OPERATOR app.@!@ (NONE, int) IS 'minus';
CREATE OPERATOR FAMILY app.numbers USING btree;
CREATE OPERATOR CLASS app.downwards FOR TYPE int USING btree FAMILY app.numbers AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
ALTER OPERATOR FAMILY app.numbers USING btree ADD OPERATOR 3 =(int, bigint),
  FUNCTION 1 (int, bigint) btint48cmp(int, bigint);
CREATE CAST (kinds.blob AS text) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (text AS kinds.mood) WITH INOUT AS ASSIGNMENT;
CREATE FUNCTION app.length_of(kinds.point3) RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT ($1).x';
CREATE CAST (kinds.point3 AS double precision) WITH FUNCTION app.length_of(kinds.point3);
COMMENT ON CAST (text AS kinds.mood) IS 'as it is spelt';

CREATE TEXT SEARCH PARSER app.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
  LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE app.plain (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY app.plain (TEMPLATE = app.plain, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = app.words);
ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR asciiword, word WITH app.plain, simple;
COMMENT ON TEXT SEARCH CONFIGURATION app.search IS 'how we search';
CREATE ACCESS METHOD lb_heap TYPE TABLE HANDLER heap_tableam_handler;

-- ---- tables ----

CREATE SEQUENCE app.counter AS smallint START 5 INCREMENT BY -2 MINVALUE -100 MAXVALUE 50 CACHE 3 CYCLE;
SELECT nextval('app.counter');
CREATE SEQUENCE app.fresh START 1000;
CREATE SEQUENCE app.set_not_called;
SELECT setval('app.set_not_called', 4711, false);
CREATE SEQUENCE app.huge;
SELECT setval('app.huge', 9223372036854775806);
COMMENT ON SEQUENCE app.fresh IS 'never called';

CREATE TABLE app.people (
  id integer GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY KEY,
  serial bigserial,
  name text NOT NULL COLLATE kinds.plain,
  note text DEFAULT 'nothing; yet',
  mood kinds.mood DEFAULT 'ok',
  age kinds.positive,
  shout text GENERATED ALWAYS AS (upper(name) || '!') STORED,
  boss integer,
  born date CHECK (born > '1850-01-01') NO INHERIT,
  CONSTRAINT one_name UNIQUE (name) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT own_boss FOREIGN KEY (boss) REFERENCES app.people DEFERRABLE
) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off);
INSERT INTO app.people (name, mood, age, boss, born)
  SELECT 'person ' || i, (enum_range(NULL::kinds.mood))[1 + i % 5], i, CASE WHEN i > 3 THEN 10 + 5 * (i % 3) END,
         date '1900-01-01' + i FROM generate_series(1, 300) AS i;
ALTER TABLE app.people ADD CONSTRAINT later CHECK (length(name) < 9) NOT VALID;
ALTER TABLE app.people ALTER COLUMN name SET STATISTICS 50, ALTER COLUMN note SET STORAGE external,
  ALTER COLUMN serial SET (n_distinct = -0.5), REPLICA IDENTITY USING INDEX people_pkey, CLUSTER ON people_pkey;
ALTER TABLE app.people OWNER TO lb_owner;
COMMENT ON TABLE app.people IS 'who there is';
COMMENT ON COLUMN app.people.name IS E'their "name"\n; DROP TABLE x; --';
COMMENT ON CONSTRAINT own_boss ON app.people IS 'a comment on a constraint';

-- Keys in a circle, and one that is not checked yet.
CREATE TABLE app.chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE app.egg (id int PRIMARY KEY, chicken int REFERENCES app.chicken ON DELETE SET NULL);
INSERT INTO app.chicken SELECT i, 101 - i FROM generate_series(1, 100) AS i;
INSERT INTO app.egg SELECT i, i FROM generate_series(1, 100) AS i;
ALTER TABLE app.chicken ADD CONSTRAINT laid FOREIGN KEY (egg) REFERENCES app.egg MATCH FULL ON UPDATE CASCADE
  DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE app.orphan (id int, chicken int);
INSERT INTO app.orphan VALUES (1, 4000);
ALTER TABLE app.orphan ADD FOREIGN KEY (chicken) REFERENCES app.chicken NOT VALID;
CREATE TABLE app.booking (room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0));
INSERT INTO app.booking SELECT i % 5, tsrange('2024-01-01'::timestamp + i * interval '1 hour',
  '2024-01-01'::timestamp + (i + 1) * interval '1 hour') FROM generate_series(1, 50) AS i;

-- Partitions: two levels, a default, one that was attached with other columns before, by hash, a foreign one.
CREATE TABLE app.event (id bigint GENERATED BY DEFAULT AS IDENTITY, at date NOT NULL, region text NOT NULL, body text,
  PRIMARY KEY (id, at, region)) PARTITION BY RANGE (at);
CREATE TABLE app.event_2023 PARTITION OF app.event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')
  PARTITION BY LIST (region);
CREATE TABLE app.event_2023_eu PARTITION OF app.event_2023 FOR VALUES IN ('de', 'fr');
CREATE TABLE app.event_2023_rest PARTITION OF app.event_2023 DEFAULT;
CREATE TABLE app.event_2024 (gone int, body text, region text NOT NULL, at date NOT NULL, gone2 int,
  id bigint NOT NULL);
ALTER TABLE app.event_2024 DROP COLUMN gone, DROP COLUMN gone2;
ALTER TABLE app.event ATTACH PARTITION app.event_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.event_rest PARTITION OF app.event (body DEFAULT 'rest') DEFAULT WITH (fillfactor = 80);
CREATE INDEX event_region ON app.event (region, lower(body));
CREATE INDEX event_only ON ONLY app.event (body);
INSERT INTO app.event (at, region, body)
  SELECT date '2022-06-01' + i * 3, (ARRAY['de', 'fr', 'us', 'jp'])[1 + i % 4], 'event ' || i
  FROM generate_series(1, 400) AS i;
-- By hash of an enum: after a restore rows belong elsewhere, because an enum hashes by the oids of its labels.
CREATE TABLE app.moods (mood kinds.mood, n int) PARTITION BY HASH (mood);
CREATE TABLE app.moods_0 PARTITION OF app.moods FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE app.moods_1 PARTITION OF app.moods FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE app.moods_2 PARTITION OF app.moods FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO app.moods SELECT (enum_range(NULL::kinds.mood))[1 + i % 5], i FROM generate_series(1, 200) AS i;
CREATE TABLE app.empty_parent (a int) PARTITION BY HASH (a);
CREATE TABLE app.refers (event_id bigint, at date, region text,
  FOREIGN KEY (event_id, at, region) REFERENCES app.event);
INSERT INTO app.refers SELECT id, at, region FROM app.event LIMIT 20;

CREATE TABLE app.base (id int NOT NULL DEFAULT 1, what text CHECK (what <> ''), PRIMARY KEY (id));
CREATE TABLE app.mixin (stamp timestamptz DEFAULT '2020-02-02 02:02:02+00');
CREATE TABLE app.child (extra jsonb, id int DEFAULT 2) INHERITS (app.base, app.mixin);
CREATE TABLE app.grandchild () INHERITS (app.child);
ALTER TABLE app.child ALTER COLUMN what SET DEFAULT 'child';
INSERT INTO app.base VALUES (1, 'base');
INSERT INTO app.child (id, what, extra) VALUES (2, 'child', '{"a": [1, null, "\\"]}');
INSERT INTO app.grandchild (id, what) VALUES (3, 'grandchild');

CREATE TABLE app.typed OF kinds.point3 (x WITH OPTIONS NOT NULL, PRIMARY KEY (label));
INSERT INTO app.typed VALUES (1.5, 2, 'a'), ('-Infinity', 'NaN', 'b');
CREATE UNLOGGED TABLE app.unlogged (a text);
\if :v15
-- Before, pg_dump writes LOGGED, which the old server does not know.
ALTER TABLE app.unlogged ADD COLUMN id int GENERATED ALWAYS AS IDENTITY;
\endif
INSERT INTO app.unlogged (a) VALUES ('not in the WAL'), (NULL);
CREATE TABLE app.zero_columns ();
INSERT INTO app.zero_columns DEFAULT VALUES;
INSERT INTO app.zero_columns DEFAULT VALUES;
CREATE TABLE app.all_dropped (a int);
INSERT INTO app.all_dropped VALUES (1), (2);
ALTER TABLE app.all_dropped DROP COLUMN a;
CREATE TABLE app.dropped (a int, b text, c int, d text);
INSERT INTO app.dropped VALUES (1, 'b', 3, 'd');
ALTER TABLE app.dropped DROP COLUMN a, DROP COLUMN c, ADD COLUMN e int DEFAULT 42;
CREATE TABLE app.only_generated (a int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO app.only_generated DEFAULT VALUES;
CREATE TABLE app.other_method (a int) USING lb_heap;
INSERT INTO app.other_method SELECT generate_series(1, 10);
\if :v15
CREATE TABLE app.newer (a int UNIQUE NULLS NOT DISTINCT, b text COMPRESSION pglz, id int REFERENCES app.chicken,
  c int, FOREIGN KEY (c) REFERENCES app.egg ON DELETE SET NULL (c));
CREATE VIEW app.invoker WITH (security_invoker = true) AS SELECT a FROM app.newer;
\endif

CREATE INDEX people_expression ON app.people ((lower(name) || note), born DESC NULLS LAST);
CREATE UNIQUE INDEX people_partial ON app.people (serial) INCLUDE (note) WHERE boss IS NULL;
CREATE INDEX people_hash ON app.people USING hash (name);
CREATE INDEX people_brin ON app.people USING brin (born) WITH (pages_per_range = 16);
CREATE INDEX people_trgm ON app.people USING gin (name ext.gin_trgm_ops) WITH (fastupdate = off);
CREATE INDEX people_down ON app.people (age app.downwards);
ALTER INDEX app.people_expression ALTER COLUMN 1 SET STATISTICS 400;
COMMENT ON INDEX app.people_partial IS 'a comment on an index';
CREATE STATISTICS app.people_together (ndistinct, mcv) ON name, mood FROM app.people;
ALTER STATISTICS app.people_together SET STATISTICS 77;
\if :v14
CREATE STATISTICS app.people_lower ON (lower(name)) FROM app.people;
\endif

-- ---- views, rules, triggers, policies ----

CREATE VIEW app.grown WITH (security_barrier) AS SELECT id, name, age FROM app.people WHERE age > 18
  WITH LOCAL CHECK OPTION;
ALTER VIEW app.grown ALTER COLUMN age SET DEFAULT 20;
COMMENT ON VIEW app.grown IS 'the adults';
CREATE RECURSIVE VIEW app.up_to (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM up_to WHERE n < 5;
-- A circle of two views; a view that needs a primary key; a function of a view's row that the view itself calls.
CREATE VIEW app.round_a AS SELECT 1 AS a;
CREATE VIEW app.round_b AS SELECT a FROM app.round_a;
CREATE OR REPLACE VIEW app.round_a AS SELECT a FROM app.round_b;
CREATE VIEW app.by_key AS SELECT id, name, count(*) FROM app.people GROUP BY id;
CREATE VIEW app.calls AS SELECT 1 AS a, 'x'::text AS b;
CREATE FUNCTION app.of_view(app.calls) RETURNS int LANGUAGE sql STABLE AS 'SELECT ($1).a';
CREATE OR REPLACE VIEW app.calls AS SELECT 1 AS a, app.of_view(NULL)::text AS b;
CREATE MATERIALIZED VIEW app.z_first AS SELECT mood, count(*) AS n FROM app.people GROUP BY mood;
CREATE MATERIALIZED VIEW app.a_second AS SELECT sum(n) AS n FROM app.z_first;
CREATE VIEW app.between AS SELECT n FROM app.a_second;
CREATE MATERIALIZED VIEW app.a_third WITH (fillfactor = 50) AS SELECT n FROM app.between;
CREATE MATERIALIZED VIEW app.not_filled AS SELECT * FROM app.z_first WITH NO DATA;
CREATE UNIQUE INDEX z_first_mood ON app.z_first (mood);
CREATE RULE people_log AS ON UPDATE TO app.grown WHERE NEW.id > 0 DO INSTEAD (
  UPDATE app.people SET note = 'a;b' WHERE id = NEW.id; SELECT ';' AS x);
CREATE RULE dropped_log AS ON INSERT TO app.dropped DO ALSO (NOTIFY dropped; DELETE FROM app.orphan WHERE id = -1);
CREATE RULE no_delete AS ON DELETE TO app.dropped DO INSTEAD NOTHING;
ALTER TABLE app.dropped DISABLE RULE no_delete;
COMMENT ON RULE no_delete ON app.dropped IS 'a comment on a rule';

CREATE TRIGGER t1_before BEFORE INSERT OR UPDATE OF note, name ON app.people FOR EACH ROW
  WHEN (NEW.note IS DISTINCT FROM 'x;y') EXECUTE FUNCTION app.loud('a', E'b''\\');
CREATE TRIGGER t2_disabled AFTER DELETE ON app.people EXECUTE FUNCTION app.after();
CREATE TRIGGER t3_replica AFTER TRUNCATE ON app.people EXECUTE FUNCTION app.after();
CREATE TRIGGER t4_always AFTER INSERT ON app.people REFERENCING NEW TABLE AS fresh EXECUTE FUNCTION app.after();
ALTER TABLE app.people DISABLE TRIGGER t2_disabled, ENABLE REPLICA TRIGGER t3_replica, ENABLE ALWAYS TRIGGER t4_always;
CREATE CONSTRAINT TRIGGER t5 AFTER INSERT ON app.people FROM app.chicken DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION app.after();
CREATE TRIGGER on_view INSTEAD OF INSERT ON app.calls FOR EACH ROW EXECUTE FUNCTION app.after();
CREATE TRIGGER on_partitions AFTER INSERT ON app.event FOR EACH ROW EXECUTE FUNCTION app.after();
ALTER TABLE app.event_2024 DISABLE TRIGGER on_partitions;
COMMENT ON TRIGGER t1_before ON app.people IS 'a comment on a trigger';

ALTER TABLE app.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON app.people AS RESTRICTIVE FOR SELECT TO lb_reader, lb_owner USING (name <> 'x;');
CREATE POLICY all_rows ON app.people USING (true) WITH CHECK (age < 500);
CREATE POLICY dormant ON app.dropped FOR INSERT WITH CHECK (false);
COMMENT ON POLICY own_rows ON app.people IS 'a comment on a policy';

CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG '%', tg_tag; END $$;
CREATE FUNCTION app.on_drop() RETURNS event_trigger LANGUAGE plpgsql
  AS $$ BEGIN RAISE EXCEPTION 'schemas stay'; END $$;
CREATE EVENT TRIGGER noticed ON ddl_command_end EXECUTE FUNCTION app.on_ddl();
CREATE EVENT TRIGGER schemas_stay ON sql_drop WHEN TAG IN ('DROP SCHEMA') EXECUTE FUNCTION app.on_drop();
CREATE EVENT TRIGGER asleep ON ddl_command_start EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER asleep DISABLE;
ALTER EVENT TRIGGER noticed ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER noticed IS 'a comment on an event trigger';

-- ---- foreign data, replication ----

CREATE FOREIGN DATA WRAPPER handless OPTIONS (debug 'true', "odd option" 'it''s');
CREATE SERVER far TYPE 'pg' VERSION '9' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nowhere', dbname 'none');
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE USER MAPPING FOR lb_reader SERVER far OPTIONS (user 'r', password 'not, a; secret');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'public');
CREATE FOREIGN TABLE app.far_table (a int OPTIONS (column_name 'b') NOT NULL, b text DEFAULT 'x', CHECK (a > 0))
  SERVER far OPTIONS (schema_name 'public', table_name 'x');
CREATE FOREIGN TABLE app.far_part PARTITION OF app.empty_parent FOR VALUES WITH (MODULUS 2, REMAINDER 0) SERVER far;
CREATE FOREIGN TABLE app.from_file (line text) SERVER files OPTIONS (filename '/nowhere/x.csv', format 'csv');
COMMENT ON SERVER far IS 'a comment on a server';
COMMENT ON FOREIGN TABLE app.far_table IS 'a comment on a foreign table';
CREATE PUBLICATION several FOR TABLE app.people, ONLY app.base WITH (publish = 'insert, delete');
-- Inserts only: the tests still want to update tables without a key.
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION roots FOR TABLE app.event WITH (publish_via_partition_root = true);
\if :v15
CREATE PUBLICATION parts FOR TABLE app.egg (id, chicken) WHERE (id > 5);
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA kinds, app WITH (publish = 'insert, truncate');
\endif
CREATE SUBSCRIPTION to_nowhere CONNECTION 'host=/nowhere dbname=none' PUBLICATION several, "odd one"
  WITH (connect = false, enabled = false, slot_name = NONE);
COMMENT ON PUBLICATION several IS 'a comment on a publication';
COMMENT ON SUBSCRIPTION to_nowhere IS 'a comment on a subscription';

-- ---- privileges ----

GRANT USAGE ON SCHEMA app TO lb_reader;
GRANT CREATE ON SCHEMA public TO lb_owner;
GRANT SELECT ON app.people TO lb_reader WITH GRANT OPTION;
-- Granted on by somebody who was granted it.
SET ROLE lb_reader;
GRANT SELECT ON app.people TO "lb_odd ""role""";
RESET ROLE;
GRANT SELECT (id, name), UPDATE (note) ON app.people TO PUBLIC;
GRANT ALL ON app.event, app.grown, app.far_table TO lb_owner;
REVOKE ALL ON app.child FROM postgres;
GRANT USAGE ON SEQUENCE app.counter TO lb_reader;
REVOKE EXECUTE ON FUNCTION app.add(int, int, int[]) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE app.nothing(text) TO lb_reader;
REVOKE USAGE ON TYPE kinds.mood FROM PUBLIC;
GRANT USAGE ON DOMAIN kinds.code TO lb_reader;
REVOKE USAGE ON LANGUAGE other FROM PUBLIC;
GRANT USAGE ON FOREIGN SERVER far TO lb_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER handless TO lb_owner;
REVOKE EXECUTE ON FUNCTION ext.similarity(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO lb_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE lb_owner IN SCHEMA app GRANT SELECT ON TABLES TO lb_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE lb_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO lb_reader;

\ir objects_data.sql

REFRESH MATERIALIZED VIEW app.z_first;
