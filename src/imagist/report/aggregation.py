"""The page, table and figure of a comparison of ways to put accounts' posts together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from imagist.profiles.aggregation import METHODS, Aggregated
from imagist.report.charts.aggregation import WIDTH, draw_aggregation
from imagist.report.shell import render_page
from imagist.report.tables import Table
from imagist.storage import write_text


def aggregation_table(data: Sequence[Aggregated]) -> Table:
    """All methods at all numbers of posts, a row each."""
    heads = ("posts", "method", "leading right", "error of shares", "interval width", "coverage", "accounts")
    rows = tuple(
        (
            str(each.posts),
            each.method,
            f"{each.right.value:.3f} [{each.right.low:.3f}, {each.right.high:.3f}]",
            f"{each.error.value:.4f} [{each.error.low:.4f}, {each.error.high:.4f}]",
            f"{each.width:.3f}",
            f"{each.coverage:.3f}",
            f"{each.accounts:,}",
        )
        for each in data
    )
    return Table(heads, rows, "; ".join(f"{method}: {what}" for method, what in METHODS.items()) + ".")


def write_aggregation(folder: Path, data: Sequence[Aggregated], settings: Mapping[str, object]) -> None:
    """Writes ``report.html``, ``methods.csv``, ``methods.md``, ``settings.json`` and the figure into a folder.

    Args:
        folder: Made where it does not exist.
        data: All methods at all numbers of posts.
        settings: What was compared, JSON values.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The folder cannot be written to.
    """
    import base64

    folder.mkdir(parents=True, exist_ok=True)
    draw_aggregation(data, folder / "methods")
    table = aggregation_table(data)
    image = base64.b64encode((folder / "methods.png").read_bytes()).decode("ascii")
    page = render_page(
        "aggregation.html",
        title="Ways to put posts together",
        maker="imagist evaluate accounts",
        settings=[(f"{value:,}" if isinstance(value, int) else str(value), name) for name, value in settings.items()],
        figure=f"data:image/png;base64,{image}",
        width=int(100 * WIDTH),
        table=table,
    )
    write_text(folder / "report.html", page)
    write_text(folder / "methods.md", table.markdown())
    write_text(folder / "methods.csv", _csv(data))
    write_text(folder / "settings.json", json.dumps(dict(settings), indent=1) + "\n")


def _csv(data: Sequence[Aggregated]) -> str:
    rows = []
    for each in data:
        row = asdict(each)
        for name in ("right", "error"):
            interval = row.pop(name)
            row |= {name: interval["value"], f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
        rows.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
