#!/bin/bash
# The training run: bazel run --config=pgo-gather //tools/pgo:train
# Runs a part of the benchmark's workloads on programs that count where they go, and leaves the counts in
# tools/pgo/profile for --config=pgo-use. The other workloads show whether what was learned holds for them.
set -euo pipefail

core=(mixed_sizes small_lifetimes growing_arrays large_blocks producer_consumer threads_come_and_go server_threads)
lua=(binary_trees closures json lru_cache table_churn word_count)
python=(comprehensions json_documents live_records regex_logs task_scheduler worker_threads)
extension=(json_documents task_scheduler)
scale=1

fail() {
  echo "train: $*" >&2
  exit 1
}

find_files() {
  for root in "$0.runfiles"/{ferroc,_main} "$(dirname "$0")/../.."; do
    [[ ! -f $root/bench/python_path.sh ]] || return 0
  done
  fail "its files are not beside $0"
}

# run COMMAND...: what the program prints is of no interest, how it ends is.
run() {
  GCOV_PREFIX=$gathered GCOV_PREFIX_STRIP=2 "$@" >"$gathered/output" 2>&1 || fail "this ended with status $?: $*
$(<"$gathered/output")"
  rm "$gathered/output"
}

# must_have LIBRARY: some object of the library has left its counts.
must_have() {
  compgen -G "$gathered/*#core#heap#_objs#$1.gcda" >/dev/null ||
    fail "no counts were written. Is this build for gathering? bazel run --config=pgo-gather //tools/pgo:train"
}

train() {
  local name
  for name in "${core[@]}"; do
    run "$root/bench/core-ferroc" "$name" "$scale"
    must_have heap#heap_alloc
    run "$root/tools/pgo/core-shared" "$name" "$scale"
    must_have heap#heap_alloc.pic
  done
  run "$root/bench/states-ferroc" 1000
  for name in "${lua[@]}"; do
    run "$root/bindings/lua/ferroc-lua" "$root/bench/lua/$name.lua" "$scale"
  done
  export PYTHONDONTWRITEBYTECODE=1
  for name in "${python[@]}"; do
    run "$root/bindings/python/ferroc-python" "$root/bench/python/$name.py" "$scale"
  done
  for name in "${extension[@]}"; do
    PYTHONPATH=$root/bindings/python/package run "$PYTHON" -m ferroc "$root/bench/python/$name.py" "$scale"
  done
  must_have heap_dlopen#heap_alloc.pic
}

# write_stamp: what an object depends on, see profile.bzl.
write_stamp() {
  local sum
  sum=$(cat "$gathered"/*.gcda | sha256sum)
  echo "/* These counts: ${sum%% *} */" >"$gathered/stamp.h"
}

(($# == 0)) || fail "takes no arguments"
[[ -n ${BUILD_WORKSPACE_DIRECTORY-} ]] || fail "run it with bazel run --config=pgo-gather //tools/pgo:train"
profile=$BUILD_WORKSPACE_DIRECTORY/tools/pgo/profile
find_files
. "$root/bench/python_path.sh"
gathered=$(mktemp -d)
trap 'rm -rf "$gathered"' EXIT
train
write_stamp
rm -rf "$profile"
mkdir -p "${profile%/*}"
cp -r "$gathered" "$profile"
chmod 755 "$profile"
echo "train: the profile is in $profile; now build with --config=pgo-use"
