"""In ferroc-python every object and buffer lies in ferroc, and pymalloc holds nothing."""

import os

import pytest
from support import FERROC_TEST_PYTHON, PYTHON, output_of, output_of_code, run

CENSUS = os.path.join(os.path.dirname(__file__), "object_census.py")


def census(program):
    counts = output_of(program, CENSUS).splitlines()
    objects, foreign = map(int, counts[0].split())
    assert objects > 3000
    return foreign, "\n".join(counts[1:])


def test_every_reachable_object_is_ferrocs_or_part_of_the_interpreter():
    foreign, some = census(FERROC_TEST_PYTHON)
    assert foreign == 0, some


def test_the_census_sees_objects_of_pymalloc():
    foreign, _ = census(PYTHON)
    assert foreign > 3000


def test_the_package_reports_all_domains():
    code = "import ferroc; print(ferroc.domains())"
    assert output_of_code(FERROC_TEST_PYTHON, code) == "('raw', 'mem', 'obj')\n"


def test_the_built_in_module_reports_all_domains_without_the_package():
    code = "import _ferroc; print(_ferroc.domains() == _ferroc.RAW | _ferroc.MEM | _ferroc.OBJ)"
    assert output_of_code(FERROC_TEST_PYTHON, code, "-I") == "True\n"


def test_pymalloc_holds_no_block():
    code = """
        import json, sys
        data = [{str(i): [i] * 10} for i in range(20000)]
        print(sys.getallocatedblocks())
    """
    assert output_of_code(FERROC_TEST_PYTHON, code) == "0\n"
    assert int(output_of_code(PYTHON, code)) > 20000


def test_pymalloc_has_no_arena():
    code = "import sys; sys._debugmallocstats()"
    assert "arenas allocated" not in run(FERROC_TEST_PYTHON, "-c", code).stderr
    assert "arenas allocated" in run(PYTHON, "-c", code).stderr


@pytest.mark.parametrize("function", ["PyMem_RawMalloc", "PyMem_Malloc", "PyObject_Malloc"])
def test_each_domain_hands_out_ferrocs_blocks(function):
    code = f"""
        import ctypes
        program = ctypes.PyDLL(None)
        program.fe_owns.restype = ctypes.c_bool
        program.{function}.restype = ctypes.c_void_p
        sizes = [*range(0, 1100), *(1 << power for power in range(11, 27))]
        print(all(program.fe_owns(ctypes.c_void_p(program.{function}(size))) for size in sizes))
    """
    assert output_of_code(FERROC_TEST_PYTHON, code) == "True\n"


def test_used_memory_follows_what_is_kept():
    code = """
        import ferroc
        before = ferroc.used_memory()
        kept = [bytes(1000) for _ in range(10000)]
        print(9_000_000 < ferroc.used_memory() - before < 20_000_000)
        del kept
        print(ferroc.used_memory() - before < 1_000_000)
    """
    assert output_of_code(FERROC_TEST_PYTHON, code) == "True\nTrue\n"


def test_installing_in_the_launcher_changes_nothing():
    code = """
        import ferroc
        ferroc.install()
        ferroc.install(("mem",))
        print(ferroc.domains())
        try:
            ferroc.uninstall()
        except RuntimeError as error:
            print(error)
        print(ferroc.domains())
    """
    lines = output_of_code(FERROC_TEST_PYTHON, code).splitlines()
    assert lines[0] == lines[2] == "('raw', 'mem', 'obj')"
    assert "since its start" in lines[1]


def test_the_extension_beside_the_launcher_keeps_out():
    """Its own ferroc is not the one that the program runs on; it must neither claim nor wrap it."""
    code = """
        import importlib.machinery, importlib.util, os, ferroc
        folder = os.path.dirname(ferroc.__file__)
        file, = (name for name in os.listdir(folder) if name.startswith("_ferroc"))
        spec = importlib.util.spec_from_file_location("ferroc._ferroc", os.path.join(folder, file))
        extension = importlib.util.module_from_spec(spec)
        print(extension.domains(), extension.owns(bytes(100)), ferroc.owns(bytes(100)))
        try:
            extension.install(7)
        except RuntimeError as error:
            print(error)
    """
    first, second = output_of_code(FERROC_TEST_PYTHON, code).splitlines()
    assert first == "0 False True"
    assert "another hook" in second
