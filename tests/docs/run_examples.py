#!/usr/bin/python3
"""Runs the examples of Markdown pages, as a reader would type them, and compares what they print.

    run_examples.py PAGE…        runs; finding no example is a failure
    run_examples.py --untested PAGE…   lists the blocks that say `no-test`, as PAGE: FIRST LINE
    run_examples.py --links PAGE…      holds links and their #anchors against the files

An example is a fenced block; the first word after the fence says what it is:

    sql                    fed to the sqlite3 shell on /srv/app/admin.db, extension loaded, stops at the first error
    sh                     run by bash -eu in a clone of the repository
    python, js, php        a program, by /usr/bin/python3, node, php
    output                 what the block before it prints, errors included; … stands for anything within a line, a
                           line … for any number of lines
    (nothing), text        shown only

More words: `error` (the block must fail), `memory` (of sql: on :memory:), `no-test` (not run: it would need root, a
network or this very repository).
Any other word is a failure, so that a slip of the pen does not take an example out of the test.

Each page has a folder of its own in which its blocks run in turn. Paths that begin with /srv, /data, /etc, /mnt or
/usr/local are moved into it, in the example and back in what it prints. There is a database to begin with,
/srv/app/admin.db (below), a folder /data/backups, which BACKUP_DIR names, and an installation under /usr/local.
<!-- setup COMMANDS --> in a page prepares for the next block (a disk that fails, a clock that goes on); nothing of it
shows in the page, so that no example may depend on it that a reader would have to know.

Environment: LIFEBOAT_SO (default build/lifeboat.so), NODE (default node), CI (a missing interpreter is a failure then).
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHOWN = {'', 'text'}
RUN = {'sql', 'sh', 'python', 'js', 'php'}
MOVED = r'(?<![\w./~}-])/(?=(?:srv|data|etc|mnt|usr/local)(?:[/\s\'"`:;,)?]|$))'
SECONDS = 60

SAMPLE = """
PRAGMA journal_mode = WAL;
CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, joined TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users, text TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
INSERT INTO users SELECT i, 'user' || i || '@example.org', date('2025-01-01', '+' || i || ' days') FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO messages SELECT i, i % 100 + 1, 'message ' || i || ' of many' FROM n;
"""


class Block:
    def __init__(self, page, line, words, text):
        self.page, self.line, self.text = page, line, text
        self.kind = words[0] if words else ''
        self.words = set(words[1:])
        self.setup = ''
        self.output = None

    def __str__(self):
        return '%s:%d' % (self.page, self.line)


def read_blocks(page):
    """The blocks of a page, each with its setup and its output; and what is wrong with the page."""
    blocks, faults, setup = [], [], ''
    lines = open(page, encoding='utf-8').read().split('\n')
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith('<!-- setup'):
            end = next((i for i in range(at, len(lines)) if lines[i].endswith('-->')), None)
            if end is None:
                faults.append('%s:%d: a setup without -->' % (page, at + 1))
                break
            text = '\n'.join(lines[at:end + 1])
            setup += text[len('<!-- setup'):-len('-->')] + '\n'
            at = end
        elif line.lstrip().startswith('```'):
            indent = len(line) - len(line.lstrip())
            end = next((i for i in range(at + 1, len(lines)) if lines[i].strip() == '```'), None)
            if end is None:
                faults.append('%s:%d: a block without an end' % (page, at + 1))
                break
            text = '\n'.join(l[indent:] for l in lines[at + 1:end])
            block = Block(page, at + 1, line.strip()[3:].split(), text)
            faults += take_block(blocks, block, setup)
            if block.kind != 'output':
                setup = ''
            at = end
        at += 1
    return blocks, faults


def take_block(blocks, block, setup):
    if block.kind == 'output':
        if not blocks or blocks[-1].kind not in RUN or blocks[-1].output is not None or 'no-test' in blocks[-1].words:
            return ['%s: an output that no example prints' % block]
        blocks[-1].output = block.text
        return []
    if block.kind not in RUN | SHOWN or block.words - {'error', 'memory', 'no-test'}:
        return ['%s: unknown kind of block: %s' % (block, ' '.join([block.kind] + sorted(block.words)))]
    block.setup = setup
    blocks.append(block)
    return []


# ---- where a page runs ----

class Place:
    """A folder that stands for the reader's machine."""

    def __init__(self):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix='lifeboat-docs.'))
        so = os.path.realpath(os.environ.get('LIFEBOAT_SO') or ROOT + '/build/lifeboat.so')
        if not os.path.isfile(so):
            sys.exit('run_examples.py: no extension: %s' % so)
        self.clone = self.path('clone')
        for name in ('scripts', 'sql'):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(self.clone, name))
        os.symlink(so, os.path.join(self.path('clone/build', True), 'lifeboat.so'))
        self.install(so)
        for folder in ('srv/app', 'data/backups', 'etc/cron.d', 'mnt'):
            self.path(folder, True)
        self.database = self.path('srv/app/admin.db')
        subprocess.run(['sqlite3', '-init', '/dev/null', '-batch', '-bail', self.database], input=SAMPLE.encode(),
                       stdout=subprocess.DEVNULL, check=True)
        self.environment = self.make_environment()

    def path(self, name, make=False):
        path = os.path.join(self.root, name)
        if make:
            os.makedirs(path, exist_ok=True)
        return path

    def install(self, so):
        """As `make install` lays it out."""
        lib, bin_ = self.path('usr/local/lib/lifeboat', True), self.path('usr/local/bin', True)
        shutil.copy(so, lib + '/lifeboat.so')
        for script in ('lib.sh', 'db_backup.sh', 'db_restore.sh'):
            shutil.copy(ROOT + '/scripts/' + script, lib)
        for script in ('db_backup.sh', 'db_restore.sh'):
            os.symlink('../lib/lifeboat/' + script, bin_ + '/' + script)
        shutil.copytree(ROOT + '/sql', self.path('usr/local/share/lifeboat', True) + '/sql')

    def make_environment(self):
        drop = {'RETENTION_DAYS', 'ADMIN_DB_TYPE', 'ADMIN_DB_PATH', 'ADMIN_DATABASE_URL', 'BACKUP_NAME',
                'RESTORE_BACKUP', 'RESTORE_TARGET', 'RESTORE_OPTIONS', 'LIFEBOAT_SO'}
        environment = {k: v for k, v in os.environ.items() if k not in drop}
        environment.update(LC_ALL='C.UTF-8', HOME=self.path('home', True), BACKUP_DIR=self.path('data/backups'),
                           PATH=self.path('usr/local/bin') + ':' + os.environ.get('PATH', '/usr/bin:/bin'))
        return environment

    def inward(self, text):
        return re.sub(MOVED, lambda m: self.root + '/', text, flags=re.M)

    def outward(self, text):
        return text.replace(self.root, '')

    def remove(self):
        subprocess.run(['chmod', '-R', 'u+rwx', self.root], check=False)
        shutil.rmtree(self.root, ignore_errors=True)


