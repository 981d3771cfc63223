"""The benchmark's main program; see README.md, or run it with --help."""

import os
import sys

from runner import caches, groups, instructions, maps, options, pictures, programs, results, rounds, shared, shares, valgrind
from runner import peers as peer_module
from runner.process import BenchError
from runner.progress import Progress


def list_workloads(chosen, peers):
    for name, workloads in chosen.items():
        print(f"{name}: {' '.join(workloads)}")
    print("peers:" + ("".join(f"\n  {name}  {library}" for name, library in peers.items()) or " none"))


def note_missing_peers(peers):
    for name, package in peer_module.missing(peers).items():
        print(f"note: {name} is not installed (Debian: apt-get install {package}) and is left out", file=sys.stderr)


def measure(arguments, chosen, peers):
    count, scale = options.rounds(arguments), options.scale(arguments)
    data = results.describe("programs", peers, quick=arguments.quick, rounds=count)
    made = [groups.make(name, workloads, peers, scale) for name, workloads in chosen.items()]
    found = rounds.run(made, count, programs.built("launcher"), Progress(count * cells(made)))
    results.add_groups(data, made, found)
    return data


def count_misses(arguments, chosen, peers):
    scale = caches.SCALE * options.scale(arguments)
    data = results.describe("misses", peers, scale=scale, caches=caches.GEOMETRY)
    made = [caches.of_group(groups.make(name, workloads, peers, scale)) for name, workloads in chosen.items()]
    results.add_groups(data, made, caches.count(made, Progress(cells(made))))
    return data


def count_instructions(_arguments, _chosen, peers):
    data = results.describe("instructions", peers)
    data["instructions"] = instructions.count(peers, Progress(len(instructions.OPERATIONS) * (2 + len(peers))))
    return data


def draw_map(arguments, chosen, peers):
    count = options.rounds(arguments)
    data = results.describe("map", peers, quick=arguments.quick, rounds=count)
    made = [groups.make("map", chosen["map"], peers, options.scale(arguments))]
    data["results"] = rounds.run(made, count, programs.built("launcher"), Progress(count * cells(made)))["map"]
    data["instructions"] = maps.count(made[0], Progress(cells(made) + 1))
    return data


def count_shared(arguments, chosen, _peers):
    scale = options.scale(arguments)
    data = results.describe("shared", {}, scale=scale)
    data.update(shared.count(chosen["core"], scale, Progress(len(chosen["core"]))))
    return data


def cells(made):
    """How many pairs of a workload and a contender the groups have."""
    return sum(len(group.workloads) * len(group.contenders) for group in made)


def run_mode(arguments, chosen, peers):
    """What the chosen mode finds, after all that may be missing was looked for."""
    modes = {"instructions": count_instructions, "map": draw_map, "cache": count_misses, "shared": count_shared}
    mode = next((mode for mode in modes if getattr(arguments, mode)), None)
    if mode:
        valgrind.find()
    if mode == "shared":
        peers = {}
    elif "none" not in arguments.peer:
        note_missing_peers(peers)
    groups.refuse_debug_build()
    groups.refuse_unloaded(() if mode == "instructions" else chosen, peers)
    return modes.get(mode, measure)(arguments, chosen, peers)


def main(words):
    arguments = options.parser().parse_args(words)
    directory = options.working_directory()
    chosen = options.workloads_of_mode(arguments)
    peers = options.chosen_peers(arguments.peer, directory)
    if arguments.list:
        list_workloads(chosen, peers)
    elif arguments.share:
        shares.write(shares.measure(), directory)
    else:
        report(arguments, chosen, peers, directory)


def report(arguments, chosen, peers, directory):
    """Measures, or reads what was measured, prints it, and draws it if that is asked for."""
    page, folder = options.picture_paths(arguments, directory)
    charts = pictures.load_charts() if page or folder else None
    if arguments.saved:
        data = results.read(os.path.join(directory, arguments.saved))
    else:
        path = options.json_path(arguments.json, directory)
        data = run_mode(arguments, chosen, peers)
        results.write(path, data)
    print(results.text(data))
    if not arguments.saved:
        print(f"raw results: {path}")
    drawn = charts.draw(data) if charts else []
    if page:
        pictures.write_page(page, data, drawn)
        print(f"page: {page}")
    if folder:
        pictures.write_files(folder, drawn)
        print(f"charts: {folder}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except BrokenPipeError:
        # Whoever read the report has seen enough; the results are in their file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit("\nbench: interrupted")
