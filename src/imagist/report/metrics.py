"""Caption metrics as a table on a terminal, Markdown, CSV or JSON.

The table and Markdown follow papers: shares and CIDEr times 100. CSV and JSON hold raw units.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagist.metrics.evaluation import COUNTED, NAMES, Measured
from imagist.metrics.significance import Difference, Interval
from imagist.report.console_table import show
from imagist.report.terminal import printable
from imagist.storage import write_text


@dataclass(frozen=True)
class Report:
    """Caption metrics of one or two files of predictions.

    Attributes:
        settings: All settings that decide the metrics, by name; ``images``, ``resamples``, ``predictions`` and
            ``compared`` are printed.
        first: The metrics of the predictions.
        second: The metrics of the predictions they are compared with, if any.
        differences: First minus second, by metric.
    """

    settings: Mapping[str, object]
    first: Measured
    second: Measured | None
    differences: Mapping[str, Difference]


def show_report(report: Report) -> None:
    """Prints the table and its notes on stdout."""
    console = Console()
    table = Table(header_style="bold")
    heading, *rows = _cells(report)
    for number, name in enumerate(heading):
        table.add_column(Text(printable(name)), justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    show(table, console)
    for note in _notes(report):
        console.print(printable(note), markup=False, highlight=False, soft_wrap=True)


def write_report(report: Report, path: Path) -> None:
    """Writes the file, whole or not at all, in the format of its suffix (see `WRITERS`).

    Raises:
        OutputError: The file cannot be written.
    """
    text = WRITERS[path.suffix.lower()](report)
    write_text(path, text)


def _markdown(report: Report) -> str:
    heading, *rows = _cells(report)
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in (heading, *rows)]
    lines.insert(1, f"|---|{'---:|' * (len(heading) - 1)}")
    return "\n".join([*lines, "", *(f"{note}  " for note in _notes(report)), ""])


def _csv(report: Report) -> str:
    columns = ["figure", "name", "value", "low", "high"]
    if report.second:
        columns += ["other", "other_low", "other_high", "difference", "difference_low", "difference_high", "p_value"]
    columns.append("unavailable")
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for key, name in NAMES.items():
        cells: dict[str, object] = {"figure": key, "name": name, "unavailable": report.first.unavailable.get(key)}
        if key in report.first.figures:
            cells |= _raw(report.first.figures[key])
        if report.second and key in report.second.figures:
            other = _raw(report.second.figures[key])
            cells |= {"other": other["value"], "other_low": other["low"], "other_high": other["high"]}
        if key in report.differences:
            apart = _raw(report.differences[key].interval)
            cells |= {"difference": apart["value"], "difference_low": apart["low"], "difference_high": apart["high"]}
            cells["p_value"] = report.differences[key].p_value
        writer.writerow(cells)
    return text.getvalue()


def _json(report: Report) -> str:
    document = {
        **report.settings,
        "level": next(iter(report.first.figures.values())).level,
        "figures": {key: {"name": NAMES[key], **_raw(value)} for key, value in report.first.figures.items()},
        "unavailable": report.first.unavailable,
    }
    if report.second:
        document["compared_figures"] = {
            key: {"name": NAMES[key], **_raw(value)} for key, value in report.second.figures.items()
        }
        document["differences"] = {
            key: {"name": NAMES[key], **_raw(value.interval), "p_value": value.p_value}
            for key, value in report.differences.items()
        }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


WRITERS: dict[str, Callable[[Report], str]] = {".json": _json, ".csv": _csv, ".md": _markdown}
"""The formats of files, by suffix."""


def _raw(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _cells(report: Report) -> Iterator[list[str]]:
    """The cells of the table: the heading, then a row for each metric."""
    first, second = report.first.figures, report.second.figures if report.second else None
    if second is None:
        yield ["figure", "value [95% interval]"]
        yield from ([NAMES[key], _interval(key, value)] for key, value in first.items())
        return
    paths = [Path(str(report.settings[key])) for key in ("predictions", "compared")]
    names = [path.name for path in paths] if paths[0].name != paths[1].name else list(map(str, paths))
    yield ["figure", *names, "difference", "p"]
    for key, apart in report.differences.items():
        figures = [_interval(key, of[key]) for of in (first, second)]
        yield [NAMES[key], *figures, _interval(key, apart.interval, "+"), f"{apart.p_value:.3f}"]


def _interval(key: str, interval: Interval, sign: str = "") -> str:
    value, low, high = (_number(key, number, sign) for number in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def _number(key: str, value: float, sign: str = "") -> str:
    if key == "vocabulary":
        return f"{value:{sign},.0f}"
    return f"{value:{sign}.2f}" if key in COUNTED else f"{100 * value:{sign}.1f}"


def _notes(report: Report) -> Iterator[str]:
    images, resamples = report.settings["images"], report.settings["resamples"]
    yield f"{images:,} images; x 100 but for words; 95% intervals, bootstrap over images, {resamples:,} resamples."
    yield "CIDEr is pycocoevalcap's, which is CIDEr-D; unclipped it is the paper's first definition."
    reasons: dict[str, list[str]] = {}
    for key, reason in report.first.unavailable.items():
        reasons.setdefault(reason, []).append(NAMES[key])
    for reason, names in reasons.items():
        yield f"No {', '.join(names)}: {reason}"
