"""A study's report as one page: sections of text, tables, charts and example images."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.report.charts.examples import Example, scaled
from imagist.report.shell import jpeg, render_page
from imagist.report.tables import Table
from imagist.report.terminal import printable
from imagist.storage import write_text

BUDGET = 4_500_000  # bytes of charts in one page, as base64
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Plot:
    """A chart on the page.

    Attributes:
        stem: Path of its files without suffix.
        caption: What it shows, in a sentence or two; also the text alternative of the image.
    """

    stem: Path
    caption: str


@dataclass(frozen=True)
class Ranking:
    """Systems with their accuracy, drawn as bars that fit any screen.

    Attributes:
        rows: For each system its name, its kind (``image``, ``text``, ``fused``) and its accuracy, 0..1.
        caption: What it shows.
    """

    rows: tuple[tuple[str, str, Interval], ...]
    caption: str


@dataclass(frozen=True)
class Panel:
    """Example images as cards.

    Attributes:
        examples: The images with their predictions.
    """

    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Listing:
    """Text with significant lines and spaces, such as the settings of the study.

    Attributes:
        text: The lines.
    """

    text: str


Part = str | Table | Plot | Ranking | Panel | Listing
"""A part of a section; a string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        title: The heading, also in the table of contents.
        parts: In order.
    """

    title: str
    parts: tuple[Part, ...]


def write_page(
    path: Path,
    title: str,
    sections: Sequence[Section],
    *,
    lead: str = "",
    facts: Sequence[tuple[str, str]] = (),
    budget: int = BUDGET,
) -> None:
    """Writes the page, whole or not at all.

    Charts are embedded as SVG, which is sharp at any size. If that exceeds the budget, charts that are smaller as PNG
    are embedded as PNG, largest saving first.

    Args:
        path: The file; replaced if it exists.
        title: Its heading.
        sections: In order; charts must have been drawn.
        lead: A paragraph under the heading.
        facts: Key values with their names: ``("97.6%", "best accuracy")``.
        budget: Bytes of charts, as base64.

    Raises:
        UsageError: Files of charts are missing.
        OutputError: The folder cannot be written to, or the disk is full.
    """
    sources = embedded([part.stem for section in sections for part in section.parts if isinstance(part, Plot)], budget)
    shown = [
        {"title": section.title, "parts": [_part(part, sources) for part in section.parts]} for section in sections
    ]
    write_text(
        path, render_page("study.html", title=title, maker="imagist study", lead=lead, facts=facts, sections=shown)
    )


def embedded(stems: Sequence[Path], budget: int) -> dict[Path, str]:
    """The data URL of each chart: SVG, or PNG where that is smaller and needed to stay within the budget.

    Raises:
        UsageError: Files of charts are missing.
    """
    files = {stem: {suffix: stem.with_name(stem.name + suffix) for suffix in _TYPES} for stem in stems}
    missing = [str(file) for of in files.values() for file in of.values() if not file.is_file()]
    if missing:
        raise UsageError("charts are missing", item=", ".join(missing), remedy="draw them before the page is written")
    sizes = {stem: {suffix: _base64_size(file) for suffix, file in of.items()} for stem, of in files.items()}
    saved = {stem: size[".svg"] - size[".png"] for stem, size in sizes.items()}
    over = sum(size[".svg"] for size in sizes.values()) - budget
    chosen = dict.fromkeys(files, ".svg")
    for stem in sorted(files, key=lambda stem: -saved[stem]):
        if over > 0 and saved[stem] > 0:
            chosen[stem] = ".png"
            over -= saved[stem]
    return {stem: _data_url(files[stem][suffix], _TYPES[suffix]) for stem, suffix in chosen.items()}


def _base64_size(file: Path) -> int:
    return 4 * -(-file.stat().st_size // 3)


def _data_url(file: Path, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(file.read_bytes()).decode('ascii')}"


def _part(part: Part, sources: Mapping[Path, str]) -> tuple[str, object]:
    """The kind of a part, by which the template draws it, and its values."""
    if isinstance(part, Table):
        return "table", part
    if isinstance(part, Plot):
        return "plot", {"source": sources[part.stem], "width": _width(part.stem), "caption": part.caption}
    if isinstance(part, Ranking):
        return "ranking", part
    if isinstance(part, Panel):
        return "examples", [(jpeg(Image.fromarray(scaled(each.pixels))), each) for each in part.examples]
    if isinstance(part, Listing):
        return "listing", "\n".join(printable(line) for line in part.text.expandtabs(4).splitlines())
    return "paragraph", part


def _width(stem: Path) -> int:
    """Width of the chart in CSS pixels, so that small charts are not enlarged."""
    points = ElementTree.parse(stem.with_name(f"{stem.name}.svg")).getroot().attrib["width"].removesuffix("pt")
    return round(float(points) * 96 / 72 * 1.15)
