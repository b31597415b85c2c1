"""Results as a table on a terminal or in a pipe."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from imagist.records import Caption, Failure, Prediction
from imagist.report.terminal import printable


def classified_table(top: int = 1) -> Table:
    """An empty table for `add_prediction`, with the ``top`` most probable categories of each image."""
    categories = "category" if top == 1 else f"{top} most probable categories"
    return _table("image", "caption", categories, "by image", "by text")


def captioned_table() -> Table:
    """An empty table for `add_caption`."""
    return _table("image", "caption", "log-probability")


def add_prediction(table: Table, source: str, result: Prediction | Failure, top: int = 1) -> None:
    """Adds one row; for a failure, the error is in the place of the caption."""
    if isinstance(result, Failure):
        _add_failure(table, source, result)
        return
    likeliest = result.top(1)[0][0]
    best = Text("\n").join(
        Text(f"{name} {p:.2f}", "bold" if rank == 0 and not result.abstained else "dim")
        for rank, (name, p) in enumerate(result.top(top))
    )
    table.add_row(
        Text(printable(source)),
        Text(printable(result.caption.text)),
        Text("undecided\n", "italic") + best if result.abstained else best,
        _opinion(result.image_label, float(result.image_probabilities.max()), likeliest),
        _opinion(result.text_label, float(result.text_probabilities.max()), likeliest),
    )


def add_caption(table: Table, source: str, result: Caption | Failure) -> None:
    """Adds one row; for a failure, the error is in the place of the caption."""
    if isinstance(result, Failure):
        _add_failure(table, source, result)
        return
    hypotheses = result.nbest or [result]
    table.add_row(
        Text(printable(source)),
        Text("\n".join(printable(h.text) for h in hypotheses)),
        Text("\n".join(f"{h.logprob:.2f}" for h in hypotheses), justify="right"),
    )


def show(table: Table, console: Console) -> None:
    """Prints the table, folded to the width of a terminal; in a pipe as wide as necessary."""
    if not console.is_terminal:
        table.box, table.show_lines, table.show_edge = box.SIMPLE, False, False
        unbounded = console.options.update(max_width=10**6)
        console.width = max(console.width, Measurement.get(console, unbounded, table).maximum)
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(header_style="bold", show_lines=True)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _add_failure(table: Table, source: str, failure: Failure) -> None:
    reason = Text(printable(f"{failure.error.kind}: {failure.error.message}"), "red")
    table.add_row(Text(printable(source)), reason, *([""] * (len(table.columns) - 2)))


def _opinion(name: str, probability: float, joint: str) -> Text:
    return Text(f"{name} {probability:.2f}", "" if name == joint else "yellow")