# ---- running ----

def command_for(block, place):
    """The command, the text on its standard input; None: that interpreter is not here."""
    text = place.inward(block.text) + '\n'
    if block.kind == 'sql':
        database = ':memory:' if 'memory' in block.words else place.database
        load = [] if '.load ' in text else ['-cmd', ".load './build/lifeboat'"]
        return ['sqlite3', '-init', '/dev/null', '-batch', '-bail'] + load + [database], text
    if block.kind == 'sh':
        return ['bash', '-eu', '-o', 'pipefail', '-c', text], ''
    path = place.path('example.' + {'python': 'py', 'js': 'mjs', 'php': 'php'}[block.kind])
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    if block.kind == 'python':
        return ['/usr/bin/python3', path], ''
    if block.kind == 'php':
        folder = place.path('usr/local/lib/lifeboat')
        return (['php', '-d', 'sqlite3.extension_dir=' + folder, path], '') if shutil.which('php') else (None, '')
    node = shutil.which(os.environ.get('NODE') or 'node')
    usable = node and subprocess.run([node, '-e', 'require("node:sqlite")'], stdout=subprocess.DEVNULL, check=False,
                                     stderr=subprocess.DEVNULL).returncode == 0
    return ([os.path.abspath(node), '--no-warnings', path], '') if usable else (None, '')


