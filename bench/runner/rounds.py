"""The measuring itself: each workload on every contender in turn, round after round, checked by checksums."""

from runner import process
from runner.process import BenchError


def order(contenders, round_number):
    """The contenders, begun with another one in each round, so that none always runs first."""
    start = round_number % len(contenders)
    return contenders[start:] + contenders[:start]


def checksum(output, command):
    """The line of a workload's output that tells its result."""
    lines = [line for line in output.splitlines() if line.startswith("checksum ")]
    if len(lines) != 1:
        raise BenchError(f"{' '.join(command)}\n  printed {len(lines)} checksum lines instead of one")
    return lines[0]


def figures(output):
    """What a workload measured itself: its lines `figure NAME VALUE`."""
    found = [line.split() for line in output.splitlines() if line.startswith("figure ")]
    return {name: float(value) for _, name, value in found}


class Checksums:
    """Holds the first checksum of each workload against all later ones."""

    def __init__(self):
        self._first = {}

    def check(self, workload, contender, line):
        first_contender, first_line = self._first.setdefault(workload, (contender, line))
        if line != first_line:
            raise BenchError(f"{workload} computed something else: with {first_contender} '{first_line}', "
                             f"with {contender} '{line}'")


def sample(launcher, contender, workload):
    """One run: (the figures of the sample, its checksum)."""
    command = contender.command(workload)
    cost = process.measure(launcher, command, contender.settings)
    result = {"cpu_ms": cost.cpu_ms, "wall_ms": cost.wall_ms, "peak_kib": cost.peak_kib,
              "minor_faults": cost.minor_faults}
    result.update(figures(cost.output))
    return result, checksum(cost.output, command)


def run(groups, rounds, launcher, progress):
    """Returns {group: {workload: {contender: [sample, ...]}}}, a sample for each round."""
    results = {group.name: {workload: {contender.name: [] for contender in group.contenders}
                            for workload in group.workloads} for group in groups}
    checksums = Checksums()
    for round_number in range(rounds):
        for group in groups:
            for workload in group.workloads:
                for contender in order(group.contenders, round_number):
                    progress.show(f"round {round_number + 1}: {group.name}/{workload} {contender.name}")
                    figures_of_run, line = sample(launcher, contender, workload)
                    checksums.check(f"{group.name}/{workload}", contender.name, line)
                    results[group.name][workload][contender.name].append(figures_of_run)
                    progress.advance()
    progress.finish()
    return results
