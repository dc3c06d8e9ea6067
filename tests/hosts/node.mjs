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
db.loadExtension(process.env.LIFEBOAT_SO);
const second = new DatabaseSync(':memory:', { allowExtension: true });
second.loadExtension(process.env.LIFEBOAT_SO);
db.close();
assert.equal(Object.values(second.prepare("SELECT backup_verify('latest')").get())[0], 'ok');
second.close();
assert.deepEqual(readdirSync(process.env.BACKUP_DIR).filter((f) => f.includes('partial')), []);
