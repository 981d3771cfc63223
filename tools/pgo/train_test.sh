#!/bin/bash
# What the training run says to somebody who starts it in another way than it is meant to be. That a build for gathering
# and one with the profile fit together is checked by check.sh, which needs Bazel.
set -u
failures=0

# refuses TEXT MESSAGE COMMAND...
refuses() {
  local text=$1 message=$2 output
  shift 2
  if output=$("$@" 2>&1) || [[ $output != *"$message"* ]]; then
    echo "not ok - $text; it said: $output"
    failures=1
  else
    echo "ok - $text"
  fi
}

unset BUILD_WORKSPACE_DIRECTORY
how="bazel run --config=pgo-gather //tools/pgo:train"
refuses "it wants to be run by Bazel" "$how" tools/pgo/train
export BUILD_WORKSPACE_DIRECTORY=$TEST_TMPDIR
refuses "it takes no arguments" "takes no arguments" tools/pgo/train --quick
refuses "an ordinary build writes no counts, which is said" "no counts were written. Is this build for gathering? $how" \
  tools/pgo/train
if [[ -e $TEST_TMPDIR/tools/pgo/profile ]]; then
  echo "not ok - a run that failed leaves no profile"
  failures=1
else
  echo "ok - a run that failed leaves no profile"
fi
exit $failures
