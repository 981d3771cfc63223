"""Tests of reading BUILD files: all that name test programs and the core's floors are understood, whatever they call."""

from pathlib import Path

import program
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="read", scope="module")
def read_all():
    """What all folders with tests have, in the order in which it is read: libraries of one are needed by the next."""
    libraries = {}
    return {folder: program.read_build(ROOT, folder, libraries) for folder in program.TEST_FOLDERS}


@pytest.mark.parametrize("folder", program.TEST_FOLDERS)
def test_the_programs_of_a_folder_are_found(read, folder):
    programs, left_out = read[folder]
    labels = [one.label for one in programs]
    assert labels
    assert len(set(labels)) == len(labels)
    assert not set(labels) & set(left_out)


@pytest.mark.parametrize("folder", program.TEST_FOLDERS)
def test_each_test_that_a_build_file_makes_is_a_program_or_left_out(read, folder):
    made = []

    def test(name, **_):
        made.append(program.label_in(folder, name))

    program.evaluate(ROOT / folder / "BUILD", fe_cc_test=test, fe_py_test=test, sh_test=test)
    programs, left_out = read[folder]
    assert sorted(made) == sorted([one.label for one in programs] + left_out)


@pytest.mark.parametrize("folder", program.TEST_FOLDERS)
def test_a_program_has_sources_options_and_a_size(read, folder):
    for one in read[folder][0]:
        assert one.srcs and all(isinstance(src, str) and src.startswith("tests/") for src in one.srcs), one
        assert all(isinstance(option, str) for option in one.copts + one.linkopts), one
        assert one.size in ("small", "medium", "large", "enormous"), one


def test_what_tests_of_other_folders_share_is_a_part_of_them(read):
    (one,) = [one for one in read["tests/stress"][0] if one.label == "//tests/stress:stress_test"]
    assert "tests/core/support.c" in one.srcs


@pytest.mark.parametrize("floor", [*program.FLOORS, program.OVERRIDE])
def test_a_floor_has_its_sources_and_options(floor):
    sources, options = program.floor_of(ROOT, floor)
    assert sources and all(source.startswith(f"core/{floor}/") for source in sources)
    assert options and all(isinstance(option, str) for option in options)


def test_what_stands_in_without_an_operating_system_is_left_out():
    sources, _ = program.floor_of(ROOT, "base")
    assert "core/base/mmap.c" in sources
    assert "core/base/freestanding.c" not in sources
