"""The benchmark's main program; see README.md, or run it with --help."""

import json
import os
import sys

from runner import caches, groups, instructions, machine, maps, options, programs, report, rounds, shares, valgrind
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


def measure(arguments, chosen, peers, path):
    if "none" not in arguments.peer:
        note_missing_peers(peers)
    groups.refuse_debug_build()
    groups.refuse_unloaded(chosen, peers)
    count = options.rounds(arguments)
    made = [groups.make(name, workloads, peers, options.scale(arguments)) for name, workloads in chosen.items()]
    runs = count * sum(len(group.workloads) * len(group.contenders) for group in made)
    facts = machine.facts()
    results = rounds.run(made, count, programs.built("launcher"), Progress(runs))
    write_and_print(made, results, f"median of {count}", path,
                    {"machine": facts, "quick": arguments.quick, "rounds": count, "peers": peers})


def count_misses(arguments, chosen, peers, path):
    if "none" not in arguments.peer:
        note_missing_peers(peers)
    valgrind.find()
    groups.refuse_debug_build()
    groups.refuse_unloaded(chosen, peers)
    scale = caches.SCALE * options.scale(arguments)
    made = [caches.of_group(groups.make(name, workloads, peers, scale)) for name, workloads in chosen.items()]
    facts = machine.facts()
    results = caches.count(made, Progress(sum(len(group.workloads) * len(group.contenders) for group in made)))
    write_and_print(made, results, "counted once", path,
                    {"machine": facts, "scale": scale, "caches": caches.GEOMETRY, "peers": peers})


def write_and_print(made, results, how, path, facts):
    """The results of groups: all of them into the file, tables and means on stdout."""
    measured_shares = shares.read()
    subsets = {group.name: report.lua_subsets(group.workloads, measured_shares) if group.name == "lua" else {}
               for group in made}
    summaries = {group.name: report.summary(group, results[group.name], subsets[group.name]) for group in made}
    write_json(path, dict(facts, lua_shares=measured_shares, summary=summaries, results=results))
    for group in made:
        print(report.tables(group, results[group.name], subsets[group.name], how))
    print(report.overview(made, summaries))
    print(f"raw results: {path}")


def count_instructions(peers, path):
    valgrind.find()
    groups.refuse_debug_build()
    groups.refuse_unloaded((), peers)
    table = instructions.count(peers, Progress(len(instructions.OPERATIONS) * (2 + len(peers))))
    write_json(path, {"machine": machine.facts(), "peers": peers, "instructions": table})
    print(instructions.table_text(table))
    print(f"raw results: {path}")


def draw_map(arguments, chosen, peers, path):
    valgrind.find()
    groups.refuse_debug_build()
    groups.refuse_unloaded(chosen, peers)
    group = groups.make("map", chosen["map"], peers, options.scale(arguments))
    rounds_count = options.rounds(arguments)
    facts = machine.facts()
    cells = len(group.workloads) * len(group.contenders)
    results = rounds.run([group], rounds_count, programs.built("launcher"), Progress(rounds_count * cells))["map"]
    counts = maps.count(group, Progress(cells + 1))
    write_json(path, {"machine": facts, "quick": arguments.quick, "rounds": rounds_count, "peers": peers,
                      "map": {"instructions": counts, "results": results}})
    print(maps.text(counts, maps.least_times(results)))
    print(f"raw results: {path}")


def write_json(path, data):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)


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
        path = options.json_path(arguments.json, directory)
        if arguments.instructions:
            count_instructions(peers, path)
        elif arguments.map:
            draw_map(arguments, chosen, peers, path)
        elif arguments.cache:
            count_misses(arguments, chosen, peers, path)
        else:
            measure(arguments, chosen, peers, path)


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
