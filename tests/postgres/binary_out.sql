-- What binary.sql leaves out because the server has to read it as text: values at the ends of what types hold, and types
-- whose text is asked for. Each table has a column for which the binary form pays (tables.sql), unless it tells.
CREATE SCHEMA far;
SET client_min_messages = warning;
SET search_path = far, public;
CREATE TYPE pair AS (a int, b text);
CREATE TYPE span AS RANGE (subtype = timestamptz);
CREATE DOMAIN short AS varchar(9) CHECK (value <> 'x');
CREATE DOMAIN shorter AS short;
CREATE DOMAIN some_pairs AS pair[];
CREATE TYPE "Mood ""q""" AS ENUM ('ok', E'back\\slash', E'line\nfeed');

CREATE TABLE times (a date, b time, c timestamp, d timestamptz, e timestamptz(3), f timetz, g interval);
INSERT INTO times VALUES ('4714-11-24 BC', '24:00:00', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00+00 BC', '0001-01-01 00:00:00+00 BC',
  '24:00:00-15:59', '-178000000 years'), ('5874897-12-31', '00:00:00.000001', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00',
  '10000-01-01 00:00:00+00', '00:00+15:59', '1 mon -1 days 00:00:00.1'), ('0001-12-31 BC', '00:00:00.1', '0001-12-31 23:59:59.9 BC',
  '0001-12-31 23:59:59.12 BC', '0401-02-29 00:00+00 BC', NULL, '0'), ('0001-01-01', '00:00:00.00001', '0001-01-01', '0001-01-01', '1900-02-28', NULL, NULL),
  ('-infinity', '01:02:03', 'infinity', '-infinity', 'infinity', NULL, NULL), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO times SELECT date '4714-11-24 BC' + (n * 429131.7)::int, time '00:00' + n * interval '17.280001 s',
  timestamp '4714-11-24 00:00 BC' + n * interval '21800 days 7 hours 0.123457 s',
  timestamptz '4714-11-24 00:00+00 BC' + n * interval '21800 days 11 hours 59.9 s',
  timestamptz '4000-01-01 00:00+00 BC' + n * interval '700 days 3.0035 s' FROM generate_series(1, 4990) AS n;

CREATE TABLE numbers (u bytea, a numeric, b numeric(1000, 500), c float4, d float8, e money, f oid, g "char", h numeric(20, 3)[]);
INSERT INTO numbers VALUES (NULL, 'NaN', 'NaN', 'NaN', '-Infinity', '-1234567.89', 4294967295, E'\\377', '{NaN,1.500,NULL}'),
  (NULL, repeat('9', 131072)::numeric, 0, 'Infinity', 'NaN', 0, 0, '', '{}'),
  (NULL, ('-0.' || repeat('0', 16000) || '1')::numeric, ('0.' || repeat('0', 499) || '1')::numeric, 1e-45, 5e-324, 1, 1, E'\t', NULL),
  (NULL, 1e10000, -1e499, 3.4028235e38, 1.7976931348623157e308, 2, 2, E'\\', '{{1,2},{3,4}}');
INSERT INTO numbers (a, b, d) SELECT hashint8extended(n, 1)::numeric * power(10::numeric, n % 61 - 30),
  hashint8extended(n, 2)::numeric * power(10::numeric, n % 41 - 39), hashint8extended(n, 3)::float8 * power(2::float8, n % 1500 - 1040)
  FROM generate_series(1, 5000) AS n;

CREATE TABLE addresses (a inet, b cidr, c macaddr);
INSERT INTO addresses SELECT (CASE n % 2 WHEN 0 THEN '::' ELSE 'ffff::' END)::inet
    + CASE n / 64 % 3 WHEN 0 THEN 0 ELSE (1::bigint << (n % 63)::int) END + n % 3, set_masklen('::'::cidr, 0), '08:00:2b:01:02:03'
  FROM generate_series(0, 400) AS n;
-- Groups of zeros wherever they can be.
INSERT INTO addresses SELECT x::inet, NULL, NULL
  FROM (SELECT string_agg(CASE WHEN n >> g & 1 = 1 THEN to_hex(1 + n * 7 % 65535) ELSE '0' END, ':' ORDER BY g) AS x
          FROM generate_series(0, 255) AS n, generate_series(0, 7) AS g GROUP BY n) AS made;
