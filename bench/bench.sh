#!/bin/bash
# Starts the benchmark with the interpreter that ferroc-python is built for: `bazel run //bench -- --help`.
set -eu

for root in "$0.runfiles"/{ferroc,_main} "$PWD"; do
  if [[ -f $root/bench/bench.py ]]; then
    . "$root/bench/python_path.sh"
    # Python leaves no compiled files in the source tree, to which the links lead.
    BENCH_ROOT=$root PYTHONDONTWRITEBYTECODE=1 exec "$PYTHON" "$root/bench/bench.py" "$@"
  fi
done
echo "bench: its files are not beside $0: run it with \`bazel run //bench\`" >&2
exit 1
