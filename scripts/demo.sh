#!/usr/bin/env bash
# Shows Lifeboat at work, in a temporary folder that is removed afterwards: a shop's database is backed up while another
# process writes to it, the backup is listed and verified, the database is damaged, restored, and looked at again.
#
#   scripts/demo.sh [ORDERS]     (`make demo` builds the extension first; default: 200000 orders, about 14 MB)
#
# Prints every SQL statement that it runs, and its result. Ends with a status other than 0 as soon as anything is not
# as it should be. LIFEBOAT_SO names the extension where it is not build/lifeboat.so.
set -u
LC_ALL=C
export LC_ALL

root=$(readlink -f -- "$0")
root=${root%/*/*}
so=$(readlink -f -- "${LIFEBOAT_SO:-$root/build/lifeboat.so}")
orders=${1:-200000}
tmp=
writer=

finish() {
  [ -z "$writer" ] || { touch "$tmp/stop"; wait "$writer"; }
  [ -z "$tmp" ] || rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
  printf '\ndemo: NOT as it should be: %s\n' "$1" >&2
  exit 1
}

say() { printf '\n%s\n' "$*"; }

# run MODE SQL: prints the statement as one would type it, runs it, prints what came; keeps it in `result`. The list
# mode is for single values, box for tables.
run() {
  printf '\nsqlite> %s\n' "${2//$'\n'/$'\n'   ...> }"
  result=$(quietly "$1" "$2")
  local status=$?
  [ -z "$result" ] || printf '%s\n' "$result"
  return $status
}

quietly() {
  printf '%s\n;\n' "$2" |
    sqlite3 -init /dev/null -batch -bail "-$1" -cmd '.timeout 5000' -cmd '.load ./lifeboat' shop.db 2>&1
}

must() { run "$@" || fail 'that statement failed'; }

# What every transaction of the shop keeps true: a customer's number of orders is the number of that customer's orders.
books="SELECT iif((SELECT sum(orders) FROM customer) = (SELECT count(*) FROM orders), 'balanced', 'NOT balanced')"

[ -f "$so" ] || fail "the extension is not built: no $so (make builds it)"
command -v sqlite3 >/dev/null || fail 'the sqlite3 command is missing (scripts/bootstrap.sh build installs it)'
[[ $orders =~ ^[1-9][0-9]{3,7}$ ]] && [ "$orders" -ge 5000 ] ||
  fail "ORDERS must be a number from 5000 to 99999999, not $orders"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-demo.XXXXXX") && cd "$tmp" || fail 'cannot make a temporary folder'
ln -s "$so" lifeboat.so || fail 'cannot make a link in the temporary folder'
mkdir backups || fail 'cannot make the folder of backups'
unset RETENTION_DAYS ADMIN_DB_TYPE ADMIN_DB_PATH ADMIN_DATABASE_URL BACKUP_NAME
unset RESTORE_BACKUP RESTORE_TARGET RESTORE_OPTIONS
export BACKUP_DIR=$tmp/backups

say "1. A shop's database, shop.db: customers and $orders orders. Backups go to \$BACKUP_DIR, here $BACKUP_DIR."
sqlite3 -init /dev/null -batch -bail shop.db >/dev/null <<SQL || fail 'the database could not be made'
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, orders INTEGER NOT NULL);
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer, placed TEXT NOT NULL,
  item TEXT NOT NULL, cents INTEGER NOT NULL);
WITH RECURSIVE
  n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000),
  first AS (SELECT key, value FROM json_each('["Ada","Bruno","Chiara","David","Elif","Farah","Goran","Hana","Ines"]')),
  last AS (SELECT key, value FROM json_each('["Novak","Silva","Okafor","Larsen","Meyer","Tanaka","Rossi","Dubois"]')),
  city AS (SELECT key, value FROM json_each('["Lisbon","Oslo","Lagos","Kyoto","Turin","Lyon","Graz"]'))
INSERT INTO customer SELECT i, first.value || ' ' || last.value, city.value, 0
  FROM n JOIN first ON first.key = i % 9 JOIN last ON last.key = i / 9 % 8 JOIN city ON city.key = i * 13 % 7;
WITH RECURSIVE
  n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $orders),
  item AS (SELECT key, value FROM json_each('["teapot","lantern","notebook","rain coat","chess set","bicycle bell"]'))
INSERT INTO orders SELECT i, i * 7919 % 1000 + 1, datetime('2025-01-01', '+' || (i * 7 % 525600) || ' minutes'),
  item.value, 500 + i * 104729 % 19500 FROM n JOIN item ON item.key = i * 31 % 6;
UPDATE customer SET orders = made.n FROM (SELECT customer, count(*) AS n FROM orders GROUP BY customer) AS made
 WHERE made.customer = customer.id;
CREATE INDEX orders_placed ON orders(placed);
COMMIT;
SQL
# One sale.
sale="BEGIN IMMEDIATE;
INSERT INTO orders(customer, placed, item, cents) VALUES (7, datetime('now'), 'sold during the demo', 1250);
UPDATE customer SET orders = orders + 1 WHERE id = 7;
COMMIT;"
must box "SELECT o.id, c.name, c.city, o.item, printf('%.2f', o.cents / 100.0) AS price
  FROM orders AS o JOIN customer AS c ON c.id = o.customer ORDER BY o.id LIMIT 3;"
must list 'SELECT backup_version();'

say '2. Another process sells all the time: each order and the count beside its customer are one transaction.'
while [ ! -e stop ]; do
  printf '%s\n' "$sale"
  sleep 0.01
done | sqlite3 -init /dev/null -batch -bail -cmd '.timeout 10000' shop.db >/dev/null 2>writer.errors &
writer=$!

# Waits until the other process has sold more than $1 orders in all.
wait_for_sales() {
  local tries sold
  for tries in {1..300}; do
    sold=$(quietly list "SELECT count(*) FROM orders") && [ "$sold" -gt "$1" ] && return
    [ ! -s writer.errors ] || fail "the other process: $(cat writer.errors)"
    sleep 0.05
  done
  fail "the other process sells nothing ($tries looks)"
}

wait_for_sales "$orders"
must list 'SELECT count(*) FROM orders;'
before=$result

say '3. Back up while it sells. Nobody waits for anybody.'
must list "SELECT backup_create('main');"
backup=$result
[ -f "$backup" ] || fail "no such file: $backup"
after=$(quietly list 'SELECT count(*) FROM orders') || fail "$after"
wait_for_sales "$after"
must list 'SELECT count(*) FROM orders;'
printf 'It went on selling: %d orders before the backup, %d by now.\n' "$before" "$result"

say '4. What is in the folder of backups? Is the backup good?'
must box "SELECT file, created_at, bytes, raw_bytes FROM backups;"
[[ $result == *"${backup##*/}"* ]] || fail 'the backup is not listed'
must list "SELECT backup_verify('latest', 'full');"
[ "$result" = ok ] || fail 'the backup does not verify'
printf '\n$ gunzip -t %s\n' "${backup##*/}"
gunzip -t "$backup" || fail 'gunzip does not take it'
printf 'fine: it is an ordinary .gz as well\n'