INSERT INTO addresses VALUES ('::ffff:1.2.3.4/96', '::ffff:1.2.3.0/120', NULL), ('::1.2.3.4', '10.1.0.0/16', NULL), ('0.0.0.0/0', '0.0.0.0/0', NULL);

CREATE TABLE strings (a shorter, b "Mood ""q""", c name, d xml, e bit(5), f varbit, g tsvector, h point, i jsonb, j json, k bytea, l text COLLATE "C");
INSERT INTO strings VALUES ('', 'ok', '', '', B'10101', B'', '', '(1,2)', '{"a": "\\\t"}', E'{\n"a":\t1 }', '', ''),
  (E'\\N', E'back\\slash', E'a\tb\\', E'<a>\n</a>', B'00000', B'1', '''a'':1 ''b\c'':2', '(Infinity,NaN)', '[]', '1', '\x00', E'\\.'),
  (NULL, E'line\nfeed', NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'null', NULL, NULL), (E'\r\n\b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- Every character below 256 at every place of what is looked at together, and bytes of every length.
INSERT INTO strings (k, l) SELECT substr(decode(repeat(md5(n::text), 3), 'hex'), 1, n % 48),
  repeat('.', n % 17) || chr(1 + n % 255) || repeat('-', n / 17 % 19) || chr(1 + n * 7 % 127) FROM generate_series(1, 5000) AS n;

CREATE TABLE arrays (b bytea, a int[], p pair, q some_pairs, r span, i int4range, t text[], e "Mood ""q"""[]);
INSERT INTO arrays VALUES ('\x01', '{1,NULL,3}', '(1,"a\\b")', '{"(1,x)","(2,\"y z\")"}', '[2021-01-01 00:00+01,)', 'empty', E'{"a\\tb","c\\\\d",NULL}', '{ok}'),
  (NULL, '[0:1]={5,6}', '(,)', '{}', NULL, '(,5)', '{}', '{}');

-- Of these no column is worth it, or one may not be asked for.
CREATE TABLE only_text_numbers (a int, b bigint, c bool, d numeric, e float8, f jsonb);
INSERT INTO only_text_numbers SELECT n, n * 1000000007::bigint, n % 2 = 0, n / 7.0, n / 7.0, jsonb_build_object('n', n) FROM generate_series(1, 100) AS n;
CREATE TABLE only_text_nothing ();
INSERT INTO only_text_nothing DEFAULT VALUES;
CREATE TYPE lower;
CREATE FUNCTION lower_in(cstring) RETURNS lower STRICT IMMUTABLE LANGUAGE internal AS 'textin';
CREATE FUNCTION lower_out(lower) RETURNS cstring STRICT IMMUTABLE LANGUAGE internal AS 'textout';
CREATE FUNCTION lower_send(lower) RETURNS bytea STRICT IMMUTABLE LANGUAGE internal AS 'textsend';
CREATE TYPE lower (LIKE = text, INPUT = lower_in, OUTPUT = lower_out, SEND = lower_send);
CREATE TABLE only_text_own (a uuid, b lower);
INSERT INTO only_text_own SELECT md5(n::text)::uuid, lower_in(('own ' || n)::cstring) FROM generate_series(1, 100) AS n;
-- A type of one's own that sends numbers and writes something else.
CREATE TYPE odd;
CREATE FUNCTION odd_in(cstring) RETURNS odd STRICT IMMUTABLE LANGUAGE internal AS 'oidin';
CREATE FUNCTION odd_out(odd) RETURNS cstring STRICT IMMUTABLE LANGUAGE internal AS 'oidout';
CREATE FUNCTION odd_send(odd) RETURNS bytea STRICT IMMUTABLE LANGUAGE internal AS 'int4send';
CREATE TYPE odd (LIKE = int4, INPUT = odd_in, OUTPUT = odd_out, SEND = odd_send);
CREATE TABLE only_text_odd (a uuid, b odd);
INSERT INTO only_text_odd VALUES (NULL, '4294967295'), (NULL, '5');
