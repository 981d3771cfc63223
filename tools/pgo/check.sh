#!/bin/bash
# Checks that the two steps of PGO fit together: tools/pgo/check.sh, from anywhere, no arguments. Makes a new profile.
# It calls Bazel three times, which no test inside Bazel can.
set -u
cd "$(dirname "$0")/../.." || exit 1

libraries=(//:libferroc.so //bench:core-ferroc //bindings/lua:ferroc-lua //bindings/python:ferroc-python
  //bindings/python:package)
failures=0

# check TEXT BAZEL-ARGUMENT...
check() {
  local text=$1 output
  shift
  if output=$(./bazelw "$@" --noshow_progress --color=no 2>&1 </dev/null); then
    echo "ok - $text"
  else
    echo "not ok - $text"
    echo "$output"
    failures=$((failures + 1))
  fi
}

check "a training run leaves a profile" \
  run --config=pgo-gather //tools/pgo:train
# A profile that is missing for an object, or was made for other code, is a warning, and so an error.
check "each object of the core in these takes its own counts: ${libraries[*]}" \
  build --config=pgo-use '--per_file_copt=^core/.*\.c$@-Wmissing-profile' "${libraries[@]}"
check "the core's tests pass with the profile" \
  test --config=pgo-use //tests/core/... //tests/stress/...
exit $((failures > 0))
