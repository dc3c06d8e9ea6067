-- The part of objects.sql with odd names and odd values: tables whose rows are hard to write down as text, identifiers
-- that try to break out of quotes and comments, and large objects.

CREATE SCHEMA data;

-- What COPY has to escape, and what looks like the end of it.
CREATE TABLE data.texts (id int PRIMARY KEY, t text);
INSERT INTO data.texts VALUES
  (1, NULL), (2, ''), (3, E'\\.'), (4, E'line\n\\.\nline'), (5, E'\\N'), (6, E'tab\tand\\ttab'),
  (7, E'\r\n\b\f\v\x01\x7f'), (8, E'\\'), (9, E'\\\\.'), (10, E'trailing\\'), (11, E'\n'), (12, '  spaces  '),
  (13, 'äöü ß € 漢字 🛟 ́'), (14, '-- Name: x; Type: TABLE'), (15, $$'; DROP TABLE data.texts; --$$),
  (16, E'\\connect other\n\\restrict x'), (17, 'NULL'), (18, repeat('wide ', 100000)), (19, E'\u00a0\u2028\ufeff');
INSERT INTO data.texts SELECT 20, string_agg(md5(i::text), E'\n' ORDER BY i) FROM generate_series(1, 90000) AS i;

CREATE TABLE data.numbers (i2 smallint, i8 bigint, n numeric, f4 real, f8 double precision, m money, o oid, b boolean);
INSERT INTO data.numbers VALUES
  (-32768, -9223372036854775808, 'NaN', 'NaN', 'NaN', '-92233720368547758.08', 4294967295, true),
  (32767, 9223372036854775807, 1e-300, 'Infinity', '-Infinity', '0.01', 0, false),
  (0, 0, 123456789012345678901234567890.123456789, 1.1754944e-38, 4.9e-324, NULL, NULL, NULL),
  (1, 1, 1.10, 0.1, 0.1, '1', 1, true), (2, 2, 1.1, 3.4028235e38, 1.7976931348623157e308, NULL, NULL, NULL),
  (3, 3, 1e400, -0.0, '-0', NULL, NULL, NULL), (4, 4, 0.000, 16777216, 0.30000000000000004, NULL, NULL, NULL);

CREATE TABLE data.times (d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval);
INSERT INTO data.times VALUES
  ('infinity', '24:00', '23:59:59.999999+15:59', 'infinity', '-infinity', '178000000 years'),
  ('-infinity', '00:00', '00:00-15:59', '-infinity', 'infinity', '-1 mon +1 day -00:00:00.000001'),
  ('4713-01-01 BC', '12:34:56.789012', '12:00+05:45', '4713-01-01 00:00:00 BC',
   '0044-03-15 12:00:00+00 BC', '1 year 2 mons'),
  ('5874897-12-31', NULL, NULL, '294276-12-31 23:59:59.999999', '2024-03-31 01:30:00+00', '-3 days'),
  ('2024-02-29', NULL, NULL, NULL, '1890-01-01 00:00:00+00', '00:00');

CREATE TABLE data.bytes (id int, b bytea, bits bit(5), vbits varbit, c "char", n name, ch char(5), vc varchar(5));
INSERT INTO data.bytes VALUES
  (1, '\x', B'10101', B'', 'a', 'name', 'ab', 'ab '), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, '\x005c2e0a5c4e0d0900ff', B'00000', B'1', E'\\', repeat('n', 63)::name, '', ''),
  (4, '\x5c2e', NULL, NULL, '', '', '     ', '     ');
INSERT INTO data.bytes SELECT 5, decode(string_agg(lpad(to_hex(i), 2, '0'), ''), 'hex')
  FROM generate_series(0, 255) AS i;
INSERT INTO data.bytes SELECT 6, decode(string_agg(md5(i::text), '' ORDER BY i), 'hex')
  FROM generate_series(1, 70000) AS i;
ALTER TABLE data.bytes ALTER COLUMN b SET STORAGE external;

CREATE TABLE data.nested (a int[], t text[], p kinds.point3, ps kinds.point3[], h ext.hstore, c ext.citext, j json,
  jb jsonb, x xml, m kinds.mood[], codes kinds.codes, blob kinds.blob, e kinds.empty_composite);
