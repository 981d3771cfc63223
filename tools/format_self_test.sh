#!/bin/bash
# Tests format.sh on a small source tree of its own.
set -u
format=$PWD/tools/format.sh
style=$PWD/.clang-format
failures=0

# check TEXT STATUS COMMAND...: the command must end with this status.
check() {
  local text=$1 expected=$2 status=0
  shift 2
  "$@" >"$TEST_TMPDIR/output" 2>&1 || status=$?
  if ((status == expected)); then
    echo "ok - $text"
  else
    echo "not ok - $text: exit status $status, expected $expected, and this output:"
    cat "$TEST_TMPDIR/output"
    failures=$((failures + 1))
  fi
}

# check_message TEXT WORDS: the command before must have said this.
check_message() {
  if grep -qF "$2" "$TEST_TMPDIR/output"; then
    echo "ok - $1"
  else
    echo "not ok - $1: '$2' is not in this output:"
    cat "$TEST_TMPDIR/output"
    failures=$((failures + 1))
  fi
}

export FERROC_TEST_WORKSPACE=$TEST_TMPDIR/tree
mkdir -p "$FERROC_TEST_WORKSPACE/deep/folder" "$FERROC_TEST_WORKSPACE/bazel-out"
cp "$style" "$FERROC_TEST_WORKSPACE/.clang-format"

check "a tree without C files is refused" 2 "$format" --check
echo 'int answer(void) { return 42; }' >"$FERROC_TEST_WORKSPACE/deep/folder/good.h"
echo 'int  generated ;' >"$FERROC_TEST_WORKSPACE/bazel-out/generated.c"
check "a well formatted tree passes" 0 "$format" --check
echo 'int * pointer ;' >"$FERROC_TEST_WORKSPACE/deep/bad file.c"
check "a badly formatted file is found" 1 "$format" --check
check_message "the report names the file" "bad file.c is not formatted"
check "another version says nothing" 0 "$format" --check 9999
check_message "but that it is another" "# SKIP they are formatted by clang-format 9999"
check "formatting repairs it" 0 "$format" --fix
check "after that the tree passes" 0 "$format" --check
check "an unknown option is refused" 2 "$format" --chekc
check "a missing clang-format is refused" 2 env CLANG_FORMAT=/nowhere/clang-format "$format" --check
check_message "the message says what to install" "apt-get install clang-format"
exit $((failures > 0))