def matches(pattern, text):
    """Whether text is pattern, where … is anything within a line and a line … any number of lines."""
    if not pattern.strip():
        return not text.strip()
    expression = ''
    for line in pattern.rstrip('\n').split('\n'):
        if line.strip() == '…':
            expression += r'(?:[^\n]*\n)*?'
        else:
            expression += '[^\n]*?'.join(re.escape(part) for part in line.rstrip().split('…')) + r'[ \t]*\n'
    text = text.rstrip('\n')
    return re.fullmatch(expression, text + '\n' if text else '') is not None


def run_shell(text, place):
    return subprocess.run(['bash', '-eu', '-o', 'pipefail', '-c', place.inward(text)], cwd=place.clone, check=False,
                          env=place.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SECONDS)


def run_block(block, place):
    """What is wrong; None: nothing; 'skipped': its interpreter is missing."""
    if block.setup:
        done = run_shell(block.setup, place)
        if done.returncode:
            return 'its setup failed: ' + done.stdout.decode(errors='replace')
    command, text = command_for(block, place)
    if command is None:
        return 'its interpreter is missing: run scripts/bootstrap.sh test' if os.environ.get('CI') else 'skipped'
    try:
        done = subprocess.run(command, input=text.encode(), cwd=place.clone, env=place.environment, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 'it did not end in %d seconds' % SECONDS
    output = place.outward(done.stdout.decode(errors='replace'))
    if (done.returncode != 0) != ('error' in block.words):
        return 'it ended with status %d:\n%s' % (done.returncode, output)
    if block.output is not None and not matches(block.output, output):
        return 'it printed\n%s\nand not\n%s' % (output.rstrip('\n'), block.output)
    if 'error' in block.words and block.output is None:
        return 'it must fail, and does not say with what words'
    return None


def run_page(page, blocks):
    place, faults, count = Place(), [], 0
    try:
        for block in blocks:
            if block.kind not in RUN or 'no-test' in block.words:
                continue
            fault = run_block(block, place)
            if fault == 'skipped':
                print('%s: skipped, no %s here' % (block, block.kind))
                continue
            count += 1
            if fault:
                faults.append('%s: %s' % (block, fault))
    finally:
        place.remove()
    print('%s: %d examples run, %d failed' % (page, count, len(faults)))
    return count, faults


# ---- links ----

def anchors(page):
    """As GitHub makes them of headings."""
    text = re.sub(r'^```.*?^```', '', open(page, encoding='utf-8').read(), flags=re.M | re.S)
    return {re.sub(r'[^\w\- ]', '', h.lower()).replace(' ', '-') for h in re.findall(r'^#+ +(.+)$', text, flags=re.M)}


def check_links(page):
    text = re.sub(r'^```.*?^```', '', open(page, encoding='utf-8').read(), flags=re.M | re.S)
    faults = []
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        if re.match(r'[a-z]+:', link):
            continue
        file, _, anchor = link.partition('#')
        target = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
        if not os.path.exists(target):
            faults.append('%s: a link to what is not there: %s' % (page, link))
        elif anchor and anchor not in anchors(target):
            faults.append('%s: a link to a heading that is not there: %s' % (page, link))
    return faults


def main(arguments):
    mode = arguments.pop(0) if arguments and arguments[0] in ('--untested', '--links') else ''
    total, faults = 0, []
    for page in arguments:
        blocks, found = read_blocks(page)
        faults += found
        if mode == '--links':
            faults += check_links(page)
        elif mode == '--untested':
            for block in blocks:
                if 'no-test' in block.words:
                    print('%s: %s' % (os.path.relpath(page, ROOT), block.text.split('\n')[0]))
        elif not found:
            count, found = run_page(page, blocks)
            total += count
            faults += found
    if not mode and not faults and not total:
        faults.append('no examples found')
    for fault in faults:
        print('FAILED ' + fault)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
