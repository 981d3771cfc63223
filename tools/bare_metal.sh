#!/bin/bash
# Compiles for machines without an operating system or a C library:
#
#   bare_metal.sh library OUTPUT COMPILER PACKAGE FLAG... -- SOURCE...   one static library
#   bare_metal.sh program OUTPUT COMPILER PACKAGE FLAG... -- FILE...     one program, of sources and libraries
#
# COMPILER is a gcc in the PATH, PACKAGE the Debian package that has it. Nothing of a system's headers is in reach but
# the few that belong to the compiler itself.
set -euo pipefail

kind=$1 output=$2 compiler=$3 package=$4
shift 4
if ! command -v "$compiler" >/dev/null; then
  echo "$output needs $compiler, and there is none. Install it (Debian: apt-get install $package)." >&2
  exit 1
fi

flags=(-nostdinc)
while [[ $1 != -- ]]; do
  flags+=("$1")
  shift
done
shift
flags+=(-isystem "$("$compiler" -print-file-name=include)")

case $kind in
  library)
    objects=$(mktemp -d)
    trap 'rm -rf "$objects"' EXIT
    for source in "$@"; do
      object=$objects/${source//\//_}.o
      "$compiler" "${flags[@]}" -c "$source" -o "$object"
    done
    rm -f "$output"
    "${compiler%gcc}ar" rcsD "$output" "$objects"/*.o
    ;;
  program)
    "$compiler" "${flags[@]}" -nostdlib -static "$@" -lgcc -o "$output"
    ;;
  *)
    echo "bare_metal.sh: the kind is $kind; library and program are allowed" >&2
    exit 2
    ;;
esac
