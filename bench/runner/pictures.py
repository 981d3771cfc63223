"""Writes a run's charts: as a page for a browser that loads nothing, and as single SVG files."""

import html
import os

from runner import results
from runner.process import BenchError

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 2rem auto; max-width: 56rem; padding: 0 1rem; background: #fff; color: #24292f;
  font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.6rem; }}
h2 {{ font-size: 1.15rem; margin: 2.2rem 0 0.5rem; }}
th {{ text-align: left; font-weight: 600; padding-right: 1rem; vertical-align: top; white-space: nowrap; }}
td {{ color: #57606a; }}
nav a {{ margin-right: 1rem; }}
svg {{ width: 100%; height: auto; }}
pre {{ overflow-x: auto; background: #f6f8fa; padding: 1rem; font-size: 0.8rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
{facts}
</table>
<p>{reading}</p>
{charts}
<h2>All figures</h2>
<details><summary>as text</summary><pre>{text}</pre></details>
</body>
</html>
"""

READING = {
    "programs": "Each row is a program, each mark an allocator: its median as a ratio to the default, whose own figure is in "
                "brackets. The line through a mark goes from its lowest ratio of a round to its highest. Left of 1 is better "
                "than the default.",
    "misses": "Each row is a program, each mark an allocator: what Valgrind counted as a ratio to the default, whose own "
              "figure is in brackets. Left of 1 is better than the default.",
    "map": "One of some live blocks is replaced by another one of about that size, again and again. A cell is the ratio to the "
           "best of all other allocators there: green is ahead of all, red behind the best.",
    "instructions": "Each row is an operation, each mark an allocator: its instructions as a ratio to the default, whose own "
                    "are in brackets.",
    "shared": "Tables alone: how often each word that threads share is written, and what a model of many threads makes of it.",
}


def load_charts():
    """The module that draws; BenchError without matplotlib."""
    try:
        from runner import charts  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise BenchError("the pictures need matplotlib 3.6 or later for the interpreter that runs the benchmark "
                         f"(/usr/bin/python3 of Debian: apt-get install python3-matplotlib; any other: python3 -m pip install "
                         f"matplotlib): {error}") from error
    return charts


def page(data, drawn):
    """The page as text."""
    facts = "\n".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
                      for name, value in results.facts(data))
    charts = "\n".join(f"<h2>{html.escape(chart.title)}</h2>\n{chart.svg}" for chart in drawn)
    return PAGE.format(title=f"ferroc: {html.escape(results.KINDS[data['kind']].lower())}", facts=facts, charts=charts,
                       reading=html.escape(READING[data["kind"]]), text=html.escape(results.text(data)))


def write_page(path, data, drawn):
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(data, drawn))


def write_files(folder, drawn):
    """Each chart as folder/NAME.svg."""
    for chart in drawn:
        with open(os.path.join(folder, chart.name + ".svg"), "w", encoding="utf-8") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n' + chart.svg)
