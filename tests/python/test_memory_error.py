"""No memory: Python's own MemoryError, and a program that goes on working after it."""

import pytest
from support import FERROC_TEST_PYTHON, PYTHON, output_of_code, run

#: Under a limit of the address space a gigabyte above what is in use, some of which may go back: fills
#: the memory with blocks of one size, lets go of them, and works on.
FILL = """
import ferroc, json, resource, sys
if len(sys.argv) > 2:
    ferroc.install()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), resource.RLIM_INFINITY))
size, kept, failures = int(sys.argv[1]), [], 0
for round in range(3):
    try:
        while len(kept) * size < 2 << 30:
            kept.append(bytes(size))
    except MemoryError:
        failures += 1
    kept.clear()
    assert all(kept == [] for _ in range(1000))
    assert json.loads(json.dumps(list(range(10000)))) == list(range(10000))
print(failures, bool(ferroc.domains()))
"""


@pytest.mark.parametrize("size", [100_000, 3_000_000, 50_000_000])
@pytest.mark.parametrize(
    "program, arguments", [(FERROC_TEST_PYTHON, []), (PYTHON, ["install"])], ids=["launcher", "install"]
)
def test_python_goes_on_after_memory_errors(program, arguments, size):
    done = run(program, "-c", FILL, str(size), *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 True\n", "")


@pytest.mark.parametrize(
    "expression",
    ["bytes(1 << 62)", "[0] * (1 << 59)", "bytearray((1 << 63) - 1)", "'x' * (1 << 60)"],
)
@pytest.mark.parametrize(
    "program, prelude",
    [(FERROC_TEST_PYTHON, ""), (PYTHON, "import ferroc; ferroc.install()")],
    ids=["launcher", "install"],
)
def test_impossible_sizes(program, prelude, expression):
    code = f"""{prelude}
try:
    {expression}
except MemoryError:
    print("MemoryError", len(bytes(1000)))
"""
    assert output_of_code(program, code) == "MemoryError 1000\n"


@pytest.mark.parametrize("limit_kib", [*range(20_000, 60_000, 4_000), 100_000])
def test_too_little_memory_for_the_start(limit_kib):
    """Python either runs, or ends with a message; never without a word."""
    done = run("/bin/sh", "-c", f'ulimit -v {limit_kib}; exec "$0" -c "print(1)"', FERROC_TEST_PYTHON)
    if done.returncode == 0:
        assert done.stdout == "1\n"
    else:
        assert done.stderr != ""
