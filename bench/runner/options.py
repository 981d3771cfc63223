"""The command line: what can be said, and clear words for what cannot."""

import argparse
import fnmatch
import os
import time

from runner import groups, peers
from runner.process import BenchError

DESCRIPTION = """Runs real Lua and Python programs and C workloads on the default allocator, on ferroc and on other
allocators, in turn, and prints time and peak memory as ratios to the default."""

EPILOG = """examples:
  bazel run //bench                                 everything, five rounds
  bazel run //bench -- --quick                      a quarter of the work, three rounds
  bazel run //bench -- --only lua,python/json*      all Lua programs and some Python ones
  bazel run //bench -- --peer mine=./libmine.so     another allocator beside those that are installed
  bazel run //bench -- --instructions               counts instructions instead of measuring time"""


# The groups that a mode takes if nothing is said, and those that it can take.
MODE_GROUPS = {
    "map": (["map"], ("map",)),
    "cache": (["lua,python,core"], tuple(name for name in groups.NAMES if name not in ("states", "map"))),
    "shared": (["core"], ("core",)),
}


def _count(text):
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 up")
    return number


def parser():
    made = argparse.ArgumentParser(prog="bench", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=_count, metavar="N",
                      help="how often each program runs on each allocator (default: 5; with --quick 3)")
    made.add_argument("--only", action="append", metavar="WHAT",
                      help="a group (lua, python, core, states, python-mixed, map) or GROUP/WORKLOAD, with * for any "
                           "letters; several separated by commas, or the option again")
    made.add_argument("--peer", action="append", default=[], metavar="NAME=LIBRARY",
                      help="another allocator, preloaded; may be given again. 'none' leaves out the installed ones")
    made.add_argument("--quick", action="store_true", help="a quarter of the work")
    made.add_argument("--json", metavar="FILE", help="where the raw results go (default: a file in the user's cache)")
    made.add_argument("--html", metavar="FILE", help="write a page with charts of the results, which loads nothing (needs "
                                                    "matplotlib)")
    made.add_argument("--svg", metavar="FOLDER", help="write each chart as an SVG file (needs matplotlib)")
    modes = made.add_mutually_exclusive_group()
    modes.add_argument("--instructions", action="store_true",
                       help="count the instructions of an allocation and its free with Valgrind instead")
    modes.add_argument("--map", action="store_true",
                       help="instead, instructions (Valgrind) and time of single operations, each allocator preloaded: "
                            "one of 1 to 2,000 live blocks is replaced by one of 48 bytes to 1 MiB (sizes vary by 3 %% up "
                            "and down, so that more than one class of an allocator is measured), growth, calloc and "
                            "aligned_alloc")
    modes.add_argument("--cache", action="store_true",
                       help="count instructions and cache misses of the Lua, Python and core programs with Valgrind "
                            "instead, at a twentieth of the work (with --quick an eightieth): figures that repeat on an uneven "
                            "machine")
    modes.add_argument("--shared", action="store_true",
                       help="count with Valgrind instead how often the core workloads write each word that threads share, and "
                            "what a model of 2, 64 and 256 threads makes of that")
    modes.add_argument("--share", action="store_true",
                       help="find out with Valgrind what part of each Lua program glibc's allocator takes, instead")
    modes.add_argument("--from", dest="saved", metavar="FILE",
                       help="measure nothing: print, and with --html or --svg draw, the results that --json wrote")
    modes.add_argument("--list", action="store_true", help="list the workloads and the peers that were found")
    return made


def rounds(arguments):
    return arguments.rounds or (3 if arguments.quick else 5)


def scale(arguments):
    return groups.QUICK_SCALE if arguments.quick else 1


def workloads_of_mode(arguments):
    """{group: workloads} that the mode and --only ask for. BenchError for a group that the mode has nothing to say of."""
    mode = next((mode for mode in MODE_GROUPS if getattr(arguments, mode)), None)
    default, allowed = MODE_GROUPS.get(mode, (None, groups.NAMES))
    chosen = chosen_workloads(arguments.only or default, arguments.quick)
    strangers = [name for name in chosen if name not in allowed]
    if strangers:
        raise BenchError(f"--{mode} is of {', '.join(allowed)}, not of {', '.join(strangers)}: see --list for what "
                         "--only can name")
    return chosen


def chosen_workloads(only, quick):
    """{group: workloads} in the usual order. BenchError for a word that means nothing."""
    everything = {name: groups.workloads(name, quick) for name in groups.NAMES}
    if not only:
        return {name: found for name, found in everything.items() if name not in groups.ON_REQUEST}
    patterns = [pattern for text in only for pattern in text.split(",") if pattern]
    for pattern in patterns:
        if not any(_matches(pattern, group, workload) for group in everything for workload in everything[group]):
            raise BenchError(f"--only {pattern}: no such group or workload. Groups: {', '.join(everything)}; "
                             "see --list for the workloads")
    chosen = {group: tuple(workload for workload in everything[group]
                           if any(_matches(pattern, group, workload) for pattern in patterns))
              for group in everything}
    return {group: names for group, names in chosen.items() if names}


def _matches(pattern, group, workload):
    return pattern == group or fnmatch.fnmatchcase(f"{group}/{workload}", pattern)


def chosen_peers(given, directory):
    """{name: library}: those that are installed, then those that were given, which replace one of the same name."""
    chosen = {} if "none" in given else peers.detect()
    named = set()
    for text in given:
        if text == "none":
            continue
        name, library = peers.parse(text, directory)
        if name in named:
            raise BenchError(f"--peer {text}: the name '{name}' was given twice")
        named.add(name)
        chosen[name] = library
    return chosen


def working_directory():
    """Where the user stands; `bazel run` starts programs elsewhere."""
    return os.environ.get("BUILD_WORKING_DIRECTORY") or os.getcwd()


def json_path(given, directory):
    """Where the results go, checked before the measuring begins; BenchError if nothing can be written there."""
    if given:
        path = os.path.join(directory, given)
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        path = os.path.join(cache, "ferroc", time.strftime("bench-%Y%m%d-%H%M%S.json"))
    folder = os.path.dirname(path)
    if not given:
        os.makedirs(folder, exist_ok=True)
    refuse_unwritable("--json", path)
    return path


def picture_paths(arguments, directory):
    """(file of the page or None, folder of the charts or None), checked beforehand; the folder is made."""
    page = arguments.html and os.path.join(directory, arguments.html)
    folder = arguments.svg and os.path.join(directory, arguments.svg)
    if page:
        refuse_unwritable("--html", page)
    if folder:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise BenchError(f"--svg {folder}: {error.strerror}") from error
    return page, folder


def refuse_unwritable(option, path):
    """BenchError unless the file can be written."""
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else os.path.dirname(path), os.W_OK):
        raise BenchError(f"{option} {path}: no file can be written there")
