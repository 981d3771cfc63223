"""Lists of mutations, as tools/README.md describes them: reading them, and putting one into a file."""

import re
from dataclasses import dataclass
from pathlib import Path


class Mistake(Exception):
    """Something is wrong with a list, or with what was asked for."""


@dataclass(frozen=True)
class Mutation:
    """One change of one file of the core."""

    name: str
    file: str
    why: str
    before: str  # whole lines, which the file has once
    after: str

    def put_into(self, text):
        """The text of the file with the change."""
        places = [match.start() for match in re.finditer("^" + re.escape(self.before), text, re.MULTILINE)]
        if len(places) != 1:
            raise Mistake(f"{self.name}: {self.file} has the lines before the change {len(places)} times, not once")
        return text[: places[0]] + self.after + text[places[0] + len(self.before) :]


def read_entry(path, entry):
    """One entry of a list: its lines without the empty ones around it."""
    lines = entry.splitlines()
    match = re.fullmatch(r"@ (\S+) (\S+)", lines[0])
    if match is None:
        raise Mistake(f"{path.name}: not `@ name file`: {lines[0]}")
    name, file = match.groups()
    lines = [line or " " for line in lines[1:]]
    why = " ".join(line[1:].strip() for line in lines if line[0] == "#")
    changes = [line for line in lines if line[0] != "#"]
    wrong = [line for line in changes if line[0] not in " -+"]
    if wrong:
        raise Mistake(f"{name}: a line must begin with `#`, ` `, `-` or `+`: {wrong[0]}")
    before = "".join(line[1:] + "\n" for line in changes if line[0] != "+")
    after = "".join(line[1:] + "\n" for line in changes if line[0] != "-")
    if not why or not before or before == after:
        raise Mistake(f"{name}: an entry says why, what was there before, and what is there after")
    return Mutation(name, file, why, before, after)


def read_list(path):
    """The entries of one list: separated by empty lines, each beginning with `@`."""
    path = Path(path)
    entries = re.split(r"^(?=@ )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [read_entry(path, entry.rstrip("\n")) for entry in entries[1:]]


def read_folder(folder):
    """All mutations of a folder, by their names."""
    mutations = {}
    for path in sorted(Path(folder).glob("*.txt")):
        for mutation in read_list(path):
            if mutation.name in mutations:
                raise Mistake(f"{path.name}: there is another {mutation.name}")
            mutations[mutation.name] = mutation
    return mutations
