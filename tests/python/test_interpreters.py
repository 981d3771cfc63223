"""Several interpreters in one process, with one GIL or, from Python 3.12 on, one for each."""

import sys

import pytest
from support import FERROC_TEST_PYTHON, PYTHON, output_of_code

#: Makes create(), run(interpreter, code) and destroy(interpreter) whatever the version of Python.
INTERPRETERS = """
try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters
create = _interpreters.create

def run(interpreter, code):
    error = _interpreters.run_string(interpreter, code)
    assert error is None, error

destroy = _interpreters.destroy
"""

WORK = """
import json, re
data = [{str(number): "x" * (number % 50)} for number in range(2000)]
assert json.loads(json.dumps(data)) == data
assert len(re.findall("x+", json.dumps(data))) == 1960
"""


def test_one_after_the_other_in_the_launcher():
    code = f"""{INTERPRETERS}
for _ in range(5):
    interpreter = create()
    run(interpreter, {WORK!r} + "import _ferroc; assert _ferroc.domains() == 7")
    destroy(interpreter)
print("done")
"""
    assert output_of_code(FERROC_TEST_PYTHON, code) == "done\n"


@pytest.mark.parametrize(
    "program, prelude",
    [(FERROC_TEST_PYTHON, ""), (PYTHON, "import ferroc; ferroc.install()")],
    ids=["launcher", "install"],
)
def test_at_the_same_time(program, prelude):
    code = f"""{prelude}
{INTERPRETERS}
import threading
failures = []

def live():
    try:
        for _ in range(3):
            interpreter = create()
            run(interpreter, {WORK!r})
            destroy(interpreter)
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=live) for _ in range(4)]
for thread in threads:
    thread.start()
kept = [[str(number) for number in range(1000)] for _ in range(100)]
for thread in threads:
    thread.join()
print(failures)
"""
    assert output_of_code(program, code, "-W", "ignore") == "[]\n"


def test_the_package_in_a_second_interpreter():
    code = f"""{INTERPRETERS}
import ferroc
ferroc.install()
interpreter = create()
run(interpreter, "import ferroc; assert ferroc.domains() == ferroc.DOMAINS; assert ferroc.owns(bytes(100))")
run(interpreter, "ferroc.uninstall()")
print(ferroc.domains())
"""
    assert output_of_code(PYTHON, code, "-W", "ignore") == "()\n"


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="before Python 3.12 all interpreters share a GIL"
)
def test_installing_beside_other_interpreters_is_refused():
    code = f"""{INTERPRETERS}
import ferroc
interpreter = create()
try:
    ferroc.install()
except RuntimeError as error:
    print(error, ferroc.domains())
destroy(interpreter)
ferroc.install()
print(ferroc.domains())
"""
    first, second = output_of_code(PYTHON, code, "-W", "ignore").splitlines()
    assert "several interpreters" in first and first.endswith("()")
    assert second == "('raw', 'mem', 'obj')"
