#!/usr/bin/python3
"""Holds docs/reference.md against the code: what is there must be told of, what is told of must be there.

Functions and tables: the tables in ext/api, and the module backup_table, each with a heading. Columns: what SQLite says
of each table. Options: what the function itself lists when it gets one that it does not know; a table that is headed
`option` holds for all kinds of database, one headed `option of SQLite` or `option of PostgreSQL` for that kind. Settings:
backup_config. Errors: each that the page shows (a bullet that begins with code) is held against the strings of the
sources, piece by piece between its …
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SO = os.path.realpath(os.environ.get('LIFEBOAT_SO') or ROOT + '/build/lifeboat.so')
CALLS = [
    ('backup_create', 'SQLite', "backup_create('main', %s)"),
    ('backup_create', 'PostgreSQL', "backup_create('postgresql://h/d', %s)"),
    ('backup_restore', 'SQLite', "backup_restore('latest', 'main', %s)"),
    ('backup_restore', 'PostgreSQL', "backup_restore('latest', 'postgresql://h/d', %s)"),
    ('backup_verify', '', "backup_verify('latest', %s)"),
    ('backup_rotate', '', 'backup_rotate(%s)'),
]
faults = []


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as file:
        return file.read()


def sql(text):
    command = ['sqlite3', '-init', '/dev/null', '-batch', '-bail', '-cmd', ".load '%s'" % SO[:-3], ':memory:']
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False).stdout


def rows_of(section):
    """The code words in the first cell of each row of a section's tables."""
    cells = re.findall(r'^\|([^|]*)\|', section, flags=re.M)
    return {word for cell in cells for word in re.findall(r'`([^`]+)`', cell)}


def options_of(section, kind):
    """The options that a section tells of for one kind of database."""
    told = set()
    for head, rows in re.findall(r'^\| (option[^|]*?) \|.*\n((?:\|.*\n)*)', section, flags=re.M):
        if head in ('option', 'option of ' + kind):
            told |= rows_of(rows)
    return told


def compare(what, told, there):
    for name in sorted(there - told):
        faults.append('%s: %s is not in reference.md' % (what, name))
    for name in sorted(told - there):
        faults.append('%s: reference.md has %s, the code has not' % (what, name))


def check_surface(sections):
    functions = set(re.findall(r'^  \{ "(backup\w+)", \d', read('ext/api/functions.c'), flags=re.M))
    tables = set(re.findall(r'^  \{ "(backup\w+)",? *(?:"|[A-Z]|$)', read('ext/api/tables.c'), flags=re.M))
    modules = set(re.findall(r'create_module_v2\(db, "(backup\w+)"', read('ext/api/backup_table.c')))
    if len(functions) < 9 or not modules or len(tables) < 6:
        faults.append('found only %d functions and %d tables in ext/api' % (len(functions), len(tables)))
    compare('functions and tables', set(sections), (functions | tables | modules) - {'backup_list'})
    for table in sorted(tables - {'backup_list'}):
        columns = set(sql("SELECT name FROM pragma_table_info('%s');" % table).split())
        told = rows_of(sections.get(table, '').split('| setting |')[0])
        compare('columns of ' + table, told, columns)
    compare('columns of backup_list', set(sql("SELECT name FROM pragma_table_info('backup_list');").split()),
            set(sql("SELECT name FROM pragma_table_info('backups');").split()))


def check_options(sections):
    for name, kind, call in CALLS:
        answer = sql('SELECT ' + call % "'{\"?\":1}'" + ';')
        valid = re.search(r'\(valid: ([^)]*)\)', answer)
        if not valid:
            faults.append('%s does not list its options: %s' % (name, answer))
            continue
        compare(('options of %s %s' % (name, kind)).rstrip(), options_of(sections[name], kind),
                set(valid.group(1).split(', ')))
    settings = sections['backup_config'].split('| setting |')[1]
    told = set(re.findall(r'^\| `(\w+)` \|', settings, flags=re.M))
    compare('settings', told, set(sql('SELECT key FROM backup_config;').split()))
    variables = set(re.findall(r'^\| `\w+` \| `(\w+)` \|', settings, flags=re.M))
    compare('environment', variables, set(re.findall(r'"((?:BACKUP|RETENTION|ADMIN|RESTORE)_\w+)"',
                                                     read('ext/core/config.c'))))


def strings_of_sources():
    """All string literals of ext/, neighbours joined, escapes undone."""
    found = []
    for folder, _, files in os.walk(os.path.join(ROOT, 'ext')):
        for name in sorted(files):
            text = open(os.path.join(folder, name), encoding='utf-8').read()
            text = text.replace('LB_VERSION', '"0.1.0"').replace('LB_SQLITE_OLDEST_TEXT', '"3.40.0"')
            for run in re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', text):
                literal = ''.join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', run))
                found.append(literal.replace('\\"', '"').replace('\\\\', '\\'))
    return '\n'.join(found)


def check_errors(page):
    sources = strings_of_sources()
    version = re.search(r'LB_VERSION "([^"]+)"', read('ext/core/version.h')).group(1)
    if version not in page:
        faults.append('reference.md is not of version ' + version)
    bullets = re.findall(r'^- (`[^\n]*(?:\n  [^\n]*)*)', page, flags=re.M)
    if len(bullets) < 40:
        faults.append('found only %d errors in reference.md' % len(bullets))
    for bullet in bullets:
        # Errors end where the prose begins: `…`, `…`: prose
        for text in re.findall(r'`([^`]+)`', re.match(r'`[^`]+`(?:, `[^`]+`(?!, for))*', bullet).group(0)):
            text = ' '.join(text.split())
            # What a message writes as %s is … in the page; a prefix may come from elsewhere.
            for piece in re.split('…|: ', text):
                piece = piece.strip(' :;"()')
                if len(piece) > 3 and piece not in sources:
                    faults.append('no error says "%s" (reference.md: %s)' % (piece, text))


def main():
    page = read('docs/reference.md')
    parts = re.split(r'^### (\w+)$', page, flags=re.M)
    sections = {parts[i]: re.split(r'^## ', parts[i + 1], flags=re.M)[0] for i in range(1, len(parts), 2)}
    check_surface(sections)
    check_options(sections)
    check_errors(page)
    for fault in faults:
        print('FAILED ' + fault)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
