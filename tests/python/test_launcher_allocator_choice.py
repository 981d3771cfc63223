"""PYTHONMALLOC and -X dev in ferroc-python: a certain allocator is what one gets, the default is ferroc."""

import sys
import sysconfig
import textwrap

import pytest
from support import FERROC_TEST_PYTHON, environment, output_of_code, run

#: Prints the domains that ferroc serves, and whether Python's debug hooks fill new blocks.
REPORT = """
    import ctypes, _ferroc
    filled = []
    for name in ("PyMem_RawMalloc", "PyMem_Malloc", "PyObject_Malloc"):
        function = getattr(ctypes.pythonapi, name)
        function.restype = ctypes.c_void_p
        filled.append(ctypes.string_at(function(64), 64) == b"\\xcd" * 64)
    print(_ferroc.domains(), any(filled), all(filled))
"""


def report(variables, *options):
    served, any_filled, all_filled = output_of_code(
        FERROC_TEST_PYTHON, REPORT, *options, env=environment(**variables)
    ).split()
    assert any_filled == all_filled
    return int(served), all_filled == "True"


@pytest.mark.parametrize(
    "wish, served, has_debug_hooks",
    [
        ("", 7, False),
        ("default", 7, False),
        ("debug", 7, True),
        ("pymalloc", 0, False),
        ("pymalloc_debug", 0, True),
        ("malloc", 0, False),
        ("malloc_debug", 0, True),
    ],
)
def test_pythonmalloc(wish, served, has_debug_hooks):
    assert report({"PYTHONMALLOC": wish}) == (served, has_debug_hooks)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="mimalloc came with Python 3.13")
@pytest.mark.skipif(not sysconfig.get_config_var("WITH_MIMALLOC"), reason="built without mimalloc")
def test_pythonmalloc_with_mimalloc():
    assert report({"PYTHONMALLOC": "mimalloc"}) == (0, False)


def test_development_mode_puts_debug_hooks_around_ferroc():
    assert report({}, "-X", "dev") == (7, True)
    assert report({"PYTHONDEVMODE": "1"}) == (7, True)
    assert report({"PYTHONMALLOC": "default"}, "-X", "dev") == (7, False)


def test_ignored_variables_choose_nothing():
    assert report({"PYTHONMALLOC": "malloc"}, "-E") == (7, False)
    assert report({"PYTHONMALLOC": "malloc"}, "-I") == (7, False)


def test_debug_hooks_around_ferroc_find_a_write_behind_the_end():
    code = """
        import ctypes
        allocate, free = ctypes.pythonapi.PyMem_Malloc, ctypes.pythonapi.PyMem_Free
        allocate.restype = ctypes.c_void_p
        block = allocate(20)
        ctypes.memset(block, 0, 21)
        free(ctypes.c_void_p(block))
    """
    done = run(FERROC_TEST_PYTHON, "-X", "dev", "-c", textwrap.dedent(code))
    assert done.returncode < 0
    assert "bad trailing pad byte" in done.stderr


def test_work_under_debug_hooks():
    code = """
        import json, threading
        results = []
        def work():
            results.append(json.loads(json.dumps({str(i): [i] * (i % 50) for i in range(3000)})))
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(all(result == results[0] for result in results))
    """
    assert output_of_code(FERROC_TEST_PYTHON, code, "-X", "dev") == "True\n"


def test_tracemalloc_from_the_start():
    code = """
        import tracemalloc, _ferroc
        data = [bytes(1000) for _ in range(1000)]
        current, peak = tracemalloc.get_traced_memory()
        print(current > 1_000_000, _ferroc.domains())
        tracemalloc.stop()
        print(tracemalloc.is_tracing(), _ferroc.domains())
        tracemalloc.start()
        del data
        print(tracemalloc.is_tracing(), _ferroc.domains())
    """
    expected = "True 7\nFalse 7\nTrue 7\n"
    assert output_of_code(FERROC_TEST_PYTHON, code, "-X", "tracemalloc=5") == expected
