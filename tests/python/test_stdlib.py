"""Python's own tests of what allocates most, run on ferroc. The long ones: test_stdlib_long.py."""

import pytest
from stdlib import WAYS, assert_passes

MODULES = [
    "test_coroutines",
    "test_deque",
    "test_descr",
    "test_dict",
    "test_frame",
    "test_functools",
    "test_generators",
    "test_json",
    "test_list",
    "test_memoryview",
    "test_re",
    "test_struct",
]


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("way", WAYS)
def test_module(way, module, tmp_path):
    assert_passes(way, module, tmp_path)
