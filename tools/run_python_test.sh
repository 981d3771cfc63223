#!/bin/bash
# Runs pytest: run_python_test.sh [OPTIONS of test_arguments.sh] PATH-SH FILE-IN-SITE TEST...
# PATH-SH sets PYTHON, the interpreter; FILE-IN-SITE lies in the folder with the packages that the interpreter does not have itself.
set -eu
. tools/test_arguments.sh
. "$(absolute "$1")"
site=$(absolute "$2")
shift 2

export PYTHONPATH=$pythonpath${site%/*}
export PYTHONDONTWRITEBYTECODE=1
export HYPOTHESIS_STORAGE_DIRECTORY=$TEST_TMPDIR/hypothesis
exec "$PYTHON" -m pytest -v -p no:cacheprovider --basetemp="$TEST_TMPDIR/pytest" "$@"
