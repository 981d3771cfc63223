"""Reads a program with debug lines by binutils: its instructions, their lines, where its variables lie."""

import re
import subprocess
import typing

from runner.process import BenchError

# Debug lines name sources as Bazel's compilers saw them.
_FOLDER_OF_BUILD = re.compile(r"^/proc/self/cwd/(?:\./)?")


class Frame(typing.NamedTuple):
    """A place in the source; what was inlined has several, the innermost first."""

    function: str
    file: str
    line: int

    def __str__(self):
        return f"{self.function} ({self.file}:{self.line})"


def _run(command, text=None):
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise BenchError(f"{command[0]} is not installed (Debian: apt-get install binutils)") from error
    except subprocess.CalledProcessError as error:
        raise BenchError(f"{' '.join(command)}\n  failed:\n{error.stderr.strip()}") from error


def instructions(path):
    """[(address, text)] of a program for x86-64; BenchError for another machine's."""
    text = _run(["objdump", "--disassemble", "--no-show-raw-insn", path])
    if "file format elf64-x86-64" not in text:
        raise BenchError("shared words are counted on x86-64 only: elsewhere atomic writes are loops of instructions")
    found = re.findall(r"^ *([0-9a-f]+):\t(.*)$", text, re.MULTILINE)
    return [(int(address, 16), instruction) for address, instruction in found]


def frames(path, addresses):
    """{address: [Frame]}"""
    text = "\n".join(map(hex, addresses))
    found, current, function = {}, None, None
    for line in _run(["addr2line", "--addresses", "--inlines", "--functions", f"--exe={path}"], text).splitlines():
        if line.startswith("0x"):
            current, function = found.setdefault(int(line, 16), []), None
        elif function is None:
            function = line
        else:
            file, _, number = line.partition(" (discriminator")[0].rpartition(":")
            current.append(Frame(function, _FOLDER_OF_BUILD.sub("", file), int(number) if number.isdigit() else 0))
            function = None
    return found


def symbols(path):
    """{variable or function: address}; of several that have one name, any."""
    found = re.findall(r"^([0-9a-f]+) \w (\S+)$", _run(["nm", path]), re.MULTILINE)
    return {name: int(address, 16) for address, name in found}


def members(path, structs):
    """{struct: {member: offset}} of the named structs."""
    entry = re.compile(r"^ <(\d+)><[0-9a-f]+>: Abbrev Number: \d+ \((\w+)\)|"
                       r"DW_AT_name +: (?:\(.*\): )?(\S+)|DW_AT_data_member_location: (\d+)")
    found, tag, struct, name = {}, "", None, None
    for line in _run(["objdump", "--dwarf=info", path]).splitlines():
        match = entry.search(line)
        if not match:
            continue
        depth, new_tag, new_name, offset = match.groups()
        if depth:
            tag, name = new_tag, None
            struct = struct if depth == "2" else None
        elif new_name:
            name = new_name
            if tag == "DW_TAG_structure_type" and name in structs:
                struct = found.setdefault(name, {})
        elif offset and struct is not None and tag == "DW_TAG_member":
            struct[name] = int(offset)
    return found