INSERT INTO data.nested VALUES
  ('[-2:0]={1,NULL,3}', ARRAY['a,b', '{', '"', E'\\', NULL, 'NULL', '', E'\n\t'], ROW(1, 2.50, E'(,")\\\n'),
   ARRAY[ROW('NaN', NULL, NULL), NULL, ROW(1, 1, '')]::kinds.point3[], '"a=>b"=>"\"\\", c=>NULL', 'CiText',
   '{"z": 1,  "z": 2, "t": "\u00e9\\n"}', '{"b": 1e2, "a": [], "t": "\\."}', '<a b="c">&amp;</a>', '{sad,"new
line"}', '{DE1,FR22}', E'blob\\', ROW()),
  ('{{1,2},{3,4}}', '{}', ROW(NULL, NULL, NULL), '{}', '', '', 'null', 'null', '', '{}', NULL, DEFAULT, NULL);

CREATE TABLE data.others (ip inet, net cidr, mac macaddr, mac8 macaddr8, u uuid, lsn pg_lsn, tv tsvector, tq tsquery,
  pt point, ln line, seg lseg, bx box, pa path, po polygon, ci circle, ir int4range, nr numrange, fr kinds.float_range,
  rc regclass, rt regtype, vec int2vector, tid tid, xid xid, jp jsonpath);
INSERT INTO data.others VALUES
  ('::ffff:1.2.3.4/96', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
   'FFFFFFFF/FFFFFFFF', $$'a\\b':1A,2 'it''s':3B$$, $$!'a b':*A & ('c' <-> 'd')$$, '(1e300,-0)', '{1,-1,0.1}',
   '[(0,0),(1,1)]', '((0,0),(1,1))', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),1>',
   '(1,9]', '[1.5,)', '(,2.5]',
   'app.people', 'kinds.mood', '1 2 3', '(7,8)', '42', '$."a b"[*] ? (@.c like_regex "^\\." flag "i")');
INSERT INTO data.others (ip, ir) VALUES ('0.0.0.0', 'empty');
\if :v14
CREATE TABLE data.many (m kinds.many_times, n nummultirange, x xid8);
INSERT INTO data.many VALUES ('{[08:00,09:00),[10:00,)}', '{}', '18446744073709551615');
\endif

-- ---- names ----

CREATE SCHEMA "Odd "" schema; --";
CREATE TABLE "Odd "" schema; --"."Odd
table \. $$ %s ' /*" ("from" int, "a b" text, "ä" text, "quote""d" text, "new
line" text DEFAULT E'new\nline', "back\slash" text, "-- Name: y; Type: TABLE" text,
  "Ünïcödé" int GENERATED ALWAYS AS IDENTITY,
  CONSTRAINT "check ""it""" CHECK ("from" > 0));
INSERT INTO "Odd "" schema; --"."Odd
table \. $$ %s ' /*" VALUES (1, 'b', 'ä', '"', DEFAULT, '\', '--');
COMMENT ON TABLE "Odd "" schema; --"."Odd
table \. $$ %s ' /*" IS E'comment\n\\.\n*/ -- '' ; \\q';
CREATE INDEX "index
; DROP SCHEMA app; --" ON "Odd "" schema; --"."Odd
table \. $$ %s ' /*" ("quote""d");
CREATE TYPE "Odd "" schema; --"."select" AS ENUM ('', ' ', '''', '"', '\');
CREATE TABLE "Odd "" schema; --"."table" ("select" "Odd "" schema; --"."select" DEFAULT '\');
INSERT INTO "Odd "" schema; --"."table" VALUES (''), (' '), (''''), ('"'), ('\'), (NULL);
CREATE SEQUENCE "Odd "" schema; --"."Se""q
uence" START 7;
CREATE FUNCTION "Odd "" schema; --"."f(x)"("a b" int) RETURNS int LANGUAGE sql AS 'SELECT "a b"';
CREATE TABLE public."UPPER" ("user" text, "Id" serial PRIMARY KEY);
INSERT INTO public."UPPER" VALUES ('u');
CREATE TABLE public.a123456789b123456789c123456789d123456789e123456789f123456789xyz (id int);
GRANT SELECT ON "Odd "" schema; --"."table" TO "lb_odd ""role""";
ALTER TABLE public."UPPER" OWNER TO "lb_odd ""role""";

-- ---- large objects ----

SELECT lo_create(70001);                                              -- empty
SELECT lo_from_bytea(70002, decode(string_agg(md5(i::text), '' ORDER BY i), 'hex')) FROM generate_series(1, 40000) AS i;
SELECT lo_from_bytea(70003, '\x005c2e0a27');
SELECT lo_create(70004);
SELECT lo_put(70004, 500000, '\x656e64');                             -- a hole before it
SELECT lo_from_bytea(70005, 'it''s; \\.'::bytea);
COMMENT ON LARGE OBJECT 70003 IS E'a comment; on\n\\.\na large object';
ALTER LARGE OBJECT 70002 OWNER TO lb_owner;
GRANT SELECT ON LARGE OBJECT 70003 TO lb_reader WITH GRANT OPTION;
GRANT ALL ON LARGE OBJECT 70003 TO PUBLIC;
REVOKE ALL ON LARGE OBJECT 70005 FROM postgres;
