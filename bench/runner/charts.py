"""Draws a run's results with matplotlib, as SVG: dots for programs, heat maps and dots for single operations.

The text stays text, and the same results give the same file."""

import dataclasses
import io
import math

import matplotlib
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from runner import figures, maps, report, results

COLOURS = {"ferroc": "#c2410c", "glibc": "#57606a", "pymalloc": "#57606a", "default": "#57606a", "mimalloc": "#2563eb",
           "jemalloc": "#15803d", "tcmalloc": "#a16207", "rpmalloc": "#7c3aed"}
OTHER_COLOURS = ("#0e7490", "#be185d", "#4d7c0f", "#6d28d9")
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "ferroc", "font.family": "sans-serif", "font.size": 9,
         "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#8c959f", "axes.titlesize": 10,
         "axes.titlelocation": "left", "xtick.color": "#57606a", "ytick.color": "#24292f", "text.color": "#24292f",
         "legend.frameon": False, "figure.facecolor": "white"}
TICKS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
LEAST_DISTANCE = 0.05  # of two ticks, as a part of the axis


@dataclasses.dataclass(frozen=True)
class Chart:
    """name: of its file; title: above it; svg: the element as text."""

    name: str
    title: str
    svg: str


def draw(data):
    """All charts of a run's results."""
    with matplotlib.rc_context(STYLE):
        if data["kind"] == "instructions":
            return _of_instructions(data["instructions"])
        if data["kind"] == "map":
            return _of_map(data)
        if data["kind"] == "shared":
            return []
        made = results.groups_of(data)
        return _overview(data, made) + [_of_metric(group, metric, data["results"][group.name], results.how(data))
                                        for group in made for metric in group.metrics]


def _svg(figure):
    file = io.StringIO()
    figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg"):]


def _colour(name, names):
    others = [other for other in names if other not in COLOURS]
    return COLOURS.get(name) or OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def _ratio_axis(axes, least, greatest):
    """A logarithmic axis of ratios, with as many plain numbers as fit."""
    axes.set_xscale("log")
    least, greatest = min(least, 0.9) / 1.05, max(greatest, 1.1) * 1.05
    axes.set_xlim(least, greatest)
    length = math.log(greatest / least)
    shown = [1]
    for tick in sorted(TICKS, key=lambda tick: abs(math.log(tick))):
        if least <= tick <= greatest and all(abs(math.log(tick / other)) > LEAST_DISTANCE * length for other in shown):
            shown.append(tick)
    axes.xaxis.set_major_locator(FixedLocator(sorted(shown)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color="#eaeef2", linewidth=0.8)
    axes.axvline(1, color="#8c959f", linewidth=1)
    axes.set_axisbelow(True)


def _dots(axes, rows, names, spreads=None):
    """rows: [(label, {name: ratio})], from the top down; spreads: for each row {name: (least, greatest)}."""
    for y, (_, row) in enumerate(rows):
        for name, ratio in row.items():
            is_ours = name == "ferroc"
            if spreads and name in spreads[y]:
                axes.plot(spreads[y][name], (y, y), color=_colour(name, names), alpha=0.35, linewidth=3 if is_ours else 2,
                          solid_capstyle="round", zorder=2)
            axes.plot([ratio], [y], "o" if is_ours else "D", markersize=7.5 if is_ours else 4.5, color=_colour(name, names),
                      markeredgecolor="white", markeredgewidth=0.6, zorder=4 if is_ours else 3)
    values = [ratio for _, row in rows for ratio in row.values()]
    values += [bound for row in spreads or () for bounds in row.values() for bound in bounds]
    _ratio_axis(axes, min(values), max(values))
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    handles = [axes.plot([], [], "o" if name == "ferroc" else "D", color=_colour(name, names), label=name,
                         markersize=7 if name == "ferroc" else 4.5, linestyle="none")[0] for name in names]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(names), borderaxespad=0.1,
                handletextpad=0.1, columnspacing=1.2)


def _of_metric(group, metric, found, how):
    """All workloads of a group: everybody's ratios to the default, with what the single rounds said as a line."""
    baseline, names = group.contenders[0].name, [contender.name for contender in group.contenders[1:]]
    rows, spreads = [], []
    for workload, samples in found.items():
        values = {name: [sample[metric.name] for sample in samples[name]] for name in [baseline] + names}
        rounds = {name: [value / base for value, base in zip(values[name], values[baseline])] for name in names}
        amount = report.amount(figures.median(values[baseline]), metric.unit)
        rows.append((f"{workload}  ({amount})", {name: figures.median(rounds[name]) for name in names}))
        spreads.append({name: (min(ratios), max(ratios)) for name, ratios in rounds.items() if len(ratios) > 1})
    if len(rows) > 1 and names:
        rows.append(("geometric mean", {name: figures.geometric_mean(row[name] for _, row in rows) for name in names}))
        spreads.append({})
    figure = Figure(figsize=(7.6, 0.9 + 0.27 * len(rows)))
    axes = figure.subplots()
    if names:
        _dots(axes, rows, names, spreads)
        if len(rows) > 1:
            axes.axhspan(len(rows) - 1.5, len(rows) - 0.5, color="#f6f8fa", zorder=0)
    axes.set_xlabel(f"{metric.title}, {how}: ratio to {baseline}, whose own is in brackets; less is better")
    return Chart(f"{group.name}-{metric.name}", f"{group.title}: {metric.title}", _svg(figure))


