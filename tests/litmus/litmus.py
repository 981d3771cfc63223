"""Litmus files and their tables of cases, as README.md describes them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ORDERS = ("relaxed", "acquire", "release", "acq_rel", "seq_cst")


@dataclass(frozen=True)
class Mirror:
    """What an access of a litmus test stands for: a piece of text in a function of the core."""

    file: str
    function: str
    text: str


@dataclass
class Access:
    """A line of a litmus test that bears a label."""

    label: str
    thread: str
    line: str
    mirrors: list = field(default_factory=list)
    awaited: str = ""  # what it will stand for when the core has it

    def orders(self):
        return re.findall(r"memory_order_(\w+)", self.line)


@dataclass
class Litmus:
    """One litmus file."""

    path: Path
    text: str
    accesses: dict  # by label

    @property
    def name(self):
        return self.path.name.removesuffix(".litmus")


@dataclass
class Case:
    """A line of a table: a test with other accesses than those of the core, and what becomes of it."""

    step: str
    changes: list  # (label, from, to)
    verdict: str
    reason: str

    def __str__(self):
        changes = "; ".join(f"{label}: {before} -> {after}" for label, before, after in self.changes)
        return f"{self.step} with {changes}"


class Mistake(Exception):
    """Something is wrong with a file of this folder."""


def read_litmus(path):
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    name = path.name.removesuffix(".litmus")
    if text.split("\n", 1)[0] != f"C {name}":
        raise Mistake(f"{path.name}: the first line must be `C {name}`")
    accesses = {}
    thread = ""
    for line in text.splitlines():
        if match := re.match(r"(P\d+)\(", line):
            thread = match[1]
        if match := re.search(r"// (\w+)$", line):
            if match[1] in accesses:
                raise Mistake(f"{path.name}: two lines have the label {match[1]}")
            accesses[match[1]] = Access(match[1], thread, line)
    for label, place, mirrored in re.findall(r"^ \* (\w+): (\?|\S+/\S+ \w+:) (.+)$", text, re.MULTILINE):
        if label not in accesses:
            raise Mistake(f"{path.name}: no line has the label {label}")
        if place == "?":
            accesses[label].awaited = mirrored
        else:
            accesses[label].mirrors.append(Mirror(*place.rstrip(":").split(" "), mirrored))
    return Litmus(path, text, accesses)


def read_cases(path):
    """The cases of one table."""
    cases = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split("|")]
        if len(columns) != 4 or columns[2] not in ("fails", "holds"):
            raise Mistake(f"{Path(path).name}: not `step | label: from -> to | fails or holds | reason`: {line}")
        changes = []
        for change in columns[1].split(";"):
            match = re.fullmatch(r"\s*(\w+): (.+?) -> (.+?)\s*", change)
            if match is None:
                raise Mistake(f"{Path(path).name}: not `label: from -> to`: {change}")
            changes.append(match.groups())
        cases.append(Case(columns[0], changes, columns[2], columns[3]))
    return cases


def read_folder(folder):
    """The tests of a folder by their names, and the cases by the names of their tests."""
    tests = {}
    for path in sorted(Path(folder).glob("*.litmus")):
        test = read_litmus(path)
        tests[test.name] = test
    cases = {name: [] for name in tests}
    for path in sorted(Path(folder).glob("*.cases")):
        for case in read_cases(path):
            name = f"{path.stem}.{case.step}"
            if name not in cases:
                raise Mistake(f"{path.name}: there is no {name}.litmus")
            cases[name].append(case)
    if not tests:
        raise Mistake(f"{folder}: there are no litmus files")
    return tests, cases


def changed(test, case):
    """The text of a test with the changes of a case."""
    text = test.text
    for label, before, after in case.changes:
        if label not in test.accesses:
            raise Mistake(f"{test.name}: no line has the label {label}")
        if before in ORDERS and after in ORDERS:
            before, after = f"memory_order_{before}", f"memory_order_{after}"
        line = next(line for line in text.splitlines() if line.endswith(f"// {label}"))
        if line.count(before) != 1:
            raise Mistake(f"{test.name}: `{before}` must be once in the line of {label}")
        text = text.replace(line, line.replace(before, after))
    return text
