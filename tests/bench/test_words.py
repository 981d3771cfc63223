"""Which word an atomic operation in the source writes."""

import pytest
from runner import programs, words
from runner.binary import Frame

HEADER = """\
static inline void fe_bitmap_give(_Atomic(fe_units_t) *word, fe_units_t mask) {
  atomic_fetch_or_explicit(word, mask, memory_order_release);
}
static inline void fe_level_raise(_Atomic(size_t) *level, _Atomic(size_t) *peak, size_t by) {
  while (seen < now && !atomic_compare_exchange_weak_explicit(
                           peak, &seen, now, memory_order_relaxed)) {
  }
}
"""
CODE = """\
static void free_units(const row_t *row) {
  fe_bitmap_give(&row->arena->slab[part_of(row, 0).slab].free, mask(1, 2));
}
static void count(fe_arenas_figures_t *figures) {
  fe_level_raise(&figures->committed_units,
                 &figures->peak_committed_units, 1);
}
static void forget(fe_slab_t *slab) {
  atomic_store_explicit(&slab->aged, 0, memory_order_relaxed);
  atomic_fetch_add_explicit(&slab->nonsense, 1, memory_order_relaxed);
}
"""


@pytest.fixture(autouse=True)
def sources(tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "inlined.h").write_text(HEADER)
    (tmp_path / "core" / "code.c").write_text(CODE)
    monkeypatch.setattr(programs, "ROOT", str(tmp_path))
    words.source.cache_clear()
    yield
    words.source.cache_clear()


def names(*frames, is_plain=False):
    return [word.name for word in words.written([Frame(*frame) for frame in frames], is_plain)]


def test_a_parameter_is_what_the_caller_gives():
    assert names(("fe_bitmap_give", "core/inlined.h", 2), ("free_units", "core/code.c", 2)) == ["slab.free"]


def test_the_right_one_of_several_parameters_over_several_lines():
    assert names(("fe_level_raise", "core/inlined.h", 5), ("count", "core/code.c", 5)) == [
        "arenas.figures.peak_committed_units"]


def test_a_move_writes_where_the_line_is_an_atomic_store():
    assert names(("forget", "core/code.c", 9), is_plain=True) == ["slab.aged"]
    assert names(("forget", "core/code.c", 10), is_plain=True) == []


def test_what_has_no_name_is_refused_with_its_place(refused):
    with refused("words.py", "forget (core/code.c:10)", "nonsense"):
        names(("forget", "core/code.c", 10))
    with refused("fe_bitmap_give (core/inlined.h:2)"):
        names(("fe_bitmap_give", "core/inlined.h", 2))
    with refused("??"):
        names(("??", "??", 0))


@pytest.mark.parametrize("expression, name", [
    ("&slab->free", "free"), ("&arenas->figures.units_taken", "units_taken"), ("&bytes[slab >> 3]", "bytes"),
    ("fe_nursery_starts(nursery, word)", "fe_nursery_starts"), ("&more(heap)->event[at(1)]", "event"), ("", "")])
def test_an_expression_goes_by_its_last_member(expression, name):
    assert words.last_name(expression) == name
