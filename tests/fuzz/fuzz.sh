#!/bin/bash
# Builds and runs the fuzzer of tests/fuzz, from the workspace's root (or a test's runfiles).
#
#   fuzz.sh test CFLAG...          a short run, the same each time: the corpus and some inputs beside it, by libFuzzer
#                                  and by the replay program; prints `ok - ...` lines
#   fuzz.sh run [ARGUMENT...]      libFuzzer with these arguments, in the folder that Bazel was called from; inputs that
#                                  fail are written there, or where -artifact_prefix says
#   fuzz.sh replay [ARGUMENT...]   the replay program with these arguments: files, or --random FIRST COUNT
#
# FUZZ_CFLAGS in the environment: for `run` and `replay`, the library's shape (-DFE_GRANULE_SHIFT=3 and so on).
set -u

CLANG=${CLANG:-clang}
RUNS=1000
RANDOM_INPUTS=60

root=$PWD
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
corpus=$root/tests/fuzz/corpus
flags=(-std=gnu11 -D_GNU_SOURCE -DFE_TRACK_NONE -g -O1 -fno-omit-frame-pointer -I"$root" -Wall -Wextra -Werror
  -fno-sanitize-recover=all)
# The core's messages go to tests/fuzz/warnings.c.
libraries=(-Wl,--wrap=fe_warn -lpthread)

# What is for bare metal is not among the files that Bazel hands in.
core_sources() {
  find -L "$root"/core/{base,arena,slab,heap,thread,stats,global} -name '*.c' \
    ! -name freestanding.c ! -name no_environment.c ! -name single.c
}

# has_fuzzer: whether clang is there, with libFuzzer; what is missing otherwise is in $missing.
has_fuzzer() {
  missing="$CLANG was not found (Debian: apt-get install clang libclang-rt-dev)"
  command -v "$CLANG" >/dev/null || return 1
  missing="$CLANG has no libFuzzer (Debian: apt-get install libclang-rt-dev)"
  echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return *d > n; }' >"$work/empty.c"
  "$CLANG" -fsanitize=fuzzer,address,undefined "$work/empty.c" -o "$work/empty" 2>/dev/null
}

# build_fuzzer CFLAG...: makes $work/fuzzer.
build_fuzzer() {
  local sources
  mapfile -t sources < <(core_sources; find -L "$root/tests/fuzz" -name '*.c' ! -name replay.c)
  "$CLANG" "${flags[@]}" "$@" -fsanitize=fuzzer,address,undefined "${sources[@]}" "${libraries[@]}" -o "$work/fuzzer"
}

# build_replay CFLAG...: makes $work/replay.
build_replay() {
  local sources
  mapfile -t sources < <(core_sources; find -L "$root/tests/fuzz" -name '*.c')
  "${CC:-gcc}" "${flags[@]}" "$@" -fsanitize=address,undefined "${sources[@]}" "${libraries[@]}" -o "$work/replay"
}

# check NAME COMMAND...: prints whether the command succeeded, and what it said if not.
check() {
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok - $name"
  else
    echo "not ok - $name"
    tr '\r' '\n' <"$work/log" | tail -n 60
    for input in "$work"/artifact-*; do
      [[ -e $input ]] && echo "the input, in base64: $(base64 -w 0 "$input")"
    done
    status=1
  fi
}

run_test() {
  local name
  status=0
  check "gcc builds the replay program" build_replay "$@"
  for name in "$corpus"/*; do
    check "the replay program runs ${name##*/}" "$work/replay" "$name"
  done
  check "the replay program runs $RANDOM_INPUTS random inputs" "$work/replay" --random 1 $RANDOM_INPUTS
  if ! has_fuzzer; then
    echo "ok - the fuzzer runs # SKIP $missing"
    return $status
  fi
  check "clang builds the fuzzer" build_fuzzer "$@"
  check "the fuzzer runs the corpus" "$work/fuzzer" -runs=0 -artifact_prefix="$work/artifact-" "$corpus"
  mkdir "$work/corpus"
  cp -L "$corpus"/* "$work/corpus"
  check "the fuzzer finds nothing in $RUNS runs" "$work/fuzzer" -runs=$RUNS -seed=1 -len_control=0 -max_len=1000 \
    -artifact_prefix="$work/artifact-" "$work/corpus"
  return $status
}

# The corpus grows in a folder that is thrown away, unless one is named.
run_fuzzer() {
  local argument folders=()
  if ! has_fuzzer; then
    echo "fuzz.sh: $missing" >&2
    return 1
  fi
  build_fuzzer ${FUZZ_CFLAGS-} || return 1
  mkdir "$work/corpus"
  cp -L "$corpus"/* "$work/corpus"
  for argument in "$@"; do
    [[ $argument == -* ]] || folders+=("$argument")
  done
  ((${#folders[@]} > 0)) || set -- "$@" "$work/corpus"
  cd "${BUILD_WORKING_DIRECTORY:-$PWD}" && "$work/fuzzer" -len_control=20 -max_len=1200 "$@"
}

run_replay() {
  build_replay ${FUZZ_CFLAGS-} || return 1
  cd "${BUILD_WORKING_DIRECTORY:-$PWD}" && "$work/replay" "$@"
}

command=${1-}
shift
case $command in
  test) run_test "$@" ;;
  run) run_fuzzer "$@" ;;
  replay) run_replay "$@" ;;
  *)
    echo "usage: fuzz.sh test CFLAG... | run ARGUMENT... | replay ARGUMENT..." >&2
    exit 2
    ;;
esac
