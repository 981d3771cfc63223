"""What a run leaves behind: a dictionary that goes into a JSON file, and from which the report is printed and drawn, at once
or later."""

import json
import time

from runner import groups, instructions, machine, maps, report, shared, shares
from runner.process import BenchError

# What kinds of runs there are, and what a picture or a page is called.
KINDS = {
    "programs": "Time and memory",
    "misses": "Instructions and cache misses",
    "map": "Single operations",
    "instructions": "Instructions of an allocation and its free",
    "shared": "Writes to words that threads share",
}


def describe(kind, peers, **more):
    """The beginning of a run's results: where, when and on what it is made."""
    return {"kind": kind, "date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine.facts(),
            "versions": machine.versions(peers), "peers": peers, **more}


def add_groups(data, made, found):
    """Adds what was found for the groups, and its summary."""
    measured_shares = shares.read()
    data["lua_shares"] = measured_shares
    data["groups"] = {group.name: {
        "title": group.title,
        "contenders": [contender.name for contender in group.contenders],
        "metrics": [[metric.name, metric.title, metric.unit] for metric in group.metrics]} for group in made}
    data["summary"] = {group.name: report.summary(group, found[group.name], subsets_of(data, group)) for group in made}
    data["results"] = found


def groups_of(data):
    """The groups of a run, as far as they were saved: their contenders cannot be run."""
    return [groups.Group(name, saved["title"], tuple(data["results"][name]),
                         tuple(groups.Contender(contender, None, {}) for contender in saved["contenders"]),
                         tuple(groups.Metric(*metric) for metric in saved["metrics"]))
            for name, saved in data["groups"].items()]


def subsets_of(data, group):
    return report.lua_subsets(group.workloads, data["lua_shares"]) if group.name == "lua" else {}


def how(data):
    """Where a figure comes from."""
    return f"median of {data['rounds']}" if "rounds" in data else "counted once"


def text(data):
    """The report of a run."""
    if data["kind"] == "instructions":
        return instructions.table_text(data["instructions"])
    if data["kind"] == "shared":
        return shared.text(data)
    if data["kind"] == "map":
        return maps.text(data["instructions"], maps.least_times(data["results"]))
    made = groups_of(data)
    tables = [report.tables(group, data["results"][group.name], subsets_of(data, group), how(data)) for group in made]
    return "\n".join(tables + [report.overview(made, data["summary"])])


def facts(data):
    """[(name, value)] of a run, for people."""
    about = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    work = {"rounds": "Rounds", "scale": "Part of a full run's work", "quick": "Quick"}
    return [("Date", data["date"]),
            ("Machine", f"{about['processor']}, {about['processors']} processors, {about['memory']}"),
            ("System", f"{about['distribution']}, Linux {about['kernel']}, {about['libc']}"),
            ("Load before", " ".join(f"{load:.2f}" for load in about["load_before"])),
            ("Versions", versions)] + [(title, str(data[name])) for name, title in work.items() if data.get(name)]


def write(path, data):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)


def read(path):
    """What write wrote; BenchError for anything else."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError) as error:
        raise BenchError(f"--from {path}: {error}") from error
    if not isinstance(data, dict) or data.get("kind") not in KINDS:
        raise BenchError(f"--from {path}: these are no results that this benchmark's --json wrote")
    return data
