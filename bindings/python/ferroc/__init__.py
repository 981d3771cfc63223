"""Python's memory in ferroc heaps.

    import ferroc
    ferroc.install()          # from here on, new blocks are ferroc's
    ferroc.domains()          # ('raw', 'mem', 'obj')

A running interpreter's allocators can only be wrapped: what was allocated before stays where it is,
and every free goes to the owner of the address. Early is therefore better than late. Two other ways
start earlier: ``python3 -m ferroc script.py`` installs before the script is read, and the program
``ferroc-python`` routes all memory of Python from its first block on.
"""

import sys

# ferroc-python has the C module built in: that one knows the heaps the program runs on.
if "_ferroc" in sys.builtin_module_names:
    import _ferroc
else:
    from ferroc import _ferroc

__all__ = ["DOMAINS", "domains", "install", "owns", "uninstall", "used_memory"]

__version__ = _ferroc.VERSION

#: The three domains of Python's memory manager: buffers allocated without the GIL, other buffers,
#: and objects.
DOMAINS = ("raw", "mem", "obj")

_FLAGS = {"raw": _ferroc.RAW, "mem": _ferroc.MEM, "obj": _ferroc.OBJ}


def _flags(domains):
    if isinstance(domains, str):
        raise TypeError(
            f"domains must be a tuple such as ('raw', 'mem'), not the string {domains!r}"
        )
    flags = 0
    for domain in domains:
        if domain not in _FLAGS:
            raise ValueError(
                f"unknown domain {domain!r}: allowed are {', '.join(map(repr, DOMAINS))}"
            )
        flags |= _FLAGS[domain]
    if not flags:
        raise ValueError(f"no domain given: allowed are {', '.join(map(repr, DOMAINS))}")
    return flags


def install(domains=DOMAINS):
    """Let ferroc serve new blocks of these domains, from now on and in all threads.

    Blocks that exist stay with the allocator they came from. Nothing happens when ferroc serves all
    these domains already, as in ferroc-python.

    Raises ValueError for an unknown domain, and RuntimeError with the reason when installing is not
    safe: tracemalloc or another hook of the allocators is active, ferroc is installed for other
    domains, other interpreters exist already (Python 3.12 and later), or this is a free-threaded
    build and other domains than 'raw' are asked for.
    """
    flags = _flags(domains)
    if flags & ~_ferroc.domains():
        _ferroc.install(flags)


def uninstall():
    """Let the old allocators serve new blocks again.

    Blocks of ferroc's stay valid and go back to ferroc when they are freed. Raises RuntimeError when
    ferroc is not installed, and in ferroc-python, which has no older allocators.
    """
    _ferroc.uninstall()


def domains():
    """The domains whose new blocks ferroc serves at present, a tuple of names; () when none."""
    flags = _ferroc.domains()
    return tuple(domain for domain in DOMAINS if flags & _FLAGS[domain])


def owns(obj):
    """Whether this object's own memory lies in a ferroc heap.

    False for objects that are part of the interpreter (None, small integers, types written in C) and
    for those that Python made from memory it held before the installation.
    """
    return _ferroc.owns(obj)


def used_memory():
    """Bytes in live blocks of Python's heap and of the calling thread's own heap.

    From Python 3.12 on every thread has a heap of its own: blocks that other threads allocated are not
    counted.
    """
    return _ferroc.used_memory()
