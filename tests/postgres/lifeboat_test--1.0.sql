-- The extension lifeboat_test (tests/postgres/server.bash, install_test_extension): two tables with rows of its own, to
-- which users add theirs. A dump has the users' rows only (setting), all rows (log), or none (internal).
CREATE TABLE setting (
  key text PRIMARY KEY,
  value text,
  standard boolean NOT NULL DEFAULT false
);
INSERT INTO setting VALUES ('colour', 'blue', true), ('depth', '3', true);
CREATE SEQUENCE log_id;
CREATE TABLE log (id bigint PRIMARY KEY DEFAULT nextval('log_id'), line text);
CREATE TABLE internal (id int PRIMARY KEY);
INSERT INTO internal VALUES (1);
CREATE FUNCTION depth() RETURNS int LANGUAGE sql STABLE
  AS $$ SELECT value::int FROM lifeboat_test.setting WHERE key = 'depth' $$;

SELECT pg_extension_config_dump('setting', 'WHERE NOT standard');
SELECT pg_extension_config_dump('log', '');
SELECT pg_extension_config_dump('log_id', '');
