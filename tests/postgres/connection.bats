# Connections against a server that asks for a password: runs the C tests of test_connection.c that need one.
load ../helper
load server

setup_file() { pg_server_start --scram --tcp; }
teardown_file() { pg_server_stop_all; }

program() { echo "${LIFEBOAT_SO%/*}/tests/postgres/test_connection"; }

# The URI has the password; PGPASSFILE, by which the helpers know it, is out of the way.
served() {
  [ -x "$(program)" ] || { echo "$(program) is missing: run make unit" >&2; return 1; }
  local encoded
  percent encoded "$PG_PASSWORD"
  CMOCKA_MESSAGE_OUTPUT=TAP LB_TEST_PG_PASSWORD=$PG_PASSWORD LB_TEST_PG_URI=${1/SECRET/$encoded} \
    env -u PGPASSFILE -u PGHOST -u PGPORT -u PGUSER -u PGHOSTADDR "$(program)" 2>&1
}

@test "connections, statements, interrupts and pg_dump over a socket" {
  run served "postgresql://postgres:SECRET@/postgres?host=$PGHOST&port=$PGPORT"
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(grep -c '^ok ' <<<"$output")" -eq 8 ]
}

@test "the same over TCP, to the second of two hosts" {
  run served "postgresql://postgres:SECRET@127.0.0.1:1,127.0.0.1:$PGPORT/postgres?sslmode=prefer"
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(grep -c '^ok ' <<<"$output")" -eq 8 ]
}
