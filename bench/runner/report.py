"""Makes the tables: for each group and metric the default's median, and everybody's ratio to it with its spread."""

from runner import figures

MALLOC_SHARE = 0.05


def _values(results, workload, contender, metric):
    return [sample[metric] for sample in results[workload][contender]]


def ratios(results, metric, baseline, contender):
    """{workload: ratio to the default} of one contender; results: those of one group."""
    return {workload: figures.paired_ratio(_values(results, workload, contender, metric),
                                           _values(results, workload, baseline, metric))
            for workload in results}


def summary(group, results, subsets):
    """Geometric means and worst ratios, for the tables and the JSON file alike.

    subsets: {title: workloads}. Returns {metric: {contender: {"mean": x, "worst": [workload, x],
    "subsets": {title: x}}}}."""
    baseline = group.contenders[0].name
    found = {}
    for metric in group.metrics:
        found[metric.name] = {}
        for contender in group.contenders[1:]:
            ratio = ratios(results, metric.name, baseline, contender.name)
            worst = max(ratio, key=ratio.get)
            found[metric.name][contender.name] = {
                "mean": figures.geometric_mean(ratio.values()),
                "worst": [worst, ratio[worst]],
                "subsets": {title: figures.geometric_mean(ratio[workload] for workload in names)
                            for title, names in subsets.items()},
            }
    return found


def amount(value, unit):
    """A figure with its unit, for people."""
    if not unit:
        return f"{value / 1e6:.2f} M"
    if unit == "KiB" and value >= 10240:
        return f"{value / 1024:.1f} MiB"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def _spread(values):
    """Half the spread, in six letters or so; one value has none."""
    return f"±{50 * figures.spread(values):.0f}%".rjust(6) if len(values) > 1 else ""


def lay_out(rows):
    """The lines of a table: columns under each other, the first to the left, the others to the right, a rule below the
    first row."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return [lines[0], "-" * max(map(len, lines))] + lines[1:]


def _table(group, metric, results, means):
    baseline = group.contenders[0].name
    others = [contender.name for contender in group.contenders[1:]]
    rows = [[group.name, baseline] + others]
    for workload in results:
        base = _values(results, workload, baseline, metric.name)
        row = [workload, amount(figures.median(base), metric.unit) + _spread(base)]
        for other in others:
            values = _values(results, workload, other, metric.name)
            row.append(f"{figures.paired_ratio(values, base):.3f}" + _spread(values))
        rows.append(row)
    if others:
        rows += _closing_rows([means[other] for other in others], len(_spread(base)))
    return lay_out(rows)


def _closing_rows(means, spread_width):
    def row(title, ratios_of_all):
        return [title, ""] + [f"{ratio:.3f}" + " " * spread_width for ratio in ratios_of_all]

    rows = [row("geometric mean", [mean["mean"] for mean in means])]
    rows += [row(subset, [mean["subsets"][subset] for mean in means]) for subset in means[0]["subsets"]]
    return rows + [row("highest ratio", [mean["worst"][1] for mean in means])]


def tables(group, results, subsets, how):
    """The report of one group as text; how: where a figure comes from, such as "median of 5"."""
    means = summary(group, results, subsets)
    text = []
    for metric in group.metrics:
        text.append(f"{group.title}: {metric.title}, {how}, the others as ratio to "
                    f"{group.contenders[0].name}")
        text += _table(group, metric, results, means[metric.name]) + [""]
    return "\n".join(text)


def overview(groups, summaries):
    """One line for each group and metric: the geometric means of everybody. summaries: {group: summary(...)}."""
    names = list(dict.fromkeys(contender.name for group in groups for contender in group.contenders[1:]))
    if not names:
        return ""
    rows = [["geometric means"] + names]
    for group in groups:
        for metric in group.metrics:
            means = summaries[group.name][metric.name]
            title = f"{group.name}, {metric.title}"
            rows.append([title] + [f"{means[name]['mean']:.3f}" for name in names])
            for subset in means[names[0]]["subsets"]:
                rows.append([f"  {subset}"] + [f"{means[name]['subsets'][subset]:.3f}" for name in names])
    return "\n".join(lay_out(rows)) + "\n"


def lua_subsets(chosen, shares):
    """The chosen Lua programs that spend more than 5 % in glibc's allocator, under their title."""
    names = [name for name in chosen if shares.get(name, 0) > MALLOC_SHARE]
    return {f"mean of the {len(names)} that allocate a lot": names} if names else {}
