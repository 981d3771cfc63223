"""Litmus tests and the core do not drift apart.

Each access of a test that names a place in the core is there, with the same orders, and in the same sequence; each
order of the core that is not relaxed is that of such an access, and a case weakens it.
"""

import re
from functools import lru_cache
from pathlib import Path

import litmus
import pytest

ROOT = Path(__file__).parents[2]
TESTS, CASES = litmus.read_folder(Path(__file__).parent)

ONE_ORDER = "the one order of all"

# What each order has.
PARTS = {
    "relaxed": set(),
    "acquire": {"acquire"},
    "release": {"release"},
    "acq_rel": {"acquire", "release"},
    "seq_cst": {"acquire", "release", ONE_ORDER},
}


def squeeze(text):
    return re.sub(r"\s+", "", text)


@lru_cache(maxsize=None)
def code_of(file):
    """A file without its comments; what is left is where it was."""
    text = (ROOT / file).read_text(encoding="utf-8")
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])  # noqa: E731
    return re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.DOTALL)


def end_of(code, start, brackets):
    """Where the bracket that opens at start is closed."""
    depth = 0
    for i in range(start, len(code)):
        depth += (code[i] == brackets[0]) - (code[i] == brackets[1])
        if depth == 0:
            return i + 1
    raise AssertionError(f"a bracket is not closed: {code[start : start + 60]}")


def bodies_of(file, function):
    """From where to where the body of a function goes; of several, where builds or processors differ."""
    code = code_of(file)
    starts = re.finditer(rf"^[a-zA-Z_][^\n;{{]*\b{function}\([^;{{]*\)\s*\{{", code, re.MULTILINE)
    bodies = [(start.end(), end_of(code, start.end() - 1, "{}")) for start in starts]
    assert bodies, f"{file} does not define {function}"
    return bodies


def places_of(mirror):
    """Where the text of a mirror is in its function, however lines are broken."""
    code = code_of(mirror.file)
    pattern = re.compile(r"\s*".join(re.escape(character) for character in squeeze(mirror.text)))
    bodies = bodies_of(mirror.file, mirror.function)
    return [match.start() for start, end in bodies for match in pattern.finditer(code, start, end)]


def call_at(file, place):
    """Where the first atomic operation from place on begins, its name and its orders."""
    code = code_of(file)
    match = re.compile(r"\batomic_\w+_explicit(?=\()").search(code, place)
    call = code[match.start() : end_of(code, match.end(), "()")]
    return match.start(), match[0], re.findall(r"memory_order_(\w+)", call)


def mirrors_of(test):
    return [(access, mirror) for access in test.accesses.values() for mirror in access.mirrors]


def is_atomic(mirror):
    return re.search(r"\batomic_\w+_explicit\(", mirror.text) is not None


@pytest.mark.parametrize("name", TESTS)
def test_accesses_are_in_the_core_with_these_orders(name):
    for access, mirror in mirrors_of(TESTS[name]):
        places = places_of(mirror)
        assert places, f"{access.label}: {mirror.function} in {mirror.file} has no `{mirror.text}`"
        for place in places if is_atomic(mirror) else []:
            _, operation, orders = call_at(mirror.file, place)
            assert f"{operation}(" in access.line, f"{access.label}: the core has {operation}"
            assert orders == access.orders(), f"{access.label}: the core's orders are {', '.join(orders)}"


@pytest.mark.parametrize("name", TESTS)
def test_accesses_of_a_function_have_their_sequence(name):
    last = {}
    for access, mirror in mirrors_of(TESTS[name]):
        function = (access.thread, mirror.file, mirror.function)
        later = [place for place in places_of(mirror) if place >= last.get(function, 0)]
        assert later, f"{access.label}: in {mirror.function} it comes before the access above it"
        last[function] = later[0]


@pytest.mark.parametrize("name", TESTS)
def test_each_atomic_access_is_in_the_core(name):
    for access in TESTS[name].accesses.values():
        if access.orders() and not any(is_atomic(mirror) for mirror in access.mirrors):
            assert access.awaited, f"{access.label} names no place in the core"
            pytest.skip(f"not in the core yet: {access.label}, {access.awaited}")


@pytest.mark.parametrize("name", TESTS)
def test_each_test_can_fail(name):
    assert any(case.verdict == "fails" for case in CASES[name])
    for case in CASES[name]:
        assert litmus.changed(TESTS[name], case) != TESTS[name].text


def weakened_orders():
    """By place in the core and order: what cases take away from it. If the one order of all turns out to be needed, so is
    the rest, which comes with it."""
    taken = {}
    for name, test in TESTS.items():
        for access, mirror in mirrors_of(test):
            for place in places_of(mirror) if is_atomic(mirror) else []:
                at = (mirror.file, call_at(mirror.file, place)[0])
                for case in CASES[name]:
                    for label, before, after in case.changes:
                        if label == access.label and before in PARTS and after in PARTS:
                            parts = PARTS[before] - PARTS[after]
                            is_needed = case.verdict == "fails" and ONE_ORDER in parts
                            taken.setdefault((*at, before), set()).update(PARTS[before] if is_needed else parts)
    return taken


def calls_with_orders():
    """The atomic operations of the core whose order is not relaxed, and what each of the orders means to them."""
    for path in sorted([*ROOT.glob("core/**/*.c"), *ROOT.glob("core/**/*.h")]):
        file = str(path.relative_to(ROOT))
        for match in re.finditer(r"\batomic_\w+_explicit(?=\()", code_of(file)):
            place, operation, orders = call_at(file, match.start())
            for order in set(orders) - {"relaxed"}:
                parts = set(PARTS[order])
                if "load" in operation:
                    parts.discard("release")
                if "store" in operation:
                    parts.discard("acquire")
                yield file, place, operation, order, parts


def test_each_order_of_the_core_has_a_case_that_weakens_it():
    taken = weakened_orders()
    calls = list(calls_with_orders())
    assert calls, "no atomic operation of the core was found"
    missing = []
    for file, place, operation, order, parts in calls:
        left = parts - taken.get((file, place, order), set())
        if left:
            line = code_of(file).count("\n", 0, place) + 1
            missing.append(f"{file}:{line}: {operation} with {order}: no case does without {', '.join(sorted(left))}")
    assert not missing, "\n".join(missing)


def test_no_atomic_operation_hides_its_order():
    for path in sorted([*ROOT.glob("core/**/*.c"), *ROOT.glob("core/**/*.h")]):
        file = str(path.relative_to(ROOT))
        for match in re.finditer(r"\batomic_(load|store|exchange|compare|fetch|thread)\w*\(", code_of(file)):
            line = code_of(file).count("\n", 0, match.start()) + 1
            assert match[0].endswith("_explicit("), f"{file}:{line}: {match[0]}...) does not say its order"
