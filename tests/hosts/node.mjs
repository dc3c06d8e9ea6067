// Lifeboat in Node's own SQLite, which is newer than the system's. Run with BACKUP_DIR and LIFEBOAT_SO set.
import { DatabaseSync } from 'node:sqlite';
import assert from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const db = new DatabaseSync('app.db', { allowExtension: true });
db.loadExtension(process.env.LIFEBOAT_SO);
const one = (sql, ...args) => Object.values(db.prepare(sql).get(...args))[0];

db.exec("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES('kept')");
assert.match(one('SELECT backup_version()'), new RegExp(`SQLite ${one('SELECT sqlite_version()')}\\)$`));
const path = one('SELECT backup_create(?, ?)', 'main', JSON.stringify({ verify: 'full', check: true }));
assert.equal(gunzipSync(readFileSync(path)).subarray(0, 15).toString(), 'SQLite format 3');
assert.equal(one("SELECT backup_verify('latest', 'full')"), 'ok');
assert.equal(one('SELECT count(*) FROM backups'), 1);

db.exec("BEGIN; INSERT INTO t VALUES('pending')");
assert.throws(() => one("SELECT backup_create('main')"), /COMMIT first, then back up/);
db.exec('ROLLBACK; DELETE FROM t');
const report = JSON.parse(one("SELECT backup_restore('latest', 'main', ?)", '{"overwrite":true}'));
assert.equal(report.check, 'ok');
assert.equal(one('SELECT a FROM t'), 'kept');
assert.equal(one('PRAGMA journal_mode'), 'wal');
db.exec("DELETE FROM t; ATTACH backup_uri('latest') AS old; INSERT INTO t SELECT a FROM old.t");
assert.equal(one('SELECT a FROM t'), 'kept');
assert.throws(() => db.exec('DELETE FROM old.t'), /attempt to write a readonly database/);
const inside = new DatabaseSync(one("SELECT backup_uri('latest')"), { readOnly: true });
assert.equal(inside.prepare('SELECT a FROM t').get().a, 'kept');
inside.close();
db.exec('DETACH old');
assert.equal(one('SELECT backup_rotate()'), 0);
assert.throws(() => db.exec("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT backup_create('main'); END; INSERT INTO t VALUES(1)"),
  /unsafe use of backup_create/);
assert.throws(() => db.exec('CREATE TEMP VIEW v AS SELECT * FROM backups; DELETE FROM backups'), /may not be modified/);
// A full-text index that somebody forgot to keep: this SQLite's integrity_check tells of it, and it is no damage.
const odd = new DatabaseSync('odd.db', { allowExtension: true });
odd.loadExtension(process.env.LIFEBOAT_SO);
odd.exec("CREATE TABLE m(t); INSERT INTO m VALUES('one'); CREATE VIRTUAL TABLE f USING fts4(content='m', t); " +
  "INSERT INTO f(f) VALUES('rebuild'); UPDATE m SET t='two'");
const told = 'malformed inverted index for FTS4 table main.f';
assert.equal(odd.prepare('PRAGMA integrity_check').get().integrity_check, told);
odd.prepare('SELECT backup_create(?, ?)').get('main', '{"check":true,"verify":"full"}');
assert.equal(JSON.parse(Object.values(odd.prepare("SELECT backup_restore('latest:odd', './odd2.db')").get())[0]).notes, told);
odd.close();
// An index on an expression that another SQLite computed, and rounded otherwise: told by newer ones, and no damage.
const rounded = new DatabaseSync('rounded.db', { allowExtension: true, defensive: false });
rounded.loadExtension(process.env.LIFEBOAT_SO);
rounded.exec("CREATE TABLE r(id INTEGER PRIMARY KEY, a REAL); CREATE INDEX i ON r(a*1.1); INSERT INTO r(a) VALUES(1.5), (2.5); " +
  "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE INDEX i ON r(a*1.1000000000000003)' WHERE name='i'; " +
  'PRAGMA writable_schema=RESET');
const imprecise = 'index i stores an imprecise floating-point value for row 1';
if (rounded.prepare('PRAGMA integrity_check').get().integrity_check === imprecise) {
  rounded.prepare('SELECT backup_create(?, ?)').get('main', '{"check":true,"verify":"full"}');
  assert.equal(JSON.parse(Object.values(rounded.prepare("SELECT backup_restore('latest:rounded', './rounded2.db')").get())[0]).notes,
    `entries of indexes that another SQLite rounded otherwise (REINDEX makes them anew): 2, the first one: ${imprecise}`);
}
// A collation of the application's in a column beside the key of a table WITHOUT ROWID: newer ones look at no row then.
rounded.exec("CREATE TABLE w(id TEXT PRIMARY KEY, a TEXT COLLATE NOCASE) WITHOUT ROWID; INSERT INTO w VALUES('x', 'y'); " +
  "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'NOCASE', 'of_elsewhere') WHERE name='w'; " +
  'PRAGMA writable_schema=RESET');
rounded.prepare("SELECT backup_create('main')").get();
try {
  rounded.prepare("SELECT backup_restore('latest:rounded', './rounded.db', ?)").get('{"tables":["w"]}');
} catch (e) {
  assert.match(e.message, /^table w cannot be restored by itself here: .*: no such collation sequence: of_elsewhere$/);
}
rounded.close();
db.loadExtension(process.env.LIFEBOAT_SO);
const second = new DatabaseSync(':memory:', { allowExtension: true });
second.loadExtension(process.env.LIFEBOAT_SO);
db.close();
assert.equal(Object.values(second.prepare("SELECT backup_verify('latest:app')").get())[0], 'ok');
second.close();
assert.deepEqual(readdirSync(process.env.BACKUP_DIR).filter((f) => f.includes('partial')), []);
