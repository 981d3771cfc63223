#!/bin/bash
# bazel run //tools/mutations; run.py says what it does.
exec "${PYTHON:-python3}" "${BUILD_WORKSPACE_DIRECTORY-.}/tools/mutations/run.py" "$@"
