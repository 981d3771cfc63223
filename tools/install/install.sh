#!/bin/bash
# Installs ferroc for programs that are not built by Bazel: bazel run //:install -- --prefix DIR
# What is installed can be moved: the files for pkg-config and CMake find the rest from where they lie.
set -euo pipefail
umask 022

usage() {
  cat <<'END'
usage: bazel run //:install -- --prefix DIR [--libdir DIR] [--destdir DIR]

  --prefix DIR    an absolute folder, such as /usr/local; gets include/, lib/ and share/doc/ferroc/
  --libdir DIR    where the libraries go, below the prefix (default: lib)
  --destdir DIR   puts everything below DIR instead of /, for packages; may be relative to where you stand
END
}

fail() {
  echo "install: $*" >&2
  exit 1
}

refuse() {
  echo "install: $*" >&2
  usage >&2
  exit 2
}

# Where the user stands; `bazel run` starts programs elsewhere.
standing=${BUILD_WORKING_DIRECTORY:-$PWD}
prefix= libdir=lib destdir=

read_options() {
  local option value
  while (($# > 0)); do
    option=$1
    shift
    case $option in
      --help | -h)
        usage
        exit 0
        ;;
      --prefix | --libdir | --destdir)
        (($# > 0)) || refuse "$option needs a folder"
        value=$1
        shift
        ;;
      --prefix=* | --libdir=* | --destdir=*)
        value=${option#*=}
        option=${option%%=*}
        ;;
      *) refuse "'$option' is no option" ;;
    esac
    [[ -n $value ]] || refuse "$option needs a folder, and got an empty word"
    printf -v "${option#--}" %s "$value"
  done
}

check_options() {
  [[ -n $prefix ]] || refuse "--prefix is missing"
  [[ $prefix == /* ]] || refuse "--prefix $prefix: must be absolute; from where you stand this is $standing/$prefix"
  [[ $libdir != /* ]] || refuse "--libdir $libdir: must be relative; it lies below the prefix"
  libdir=$(realpath --canonicalize-missing --no-symlinks --relative-to=/prefix "/prefix/$libdir")
  [[ $libdir != . && $libdir != .. && $libdir != ../* ]] || refuse "--libdir must name a folder below the prefix"
  [[ -z $destdir || $destdir == /* ]] || destdir=$standing/$destdir
}

# find_files: sets `here` to the folder of what Bazel built: below the program, or beside it inside a test.
find_files() {
  for here in "$0.runfiles"/{ferroc,_main}/tools/install "$(dirname "$0")"; do
    [[ ! -f $here/version.txt ]] || return 0
  done
  fail "its files are not beside $0: run it with \`bazel run //:install\`"
}

unfinished=
at_exit() {
  local status=$?
  rm -f "$unfinished"
  ((status == 0)) || echo "install: stopped; nothing more is installed in $destdir$prefix" >&2
}

# put PATH MODE: standard input becomes this file of the installation, in one step; a program that runs keeps the old one.
put() {
  local path=$destdir$prefix/$1
  mkdir -p "$(dirname "$path")"
  unfinished=$path.new.$$
  cat >"$unfinished"
  chmod "$2" "$unfinished"
  mv -fT "$unfinished" "$path"
}

# put_link PATH TARGET
put_link() {
  local path=$destdir$prefix/$1
  unfinished=$path.new.$$
  ln -s "$2" "$unfinished"
  mv -fT "$unfinished" "$path"
}

# up COUNT: the way out of so many folders.
up() {
  local way=..
  for ((i = 1; i < $1; i++)); do way+=/..; done
  echo "$way"
}

# fill_in TEMPLATE DEPTH: the template's text for a file in a folder that lies so deep below libdir.
fill_in() {
  local text slashes=${libdir//[^\/]/}
  text=$(<"$here/$1")
  text=${text//@up@/$(up $((${#slashes} + 1 + $2)))}
  text=${text//@libdir@/"$libdir"}
  text=${text//@version@/"$version"}
  echo "${text//@so_version@/"$so_version"}"
}

# without_links FILE: its text, with names alone instead of links to what is not installed.
without_links() {
  sed -E 's/\[([^]]+)\]\(([^):#][^):]*)\)/\1/g' "$1"
}

install_all() {
  local file
  read -r version so_version <"$here/version.txt"
  for file in ferroc.h ferroc.hpp; do
    put "include/$file" 644 <"$here/../../core/$file"
  done
  put "$libdir/libferroc.a" 644 <"$here/libferroc.a"
  put "$libdir/libferroc.so.$version" 755 <"$here/libferroc.so"
  put_link "$libdir/libferroc.so.$so_version" "libferroc.so.$version"
  put_link "$libdir/libferroc.so" "libferroc.so.$so_version"
  for file in ferroc.pc ferroc-static.pc; do
    fill_in $file.in 1 | put "$libdir/pkgconfig/$file" 644
  done
  for file in ferrocConfig.cmake ferrocConfigVersion.cmake; do
    fill_in $file.in 2 | put "$libdir/cmake/ferroc/$file" 644
  done
  without_links "$here/../../README.md" | put "share/doc/ferroc/README.md" 644
  for file in LICENSE-APACHE LICENSE-MIT; do
    put "share/doc/ferroc/$file" 644 <"$here/../../$file"
  done
}

read_options "$@"
check_options
find_files
trap at_exit EXIT
install_all
echo "ferroc $version is installed in $destdir$prefix"
