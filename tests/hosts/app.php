<?php
// Lifeboat in PHP's SQLite3 class. loadExtension takes a file name in the folder that sqlite3.extension_dir names.
function check(bool $what, string $said): void {
    if (!$what) {
        fwrite(STDERR, "failed: $said\n");
        exit(1);
    }
}
$db = new SQLite3('app.db');
$db->enableExceptions(true);
$db->loadExtension(basename(getenv('LIFEBOAT_SO')));
$db->exec("CREATE TABLE t(a); INSERT INTO t VALUES('kept')");
$create = $db->prepare('SELECT backup_create(:source, :options)');
$create->bindValue(':source', 'main');
$create->bindValue(':options', json_encode(['verify' => true, 'note' => "it's \"quoted\""]));
$path = $create->execute()->fetchArray(SQLITE3_NUM)[0];
$create->close();
check(substr(gzdecode(file_get_contents($path)), 0, 15) === 'SQLite format 3', 'gzdecode reads the backup');
check($db->querySingle('SELECT note FROM backups') === "it's \"quoted\"", 'the note');
$db->exec('DELETE FROM t');
$report = json_decode($db->querySingle("SELECT backup_restore('latest', 'main', '{\"overwrite\":true}')"), true);
check($report['check'] === 'ok' && $report['pre_restore'] !== null, 'the report');
check($db->querySingle('SELECT a FROM t') === 'kept', 'the row is back');
$db->exec("ATTACH backup_uri('latest') AS old");
check($db->querySingle('SELECT a FROM old.t') === 'kept', 'a row of the attached backup');
if (extension_loaded('pdo_sqlite')) {
    $pdo = new PDO('sqlite::memory:');
    $pdo->exec('ATTACH ' . $pdo->quote($db->querySingle("SELECT backup_uri('latest')")) . ' AS old');
    check($pdo->query('SELECT a FROM old.t')->fetchColumn() === 'kept', 'attached by PDO');
    $pdo = null;
}
$db->exec('DETACH old');
try {
    new SQLite3($db->querySingle("SELECT backup_uri('latest')"), SQLITE3_OPEN_READONLY);
    check(false, 'a URI is no file to PHP');
} catch (Exception $e) {
    check(str_contains($e->getMessage(), 'unable to open database'), $e->getMessage());
}
try {
    $db->querySingle("SELECT backup_create('none')");
    check(false, 'a missing source is an exception');
} catch (Exception $e) {
    check(str_contains($e->getMessage(), 'none: neither a schema of this connection nor a database file'), $e->getMessage());
}
$db->loadExtension(basename(getenv('LIFEBOAT_SO')));
$db->close();
echo "ok\n";
