"""Where the benchmark's programs and workloads are."""

import os
import sys

from runner.process import BenchError

# bench.sh says where Bazel put everything. (Python looks through the symbolic links that Bazel makes, so that
# a module's own path leads to the source.)
ROOT = os.environ.get("BENCH_ROOT") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")

# What Bazel builds, from the workspace's root.
BUILT = {
    "launcher": "bench/launcher",
    "lua-default": "bench/lua-default",
    "ferroc-lua": "bindings/lua/ferroc-lua",
    "ferroc-python": "bindings/python/ferroc-python",
    "core-malloc": "bench/core-malloc",
    "core-ferroc": "bench/core-ferroc",
    "core-ferroc-lines": "bench/core-ferroc-lines",
    "states-default": "bench/states-default",
    "states-ferroc": "bench/states-ferroc",
    "count-malloc": "bench/count-malloc",
    "count-ferroc": "bench/count-ferroc",
    "count-map": "bench/count-map",
    "libferroc": "libferroc.so",
    "count-lua-default": "bench/count-lua-default",
    "count-lua-ferroc": "bench/count-lua-ferroc",
    "count-python-default": "bench/count-python-default",
    "count-python-ferroc": "bench/count-python-ferroc",
}

ENDINGS = {"lua": ".lua", "python": ".py"}


def built(name):
    """The path of a program that Bazel built; BenchError where it is missing."""
    path = os.path.join(ROOT, BUILT[name])
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} is missing: run the benchmark with `bazel run //bench`, which builds it")
    return path


def python_interpreter():
    """The interpreter that ferroc-python is built for; it runs this runner, too."""
    return sys.executable


def scripts(language):
    """Names of the Lua or Python programs, in order."""
    ending = ENDINGS[language]
    names = os.listdir(os.path.join(BENCH, language))
    return sorted(name[:-len(ending)] for name in names if name.endswith(ending))


def script(language, name):
    return os.path.join(BENCH, language, name + ENDINGS[language])