def _overview(data, made):
    """The geometric means of all groups."""
    rows = [(f"{group.name}, {metric.title}", {name: found["mean"] for name, found in
                                              data["summary"][group.name][metric.name].items()})
            for group in made for metric in group.metrics]
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    if not names:
        return []
    figure = Figure(figsize=(7.6, 0.9 + 0.27 * len(rows)))
    axes = figure.subplots()
    _dots(axes, rows, names)
    axes.set_xlabel("geometric mean of the ratios to the default (glibc, for Python pymalloc); less is better")
    return [Chart(data["kind"] + "-overview", "Geometric means", _svg(figure))]


def _of_instructions(table):
    names = [name for name in next(iter(table.values())) if name not in ("limit", "default")]
    rows = [(f"{title}  ({row['default']:.0f})", {name: row[name] / row["default"] for name in names})
            for title, row in table.items()]
    figure = Figure(figsize=(7.6, 0.9 + 0.27 * len(rows)))
    axes = figure.subplots()
    _dots(axes, rows, names)
    axes.set_xlabel("instructions: ratio to the default, whose own are in brackets; less is better")
    return [Chart("instructions", "Instructions of an allocation and its free", _svg(figure))]


def _of_map(data):
    charts = []
    for name, title, unit, table in (("instructions", "Instructions", "instructions", data["instructions"]),
                                     ("time", "Time", "ns", maps.least_times(data["results"]))):
        if len(next(iter(table.values()))) < 2:
            continue
        if maps.grid(table)[2]:
            charts.append(Chart(f"map-{name}", f"{title} of replacing one of some live blocks", _svg(_heat_maps(table))))
        others = {operation: row for operation, row in table.items() if not operation.startswith("malloc-")}
        if others:
            charts.append(Chart(f"map-others-{name}", f"{title} of other operations", _svg(_other_operations(others, unit))))
    return charts


def _heat_maps(table):
    """Everybody's ratio to the best of all others: ferroc's large, the others' small."""
    sizes, lives, cells = maps.grid(table)
    names = sorted(next(iter(cells.values())), key=lambda name: name != "ferroc")
    height = 0.6 + 0.3 * len(sizes)
    figure = Figure(figsize=(7.6, height + (0.8 + 0.17 * len(sizes)) * math.ceil((len(names) - 1) / 4)))
    above, below = figure.subfigures(2, 1, height_ratios=[height, figure.get_figheight() - height])
    _heat_map(above.subplots(), names[0], sizes, lives, cells, is_large=True)
    small = below.subplots(math.ceil((len(names) - 1) / 4), min(len(names) - 1, 4), squeeze=False, sharey=True).flat
    for axes, name in zip(small, names[1:]):
        _heat_map(axes, name, sizes, lives, cells, is_large=False)
    for axes in list(small)[len(names) - 1:]:
        axes.remove()
    return figure


def _heat_map(axes, name, sizes, lives, cells, is_large):
    ratios = [[maps.ratio_to_best(cells[size, live], name) if (size, live) in cells else math.nan for live in lives]
              for size in sizes]
    axes.pcolormesh([[min(max(ratio, 0.25), 4) for ratio in row] for row in ratios], cmap="RdYlGn_r",
                    norm=LogNorm(0.25, 4), edgecolors="white", linewidth=0.7)
    axes.set_ylim(len(sizes), 0)
    for y, row in enumerate(ratios):
        for x, ratio in enumerate(row):
            if not math.isnan(ratio):
                axes.text(x + 0.5, y + 0.5, f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}", ha="center", va="center",
                          fontsize=8.5 if is_large else 5.5, color="white" if ratio > 3 or ratio < 0.33 else "#24292f")
    small = None if is_large else 6
    axes.set_xticks([x + 0.5 for x in range(len(lives))], [f"{live:,}" for live in lives], fontsize=small)
    axes.set_yticks([y + 0.5 for y in range(len(sizes))], [maps.size_text(size) for size in sizes], fontsize=small)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{name}: ratio to the best of all others" if is_large else name, fontsize=10 if is_large else 8)
    if is_large:
        axes.set_xlabel("live blocks")
        axes.set_ylabel("bytes of a block, ± 3 %")


def _other_operations(table, unit):
    names = list(next(iter(table.values())))
    baseline = names[0]
    rows = [(f"{operation}  ({report.amount(row[baseline], unit)})",
             {name: row[name] / max(row[baseline], 0.1) for name in names[1:]}) for operation, row in table.items()]
    figure = Figure(figsize=(7.6, 0.9 + 0.27 * len(rows)))
    axes = figure.subplots()
    _dots(axes, rows, names[1:])
    axes.set_xlabel(f"ratio to {baseline}, whose own is in brackets; less is better")
    return figure
