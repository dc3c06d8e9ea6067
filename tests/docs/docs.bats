# README and docs/: every example runs and prints what the page says, links lead somewhere, lines fit, and reference.md
# tells of all that there is. run_examples.py is itself tested: it must notice what is wrong.
load ../helper

setup() {
  lifeboat_setup
  export NODE
  cd "$ROOT" || return 1
}

examples() { /usr/bin/python3 tests/docs/run_examples.py "$@"; }

# page TEXT…: a page of these lines in $T/page.md.
page() { printf '%s\n' "$@" >"$T/page.md"; }

# ---- the pages ----

@test "examples: README" { examples README.md; }
@test "examples: quickstart" { examples docs/quickstart.md; }
@test "examples: reference" { examples docs/reference.md; }
@test "examples: recover" { examples docs/recover.md; }
@test "examples: postgres" { examples docs/postgres.md; }
@test "examples: security, and every page that has no test of its own" {
  local rest=()
  for file in docs/*.md; do
    case $file in docs/quickstart.md | docs/reference.md | docs/recover.md | docs/postgres.md) ;; *) rest+=("$file") ;; esac
  done
  examples "${rest[@]}"
}

@test "only these blocks are not run" {
  run -0 examples --untested README.md docs/*.md
  # The bench engineer's page may tell how to start the bench, which takes minutes.
  local found
  found=$(grep -v '^docs/performance.md: make bench' <<<"$output") || true
  [ "$found" = "README.md: make demo     # builds, then: a live database is backed up, damaged, restored; every SQL statement is shown
README.md: scripts/bootstrap.sh build    # Debian and its kin: installs what is missing, does nothing when all is there
README.md: make install                                   # under /usr/local, as root
docs/quickstart.md: git clone REPOSITORY lifeboat && cd lifeboat
docs/quickstart.md: sudo install -m 600 /srv/app/.env /etc/lifeboat.env    # where the unit reads its settings" ]
}

@test "links and their anchors lead somewhere" {
  run -0 examples --links README.md docs/*.md
  [ -z "$output" ]
}

@test "lines have at most 120 columns" {
  # Not the pages that are tables of bytes and of measurements.
  local pages
  pages=$(ls README.md docs/*.md | grep -vE '/(format|performance)\.md$')
  # shellcheck disable=SC2086
  run /usr/bin/python3 - $pages <<'PY'
import sys
wide = ['%s:%d' % (name, n) for name in sys.argv[1:] for n, line in enumerate(open(name, encoding='utf-8'), 1)
        if len(line.rstrip('\n')) > 120]
sys.exit('\n'.join(wide) or 0)
PY
  [ "$status" = 0 ] || { echo "$output"; false; }
}

# SQLite 3.52 takes the number for a table's name: "no such table: 5".
@test "a check that ends after some errors is a PRAGMA, which newer SQLite understands as well" {
  cd "$ROOT"
  run -1 grep -rnE "pragma_(integrity|quick)_check\('?[0-9]" README.md docs scripts sql
}

@test "no path of a developer's machine in the pages" {
  run -1 grep -nE '/root/|/work/|/home/[a-z]' README.md docs/*.md
}

@test "every page is in docs/index.md" {
  for file in docs/*.md; do
    [ "$file" = docs/index.md ] || grep -qF "(${file#docs/})" docs/index.md || { echo "missing: $file"; false; }
  done
}

@test "reference.md and the code tell of the same functions, tables, options, settings and errors" {
  /usr/bin/python3 tests/docs/check_reference.py
}

@test "check_reference.py: notices an option of the wrong kind of database, one that is missing, an error that none says" {
  local tree=$T/tree
  mkdir -p "$tree/docs" "$tree/tests"
  cp -r ext "$tree/"
  cp -r tests/docs "$tree/tests/"
  check() { /usr/bin/python3 "$tree/tests/docs/check_reference.py"; }
  sed '0,/^| option of PostgreSQL/s//| option of SQLite/' docs/reference.md >"$tree/docs/reference.md"
  run -1 check
  [[ $output == *'options of backup_create SQLite: reference.md has jobs, the code has not'* ]]
  [[ $output == *'options of backup_create PostgreSQL: jobs is not in reference.md'* ]]
  sed '/^| `drop_old`/d; s/target is not empty/target is not bare/' docs/reference.md >"$tree/docs/reference.md"
  run -1 check
  [[ $output == *'options of backup_restore PostgreSQL: drop_old is not in reference.md'* ]]
  [[ $output == *'no error says "target is not bare"'* ]]
}

# ---- the demo ----

@test "demo.sh: ends well, shows every step, leaves nothing" {
  export TMPDIR=$T
  run -0 scripts/demo.sh 5000
  for text in "SELECT backup_create('main');" "SELECT backup_verify('latest', 'full');" 'FROM backups;' 'pre_restore' \
    'PRAGMA integrity_check;' balanced 'sold during the demo' 'All is as it should be.'; do
    [[ $output == *"$text"* ]] || { echo "missing: $text"; echo "$output"; false; }
  done
  [ -z "$(ls -A "$T")" ]
}

@test "demo.sh: without the extension, and with a restore that restores nothing: not 0" {
  LIFEBOAT_SO=$T/nothing.so run -1 scripts/demo.sh 5000
  [[ $output == *'the extension is not built'* ]]
  # A sqlite3 that drops the statement which restores.
  mkdir "$T/bin"
  cat >"$T/bin/sqlite3" <<SH
#!/bin/bash
input=\$(cat)
case \$input in *'"overwrite":true'*) exit 0 ;; esac
exec $(command -v sqlite3) "\$@" <<<"\$input"
SH
  # The process that sells is fed through a pipe that stays open: it needs the true one.
  sed -i '2i case "$*" in *10000*) exec '"$(command -v sqlite3)"' "$@" ;; esac' "$T/bin/sqlite3"
  chmod +x "$T/bin/sqlite3"
  PATH=$T/bin:$PATH TMPDIR=$T run -1 scripts/demo.sh 5000
  [[ $output == *'7. Is all there again?'*'NOT as it should be'* ]]
  [ -z "$(ls -A "$T" | grep -v '^bin$')" ]
}

# ---- run_examples.py notices ----

@test "run_examples.py: no example at all" {
  page '# Nothing' '' 'Only text.'
  run -1 examples "$T/page.md"
  [[ $output == *'no examples found'* ]]
}

@test "run_examples.py: other output, more output, less output" {
  page '```sql' 'SELECT 1;' '```' '```output' '2' '```'
  run -1 examples "$T/page.md"
  [[ $output == *'and not'* ]]
  page '```sql' 'SELECT 1; SELECT 2;' '```' '```output' '1' '```'
  run -1 examples "$T/page.md"
  page '```sql' 'SELECT 1;' '```' '```output' '1' '2' '```'
  run -1 examples "$T/page.md"
  page '```sql' 'SELECT 1; SELECT 22; SELECT 3;' '```' '```output' '1' '2…' '…' '```'
  run -0 examples "$T/page.md"
}

@test "run_examples.py: a failure that was not announced, an announced one that does not come" {
  page '```sh' 'false' '```'
  run -1 examples "$T/page.md"
  [[ $output == *'status 1'* ]]
  page '```sql error' 'SELECT 1;' '```' '```output' '1' '```'
  run -1 examples "$T/page.md"
  page '```python' 'raise SystemExit(3)' '```'
  run -1 examples "$T/page.md"
  page '```php' '<?php exit(3);' '```'
  run -1 examples "$T/page.md"
}

@test "run_examples.py: a postgres block has a server that any host name leads to, and that goes away" {
  command -v pg_dump >/dev/null || skip 'no PostgreSQL here'
  page '<!-- setup' 'psql -Xq postgresql://app@anywhere/app -c "DELETE FROM messages WHERE id > 7"' '-->' \
    '```sh postgres' 'psql -XAtc "SELECT count(*) FROM messages" postgresql://app@anywhere/app' \
    'psql -XAtc "SHOW data_directory" postgresql://postgres@anywhere/app >'"$T/server" '```' '```output' 7 '```' \
    '```sh postgres error' 'psql -X postgresql://nobody@anywhere/app -c ""' '```' '```output' '…"nobody" does not exist' '```'
  run -0 examples "$T/page.md"
  [ -s "$T/server" ]
  [ ! -e "$(cat "$T/server")" ]
  page '```sh postgres' 'psql -XAtc "SELECT count(*) FROM messages" postgresql://app@db/app' '```' '```output' 7 '```'
  run -1 examples "$T/page.md"
  [[ $output == *'it printed'*5000*'and not'* ]]
}

@test "run_examples.py: slips of the pen" {
  page '```sq' 'SELECT 1;' '```'
  run -1 examples "$T/page.md"
  [[ $output == *'unknown kind of block: sq'* ]]
  page '```sql notest' 'SELECT 1;' '```'
  run -1 examples "$T/page.md"
  page '```output' '1' '```'
  run -1 examples "$T/page.md"
  page '```sql' 'SELECT 1;'
  run -1 examples "$T/page.md"
  page '[gone](nothing.md) [here](#no-heading)' '# A heading'
  run -1 examples --links "$T/page.md"
  [[ $output == *nothing.md*no-heading* ]]
}