touch stop
wait "$writer" || fail "the other process: $(cat writer.errors)"
writer=
[ ! -s writer.errors ] || fail "the other process: $(cat writer.errors)"

say '5. The shop closes for today. At night something overwrites 64 KiB in the middle of shop.db.'
quietly list 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null || fail 'the checkpoint failed'
size=$(stat -c %s shop.db)
[ "$size" -gt 262144 ] || fail "the database is too small to be damaged in its middle ($size bytes)"
yes 'lorem ipsum' | head -c 65536 |
  dd of=shop.db bs=4096 seek=$((size / 8192)) conv=notrunc iflag=fullblock status=none || fail 'dd failed'
run list 'PRAGMA integrity_check(3);'
[ "$result" != ok ] || fail 'the damage was not noticed'

say '6. Restore. What is there, damaged as it is, is kept first; an existing database is replaced only when told to.'
if run list "SELECT backup_restore('latest', 'shop.db');"; then fail 'it was replaced without being told'; fi
[[ $result == *overwrite* ]] || fail 'another error than expected'
# From a connection of its own, as after any accident: nothing of the damaged database is open.
sql="SELECT key, atom FROM json_each(backup_restore('latest', 'shop.db', '{\"overwrite\":true}'));"
must box "$sql"

say '7. Is all there again?'
must list 'PRAGMA integrity_check;'
[ "$result" = ok ] || fail 'the restored database is damaged'
must list 'SELECT count(*) FROM orders;'
[ "$result" -ge "$before" ] && [ "$result" -le "$after" ] ||
  fail "$result orders: the backup was made when there were between $before and $after"
must list "$books;"
[ "$result" = balanced ] || fail 'the backup caught half a transaction'
must box "SELECT o.id, c.name, c.city, o.item, printf('%.2f', o.cents / 100.0) AS price
  FROM orders AS o JOIN customer AS c ON c.id = o.customer ORDER BY o.id DESC LIMIT 3;"
must box "SELECT operation, started_at, round(seconds, 3) AS seconds, coalesce(error, 'fine') AS outcome
  FROM backup_history ORDER BY id;"
compgen -G 'shop.db.before_restore.*' >/dev/null || fail 'the damaged database was not kept'

say 'All is as it should be. In your own shell: sqlite3, then .load ./build/lifeboat; docs/quickstart.md goes on.'
