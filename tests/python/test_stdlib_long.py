"""Python's own tests that take long, run on ferroc. The short ones: test_stdlib.py."""

import pytest
from stdlib import WAYS, assert_passes

MODULES = [
    "test_array",
    "test_ast",
    "test_bytes",
    "test_capi",
    "test_collections",
    "test_exceptions",
    "test_gc",
    "test_io",
    "test_itertools",
    "test_marshal",
    "test_multiprocessing_fork",
    "test_pickle",
    "test_set",
    "test_threading",
    "test_tracemalloc",
    "test_tuple",
    "test_weakref",
    "test_zlib",
]


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("way", WAYS)
def test_module(way, module, tmp_path):
    assert_passes(way, module, tmp_path)
