"""Finds every object that can be reached, and counts those neither in ferroc nor in a program file.

Run as a script: prints "<objects> <foreign objects>", and then some of the foreign ones.
"""

import ctypes
import gc

import ferroc


class Segment(ctypes.Structure):
    """Elf64_Phdr of <elf.h>."""

    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("physical_address", ctypes.c_uint64),
        ("file_bytes", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("alignment", ctypes.c_uint64),
    ]


class Program(ctypes.Structure):
    """The head of struct dl_phdr_info of <link.h>."""

    _fields_ = [
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("segments", ctypes.POINTER(Segment)),
        ("segment_count", ctypes.c_uint16),
    ]


def program_ranges():
    """Return the address ranges of the program and its libraries: objects there are part of them."""
    loaded = 1
    ranges = []

    def add(program, *_):
        head = program.contents
        for segment in head.segments[: head.segment_count]:
            if segment.kind == loaded:
                start = head.base + segment.address
                ranges.append((start, start + segment.bytes))
        return 0

    visitor = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(Program), ctypes.c_size_t, ctypes.c_void_p
    )
    ctypes.CDLL(None).dl_iterate_phdr(visitor(add), None)
    return ranges


def reachable_objects():
    """Return all objects that can be reached from those that the garbage collector knows."""
    found = {}
    waiting = gc.get_objects()
    while waiting:
        thing = waiting.pop()
        if id(thing) not in found and thing is not found and thing is not waiting:
            found[id(thing)] = thing
            waiting.extend(gc.get_referents(thing))
    return found


def main():
    """Print the counts."""
    gc.disable()
    found = reachable_objects()
    ranges = program_ranges()
    foreign = [
        thing
        for address, thing in found.items()
        if not ferroc.owns(thing) and not any(start <= address < end for start, end in ranges)
    ]
    print(len(found), len(foreign))
    for thing in foreign[:20]:
        print(f"{id(thing):#x} {type(thing).__name__} {repr(thing)[:100]}")


main()
