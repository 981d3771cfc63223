"""Tests of the lists: each change fits to the core as it is now, and each folder of the core has some."""

from pathlib import Path

import mutations
import pytest

ROOT = Path(__file__).parents[2]
ALL = mutations.read_folder(Path(__file__).parent)


@pytest.mark.parametrize("mutation", ALL.values(), ids=list(ALL))
def test_the_lines_before_a_change_are_in_the_file_once(mutation):
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert mutation.put_into(text) != text


@pytest.mark.parametrize("mutation", ALL.values(), ids=list(ALL))
def test_a_name_begins_with_the_folder_of_its_file(mutation):
    assert mutation.file.split("/")[:2] == ["core", mutation.name.split(".")[0]]


@pytest.mark.parametrize("floor", ["arena", "slab", "heap", "thread", "stats", "global", "base", "override"])
def test_each_folder_has_mutations(floor):
    assert [name for name in ALL if name.startswith(floor + ".")]


def entry(tmp_path, text):
    (tmp_path / "a.txt").write_text("A title.\n\n" + text, encoding="utf-8")
    return mutations.read_folder(tmp_path)


def test_an_entry_is_a_change_with_the_lines_around_it(tmp_path):
    (one,) = entry(tmp_path, "@ a.b core/a/b.c\n# It is\n# wrong.\n x;\n-y;\n+z;\n\n w;\n").values()
    assert (one.name, one.file, one.why) == ("a.b", "core/a/b.c", "It is wrong.")
    assert one.put_into("first\nx;\ny;\n\nw;\n") == "first\nx;\nz;\n\nw;\n"


@pytest.mark.parametrize("text", ["first\nx;\n", "first\nx;\ny;\nx;\ny;\n", "first\n  x;\n  y;\n"])
def test_lines_that_are_not_there_once_are_a_mistake(tmp_path, text):
    (one,) = entry(tmp_path, "@ a.b core/a/b.c\n# Wrong.\n x;\n-y;\n").values()
    with pytest.raises(mutations.Mistake, match="not once"):
        one.put_into(text)


@pytest.mark.parametrize(
    "text",
    [
        "@ a.b\n# No file.\n-x;\n",
        "@ a.b core/a/b.c\n-x;\n",
        "@ a.b core/a/b.c\n# Nothing changes.\n x;\n",
        "@ a.b core/a/b.c\n# A line without a sign.\nx;\n-y;\n",
        "@ a.b core/a/b.c\n# Twice.\n-x;\n\n@ a.b core/a/b.c\n# Twice.\n-x;\n",
    ],
)
def test_what_is_no_entry_is_refused(tmp_path, text):
    with pytest.raises(mutations.Mistake):
        entry(tmp_path, text)
