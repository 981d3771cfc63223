"""The figures as text: JSON as json reads it, Prometheus text as Prometheus' own client reads it, the heap map as
well-formed HTML with data that adds up."""

import html.parser
import json
import os
import re
import shutil
import subprocess

import pytest
from prometheus_client import parser as prometheus

NAMES = ["plain", "\"quoted\" \\ back\nline \u00e9\t\x01", "cut \ufffd\ufffd \ufffd </script>"]


def run(text_format):
    """The program's output, and the used bytes of its heaps by address."""
    answer = subprocess.run([os.environ["FIGURES_PROGRAM"], text_format], capture_output=True, check=True)
    used = json.loads(answer.stderr)
    used.pop("thread")
    return answer.stdout.decode("utf-8"), used


def test_json_holds_the_memory_and_the_sum_of_all_heaps():
    text, used = run("json")
    figures = json.loads(text)
    assert set(figures) == {"version", "arenas", "heaps"}
    arenas, heaps = figures["arenas"], figures["heaps"]
    assert heaps["heap_count"] == len(used) + 1
    assert heaps["used_bytes"] == sum(used.values())
    assert heaps["requested_bytes"] <= heaps["used_bytes"]
    assert heaps["requested_is_estimate"] is True
    assert heaps["large_block_count"] == len(used) + 1
    if heaps["classes"]:  # builds with small shards have no figures by size
        in_shards = sum(size["block_size"] * size["live_count"] for size in heaps["classes"])
        elsewhere = heaps["nursery_used_bytes"] + heaps["mixed_used_bytes"] + heaps["large_used_bytes"]
        assert in_shards + elsewhere == heaps["used_bytes"]
    assert heaps["used_bytes"] < heaps["committed_bytes"] <= arenas["committed_bytes"] <= arenas["reserved_bytes"]
    assert arenas["taken_bytes"] <= arenas["committed_bytes"] <= arenas["peak_committed_bytes"]


def test_json_of_heaps_has_their_names_and_figures():
    text, used = run("heaps-json")
    heaps = json.loads(text)["heaps"]
    assert [heap["name"] for heap in heaps] == NAMES
    assert {heap["address"]: heap["used_bytes"] for heap in heaps} == used
    assert [heap["limit_bytes"] for heap in heaps] == [0, 64 << 20, 128 << 20]
    for heap in heaps:
        assert heap["peak_used_bytes"] >= heap["used_bytes"]
        assert "heap_count" not in heap and "ended_heaps" not in heap


def families():
    text, used = run("prometheus")
    return list(prometheus.text_string_to_metric_families(text)), text, used


def test_prometheus_reads_every_figure_once_with_type_and_help():
    found, text, _ = families()
    names = [family.name for family in found]
    assert len(names) == len(set(names))
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(lines) == sum(len(family.samples) for family in found)
    for family in found:
        assert family.documentation, family.name
        assert family.type in ("gauge", "counter"), family.name
        assert family.name.startswith("ferroc_")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert not sample.name.endswith(("_count", "_sum", "_bucket")), sample.name
        labels = [tuple(sorted(sample.labels.items())) for sample in family.samples]
        assert len(labels) == len(set(labels)), family.name


def test_prometheus_reads_heaps_by_name_and_address():
    found, _, used = families()
    by_name = {family.name: family for family in found}
    samples = by_name["ferroc_heap_used_bytes"].samples
    assert [sample.labels["heap"] for sample in samples] == NAMES
    assert {sample.labels["address"]: sample.value for sample in samples} == used
    assert by_name["ferroc_heaps_used_bytes"].samples[0].value == sum(used.values())
    sizes = by_name["ferroc_heap_class_live_blocks"].samples
    if sizes:  # as above
        assert {sample.labels["heap"] for sample in sizes} == set(NAMES)
    assert all(int(sample.labels["block_size"]) % 8 == 0 for sample in sizes)


VOID = {"meta", "input", "link", "br", "hr", "img"}
REFERENCES = {"src", "href", "srcset", "action", "data", "poster"}


class Page(html.parser.HTMLParser):
    """Checks that tags nest, and keeps what is in scripts."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.scripts = [], [], []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert not REFERENCES & set(names), (tag, attributes)
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert len(names) == len(set(names)), (tag, attributes)
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def page():
    text, used = run("map")
    page = Page()
    page.feed(text)
    page.close()
    page.text, page.used = text, used
    return page


def test_the_map_is_well_formed(page):
    assert page.text.startswith("<!doctype html>")
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert len(page.scripts) == 2
    for name in {part.split("'")[0] for part in page.scripts[1].split("at('")[1:]}:
        assert name in page.ids, name


def test_the_maps_data_add_up(page):
    data = json.loads(page.scripts[0])
    per_slab = data["slab_bytes"] // data["unit_bytes"]
    nurseries, live = {}, 0
    for slab in data["slabs"]:
        int(slab["start"], 16)
        counts = [1 if cell[0] in ("blocks", "mixed", "nursery") else cell[1] for cell in slab["cells"]]
        assert sum(counts) == per_slab
        for kind, *rest in slab["cells"]:
            if kind == "nursery":
                nurseries[rest[0]] = rest
                live += rest[3] - rest[7]
            elif kind == "mixed":
                live += rest[1]
            elif kind == "blocks":
                _, block_size, live_count, carved, room = rest
                assert live_count <= carved <= room
                assert room * block_size < data["unit_bytes"]
                live += live_count * block_size
    assert len(data["slabs"]) == data["arenas"]["slab_count"]
    assert set(page.used) < set(nurseries)
    assert {address: nurseries[address][4] for address in page.used} == page.used
    assert [nurseries[address][1] for address in page.used] == NAMES
    assert live + data["heaps"]["large_used_bytes"] == data["heaps"]["used_bytes"]
    owners = {cell[1] for slab in data["slabs"] for cell in slab["cells"] if cell[0] == "blocks"}
    assert owners <= set(nurseries)


UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def shown(text, title):
    """What the page shows beside or below a title, as bytes, and by how much that may be rounded."""
    number, unit = re.search(rf"^{title}\s([\d.]+) (\w+)", text, re.MULTILINE).groups()
    return float(number) * UNITS[unit], UNITS[unit] if "." not in number else UNITS[unit] / 10


@pytest.mark.skipif(not shutil.which("node"), reason="node is missing (Debian: nodejs)")
def test_the_maps_bar_and_cards_say_the_same(page):
    """A block that lies outside of all slabs is live in both, and what a large block does not use in neither."""
    program = ["node", os.environ["FIGURES_SHOWN"], "tiles", "bar_keys"]
    text = subprocess.run(program, input=page.text, capture_output=True, check=True, text=True).stdout
    heaps = json.loads(page.scripts[0])["heaps"]
    parts = re.findall(r"^(.+) [\d.]+ [KMG]?i?B \(", text, re.MULTILINE)
    assert len(parts) == 10
    live = [shown(text, part) for part in parts if part.startswith("live ")]
    assert len(live) == 4
    card, rounded = shown(text, "In live blocks")
    assert abs(card - heaps["used_bytes"]) <= rounded
    assert abs(card - sum(part for part, _ in live)) <= rounded + sum(by for _, by in live)
    large, rounded = shown(text, "live large blocks")
    assert abs(large - heaps["large_used_bytes"]) <= rounded
    whole = [shown(text, part) for part in parts]
    committed, rounded = shown(text, "Committed")
    assert abs(committed - sum(part for part, _ in whole)) <= rounded + sum(by for _, by in whole)
