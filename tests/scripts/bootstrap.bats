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
  [ "$output" = 'Usage: bootstrap.sh [build|test|bench]' ]
}
