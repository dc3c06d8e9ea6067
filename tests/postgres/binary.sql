-- Tables whose rows Lifeboat sends in COPY's binary form: values at the ends of every type's range, and many that are
-- drawn by their number, so that two databases of this script are equal.
CREATE FUNCTION pg_temp.h(n bigint, salt int) RETURNS bigint LANGUAGE sql IMMUTABLE
  AS $$ SELECT hashint8extended(n, salt) $$;
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN very_positive AS positive CHECK (value > 1);
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', E'tab\there', 'glücklich');

CREATE TABLE integers (a int2, b int4, c int8, d bool, e very_positive, "F ""q""" int);
INSERT INTO integers VALUES (-32768, -2147483648, -9223372036854775808, true, 2, 0),
  (32767, 2147483647, 9223372036854775807, false, 2147483647, -1), (0, 0, 0, NULL, NULL, NULL);
INSERT INTO integers SELECT pg_temp.h(n, 1) >> 48, pg_temp.h(n, 2) >> 32, pg_temp.h(n, 3) >> (n % 64)::int, n % 3 = 0,
  2 + n, CASE WHEN n % 7 > 0 THEN n END FROM generate_series(1, 5000) AS n;

CREATE TABLE floats (a float4, b float8);
INSERT INTO floats SELECT m * power(10::float8, e)::float4, m * power(10::float8, 8 * e)
  FROM generate_series(-36, 36) AS e, unnest(ARRAY[1, -1, 0.1, 3.4028234, 9.999999, -1.7976931348623157, 0]) AS m;
INSERT INTO floats SELECT pg_temp.h(n, 1)::float8 / 7 * power(2::float8, pg_temp.h(n, 2) % 60),
  pg_temp.h(n, 3)::float8 / 3 * power(2::float8, pg_temp.h(n, 4) % 900) FROM generate_series(1, 5000) AS n;

CREATE TABLE numerics (a numeric, b numeric(12, 6), c numeric(5, 0), d numeric(30, 10));
INSERT INTO numerics VALUES (0, 0, 0, 0), (0.000, -0.000001, 99999, -0.0000000001),
  (repeat('9', 900)::numeric, 999999.999999, -99999, 99999999999999999999.9999999999),
  (('-0.' || repeat('0', 800) || '123')::numeric, NULL, NULL, 10000), (1e100, 1, 10000, 0.0001), (1e-100, 0.1, 1, 100000000);
INSERT INTO numerics SELECT pg_temp.h(n, 1)::numeric / power(10::numeric, (n % 40)::int),
  (pg_temp.h(n, 2) % 1000000000000) / 1000000.0, pg_temp.h(n, 3) % 100000,
  (pg_temp.h(n, 4) % 1000000000000000) * 10::numeric ^ ((n % 5)::int - 2) FROM generate_series(1, 5000) AS n;

CREATE TABLE strings (a text, b varchar(40), c char(7), d json, e jsonb, f mood, g bytea, h uuid);
INSERT INTO strings VALUES ('', '', '', '""', '""', 'sad', '', '00000000-0000-0000-0000-000000000000'),
  (E'\b\f\n\r\t\v\\ \\N \\. \\x41 \\101', E'\\.', E'\\N', E'{"a": "\\n\\\\"}', E'{"b": "\\t\\""}', E'tab\there', '\x5c4e0a09',
    'ffffffff-ffff-ffff-ffff-ffffffffffff'), (E'\\N', E'\\.', 'N', '[]', 'null', 'glücklich', '\x00', NULL),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), ('日本語 😀 ü', 'é', 'ß', '"é"', '"é"', 'it''s "ok"', '\xff', NULL);
INSERT INTO strings SELECT repeat(chr(1 + (n % 127)::int), (n % 9)::int) || md5(n::text), left(md5(n::text), (n % 40)::int),
  left(md5(n::text), (n % 8)::int), json_build_object('k', n, 't', repeat(E'\\\n"', (n % 5)::int)),
  jsonb_build_object('k', n, 't', repeat(E'\\\n"', (n % 5)::int)), (enum_range(NULL::mood))[1 + n % 4],
  decode(repeat(md5(n::text), (n % 9)::int), 'hex') || substr('\x0102030405060708'::bytea, 1, (n % 8)::int), md5(n::text)::uuid
  FROM generate_series(1, 5000) AS n;

CREATE TABLE addresses (a inet, b cidr);
INSERT INTO addresses VALUES ('0.0.0.0', '0.0.0.0/0'), ('255.255.255.255', '255.255.255.255'), ('::', '::/0'),
  ('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff::/16'), ('::ffff:1.2.3.4', '::ffff:1.2.3.4'), ('1.2.3.4/0', '10/8');
INSERT INTO addresses SELECT CASE n % 2 WHEN 0 THEN '0.0.0.0'::inet + (pg_temp.h(n, 1) & 4294967295)
  ELSE set_masklen('2001:db8::'::inet + (pg_temp.h(n, 1) & 9223372036854775807), (n % 129)::int) END,
  network(set_masklen('0.0.0.0'::inet + (pg_temp.h(n, 2) & 4294967295), (n % 33)::int)) FROM generate_series(1, 5000) AS n;

CREATE TABLE times (a date, b time, c timestamp, d timestamptz, e timestamptz(2));
INSERT INTO times VALUES ('0001-01-01', '00:00', '0001-01-01', '0001-01-02 00:00+00', '0001-01-02 00:00+00'),
  ('9999-12-31', '23:59:59.999999', '9999-12-31 23:59:59.999999', '9999-12-30 23:59:59.999999+00', '9999-12-30 00:00+00'),
  ('infinity', NULL, 'infinity', 'infinity', '-infinity'), ('-infinity', NULL, '-infinity', '-infinity', 'infinity'),
  ('2000-02-29', '12:00', '1900-02-28 23:59:59.5', '1970-01-01 00:00+00', '1883-11-18 12:03:57.99-05');
INSERT INTO times SELECT date '2000-01-01' + (pg_temp.h(n, 1) % 700000)::int, time '00:00' + pg_temp.h(n, 2) % 86400000000 * interval '1 us',
  timestamp '2000-01-01' + pg_temp.h(n, 3) % 60000000000000000 * interval '1 us',
  timestamptz '2000-01-01' + pg_temp.h(n, 4) % 60000000000000000 * interval '1 us',
  timestamptz '2000-01-01' + pg_temp.h(n, 5) % 4000000000000000 * interval '1 us' FROM generate_series(1, 5000) AS n;
