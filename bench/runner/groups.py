"""The groups of workloads, and who takes part in each: the default allocator, ferroc, and the peers."""

import dataclasses
import typing

from runner import maps, process, programs
from runner import peers as peer_module
from runner.process import BenchError

CORE_WORKLOADS = ("mixed_sizes", "small_lifetimes", "full_cache", "random_frees", "growing_arrays", "growing_strings",
                  "buffers", "large_blocks", "producer_consumer", "threads_come_and_go", "server_threads", "large_threads")
STATE_COUNTS = ("1000", "10000")
QUICK_STATE_COUNTS = ("1000",)
QUICK_SCALE = 0.25


@dataclasses.dataclass(frozen=True)
class Contender:
    """One allocator in one group: how to run a workload on it."""

    name: str
    command: typing.Callable  # (workload) -> list of words
    settings: dict


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of each sample that the report makes a table of."""

    name: str
    title: str
    unit: str


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    title: str
    workloads: tuple
    contenders: tuple  # the first is the default, the denominator of every ratio
    metrics: tuple


CPU = Metric("cpu_ms", "CPU time (user and system)", "ms")
WALL = Metric("wall_ms", "time on the clock", "ms")
PEAK = Metric("peak_kib", "peak resident memory", "KiB")
STATE_METRICS = (
    Metric("resident_kib_per_state", "resident memory for each state", "KiB"),
    Metric("open_us_per_state", "time to open a state with its libraries", "us"),
    Metric("close_us_per_state", "time to close a state", "us"),
    Metric("resident_after_percent", "resident memory after closing, of that after the first state", "%"),
)

OPERATION_TIME = Metric("ns_per_turn", "CPU time of one operation", "ns")

NAMES = ("lua", "python", "core", "states", "python-mixed", "map")
# Run only when asked for: a variation of another group, and as long; and single operations, which --map counts, too.
ON_REQUEST = ("python-mixed", "map")


def workloads(name, quick=False):
    """The names of a group's workloads."""
    if name in ("lua", "python"):
        return tuple(programs.scripts(name))
    if name == "python-mixed":
        return tuple(programs.scripts("python"))
    if name == "core":
        return CORE_WORKLOADS
    if name == "map":
        return maps.OPERATIONS
    return QUICK_STATE_COUNTS if quick else STATE_COUNTS


def make(name, chosen, peers, scale):
    """The group with the chosen workloads; peers: {name: library}; scale: how much of a full run's work they do."""
    maker = {"lua": _lua, "python": _python, "core": _core, "states": _states,
             "python-mixed": _python_mixed, "map": _map}[name]
    return maker(tuple(chosen), peers, scale)


def _preloaded(peers, command, settings=None):
    return [Contender(name, command, dict(settings or {}, LD_PRELOAD=library)) for name, library in peers.items()]


def _lua(chosen, peers, scale):
    def on(program):
        return lambda workload: [programs.built(program), programs.script("lua", workload), str(scale)]

    contenders = [Contender("glibc", on("lua-default"), {}), Contender("ferroc", on("ferroc-lua"), {})]
    contenders += _preloaded(peers, on("lua-default"))
    return Group("lua", "Lua programs", chosen, tuple(contenders), (CPU, PEAK))


def _python(chosen, peers, scale):
    contenders = _python_contenders(peers, scale, {"PYTHONMALLOC": "malloc"})
    return Group("python", "Python programs", chosen, contenders, (CPU, PEAK))


def _python_mixed(chosen, peers, scale):
    """Without PYTHONMALLOC=malloc, Python asks the preloaded peer for what is over 512 bytes only."""
    contenders = _python_contenders(peers, scale, {})
    return Group("python-mixed", "Python programs, peers below pymalloc", chosen, contenders, (CPU, PEAK))


def _python_contenders(peers, scale, peer_settings):
    def on(interpreter):
        return lambda workload: [interpreter, programs.script("python", workload), str(scale)]

    interpreter = programs.python_interpreter()
    contenders = [Contender("pymalloc", on(interpreter), {}),
                  Contender("ferroc", on(programs.built("ferroc-python")), {})]
    return tuple(contenders + _preloaded(peers, on(interpreter), peer_settings))


def _core(chosen, peers, scale):
    def on(program):
        return lambda workload: [programs.built(program), workload, str(scale)]

    contenders = [Contender("glibc", on("core-malloc"), {}), Contender("ferroc", on("core-ferroc"), {})]
    contenders += _preloaded(peers, on("core-malloc"))
    return Group("core", "Core workloads (C)", chosen, tuple(contenders), (CPU, WALL, PEAK))


def _states(chosen, peers, _scale):
    def on(program):
        return lambda count: [programs.built(program), count]

    contenders = [Contender("glibc", on("states-default"), {}), Contender("ferroc", on("states-ferroc"), {})]
    contenders += _preloaded(peers, on("states-default"))
    return Group("states", "Lua states that are open at once (ferroc: a private heap for each)", chosen,
                 tuple(contenders), STATE_METRICS)


def _map(chosen, peers, scale):
    """ferroc, too, is preloaded: everybody runs the same program."""
    def command(operation):
        return [programs.built("count-map"), operation, str(maps.timed_turns(operation, scale))]

    contenders = [Contender("glibc", command, {})]
    contenders += _preloaded({"ferroc": programs.built("libferroc"), **peers}, command)
    return Group("map", "Operations of malloc", chosen, tuple(contenders), (OPERATION_TIME,))


def refuse_debug_build():
    """BenchError if the programs were built with ferroc's checks in them, which would be measured too."""
    if process.run([programs.built("core-ferroc"), "build"], {}).strip() != "release":
        raise BenchError("this is a debug build: use `bazel run //bench` or build with --compilation_mode=opt")


def refuse_unloaded(names, peers):
    """BenchError for a peer that does not really serve the processes of the named groups."""
    if "map" in names:
        peer_module.prove_loaded("ferroc", programs.built("libferroc"))
    for peer, library in peers.items():
        peer_module.prove_loaded(peer, library)
        if "lua" in names or "states" in names:
            code = programs.script("lua", "support/print_maps")
            peer_module.prove_mapped(peer, library, [programs.built("lua-default"), code])
        if "python" in names or "python-mixed" in names:
            code = "print(open('/proc/self/maps').read())"
            peer_module.prove_mapped(peer, library, [programs.python_interpreter(), "-c", code])
