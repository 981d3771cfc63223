#!/bin/bash
# symbols_test.sh COMPILER=LIBRARY...: the libraries for bare metal must need nothing from outside but the four functions
# on memory that compilers call by themselves, and must define no name that a program might have.
set -u
failures=0

# check TEXT NAME...: there must be none of these names.
check() {
  local text=$1
  shift
  if (($# == 0)); then
    echo "ok - $text"
  else
    echo "not ok - $text, but: $*"
    failures=$((failures + 1))
  fi
}

for argument in "$@"; do
  nm=${argument%%=*}
  nm=${nm%gcc}nm
  library=${argument#*=}
  name=$(basename "$library")
  defined=$("$nm" --defined-only --extern-only --format=posix "$library" | awk 'NF > 2 { print $1 }' | sort -u)
  undefined=$("$nm" --undefined-only --format=posix "$library" | awk 'NF > 1 { print $1 }' | sort -u)
  mapfile -t needed < <(comm -23 <(echo "$undefined") <(echo "$defined") |
    grep -vxE 'memcpy|memset|memmove|memcmp')
  mapfile -t unexpected < <(grep -vE '^fe_' <<<"$defined")
  check "$name has the core's functions" $(grep -qx fe_malloc <<<"$defined" || echo "there is no fe_malloc")
  check "$name needs nothing but four functions on memory" "${needed[@]}"
  check "$name defines names with fe_ in front alone" "${unexpected[@]}"
done
exit $((failures > 0))
