"""The other allocators: finding them, and proving that they really serve a process's memory."""

import os

from runner import process, programs
from runner.process import BenchError

# File names, for the search: the first that is there; names of Debian's packages, for the hint.
KNOWN_PEERS = {
    "mimalloc": (("libmimalloc.so.2", "libmimalloc.so.3"), "libmimalloc2.0, or libmimalloc3"),
    "jemalloc": (("libjemalloc.so.2",), "libjemalloc2"),
    "tcmalloc": (("libtcmalloc_minimal.so.4",), "libtcmalloc-minimal4"),
    "rpmalloc": (("librpmallocwrap.so",), None),
}
LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib", "/usr/lib64",
                   "/usr/lib")
RESERVED_NAMES = ("glibc", "pymalloc", "ferroc", "none")


def detect():
    """The known peers that are installed: a dict of names and paths."""
    found = {}
    for name, (file_names, _) in KNOWN_PEERS.items():
        places = [os.path.join(folder, file_name) for file_name in file_names for folder in LIBRARY_FOLDERS]
        path = next(filter(os.path.exists, places), None)
        if path:
            found[name] = path
    return found


def missing(found):
    """{name: Debian's package} of the known peers that are not among those found and have one."""
    return {name: package for name, (_, package) in KNOWN_PEERS.items() if package and name not in found}


def parse(text, directory="."):
    """A peer given as name=library.so, its path made absolute; BenchError says what is wrong with it."""
    name, equals, library = text.partition("=")
    if not equals or not name or not library:
        raise BenchError(f"--peer {text}: write it as name=library.so, for example --peer mine=/usr/lib/libmine.so")
    if not all(letter.isalnum() or letter in "-_." for letter in name):
        raise BenchError(f"--peer {text}: a name has letters, digits, '-', '_' and '.' only")
    if name in RESERVED_NAMES:
        raise BenchError(f"--peer {text}: '{name}' is the benchmark's own word; choose another name")
    path = os.path.abspath(os.path.join(directory, library))
    if not os.path.isfile(path):
        raise BenchError(f"--peer {text}: there is no file {path}")
    if any(letter in path for letter in " :"):
        raise BenchError(f"--peer {text}: the loader cannot preload a path with blanks or colons: {path}")
    return name, path


def prove_loaded(name, library):
    """BenchError unless a process that preloads the library gets its malloc and free from it, and the
    interpreters have it mapped."""
    settings = {"LD_PRELOAD": library}
    answer = process.run([programs.built("core-malloc"), "whose-malloc"], settings).split("\n")
    check_owner(name, library, answer)


def check_owner(name, library, answer):
    """answer: one path for each function of the family, of the object that the loader took it from."""
    owners = [line for line in answer if line]
    strangers = sorted({owner for owner in owners if os.path.realpath(owner) != os.path.realpath(library)})
    if not owners or strangers:
        raise BenchError(
            f"peer '{name}' did not load: with LD_PRELOAD={library} a process still gets its malloc from "
            f"{', '.join(strangers) or 'nowhere'}. The library must be a shared object for this machine that exports "
            "malloc, free, calloc and realloc.")


def prove_mapped(name, library, command):
    """BenchError unless the process that command starts, and that prints its own /proc/self/maps, has the
    library mapped."""
    check_maps(name, library, command[0], process.run(command, {"LD_PRELOAD": library}))


def check_maps(name, library, program, maps):
    mapped = {line.split(None, 5)[5].strip() for line in maps.splitlines() if len(line.split(None, 5)) == 6}
    if os.path.realpath(library) not in mapped:
        raise BenchError(f"peer '{name}' did not load into {program}: {library} is not among its mapped files")
