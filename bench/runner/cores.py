"""What many threads would do to each other: a model of a machine that is not there.

Each thread does one operation after the other. An operation takes its instructions, and for each write to a word that all
threads write the time in which the word's cache line comes over from the core that wrote it last. A line can be in one place
at a time: it is a server, and who wants it meanwhile waits. So this is a closed queueing network of N customers, a delay (the
instructions) and a server for each line; exact mean value analysis gives how much work gets done."""

import math
import typing

NS_PER_INSTRUCTION = 1 / 6  # 3 GHz, two instructions in each cycle
NEAR_NS = 100  # a line comes from a core of the same socket
FAR_NS = 300  # from another socket
THREADS_PER_SOCKET = 64
THREAD_COUNTS = (2, 64, 256)


class Line(typing.NamedTuple):
    """A cache line, or several of the same kind, among which the writes are spread."""

    writes: float  # in one operation
    threads_each: float = math.inf  # so many threads for each of them


class Forecast(typing.NamedTuple):
    share: float  # of what as many threads that share nothing would do
    busiest: str  # the line that is busy for most of the time
    busy: float  # for what part of it


def transfer_ns(thread_count):
    """The mean time in which a line comes from whoever wrote it last, who may be any thread."""
    sockets = max(1, -(-thread_count // THREADS_PER_SOCKET))
    return (NEAR_NS + (sockets - 1) * FAR_NS) / sockets


def forecast(instructions, lines, thread_count):
    """instructions: of an operation. lines: {name: Line}, at least one."""
    alone_ns = instructions * NS_PER_INSTRUCTION
    copies = {name: max(1, math.ceil(thread_count / line.threads_each)) for name, line in lines.items()}
    demand = {name: line.writes * transfer_ns(thread_count) / copies[name] for name, line in lines.items()}
    waiting = dict.fromkeys(lines, 0.0)  # at each copy
    rate = 0.0
    for count in range(1, thread_count + 1):
        stay = {name: demand[name] * (1 + waiting[name]) for name in lines}
        rate = count / (alone_ns + sum(stay[name] * copies[name] for name in lines))
        waiting = {name: rate * stay[name] for name in lines}
    busiest = max(demand, key=demand.get)
    return Forecast(rate * alone_ns / thread_count, busiest, rate * demand[busiest])
