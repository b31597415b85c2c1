"""The study as one page that stands alone: sections of text, tables, figures and example cards.

The page loads nothing from anywhere: styles and figures are inside, there are no scripts, and all text is escaped.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

from imagist.errors import UsageError
from imagist.report.charts.examples import Example, cards
from imagist.report.formatting import plain
from imagist.report.tables import Table
from imagist.report.terminal import printable
from imagist.storage import write_text

BUDGET = 4_500_000  # bytes of figures in one page, as they stand in it
_STYLES = "page.css", "study/study.css"
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Plot:
    """A figure on the page.

    Attributes:
        stem: Path of its files without their suffix, as it was drawn.
        caption: What it shows, in a sentence or two; also read out to who cannot see it.
    """

    stem: Path
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
    """Text whose lines and spaces count, such as the settings of the study.

    Attributes:
        text: The lines.
    """

    text: str


Part = str | Table | Plot | Panel | Listing
"""What may stand under a heading."""


@dataclass(frozen=True)
class Section:
    """A heading of the page and what stands under it.

    Attributes:
        title: The heading, also in the table of contents.
        parts: In order; a string is a paragraph.
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

    Figures are in it as SVG, sharp at any size; where that is more than the budget, those that are smaller as PNG turn
    to PNG, the one that saves most first.

    Args:
        path: The file; replaced where it exists.
        title: Its heading.
        sections: In order; figures must have been drawn.
        lead: A paragraph under the heading.
        facts: Figures to know first, with what each is: ``("97.6%", "best accuracy")``.
        budget: Bytes of figures, as they stand in the page.

    Raises:
        UsageError: A figure's files are missing.
        OutputError: The folder cannot be written to, or the disk is full.
    """
    plots = [part for section in sections for part in section.parts if isinstance(part, Plot)]
    sources = embedded([plot.stem for plot in plots], budget)
    style = "".join(files("imagist.report").joinpath(name).read_text("utf-8") for name in _STYLES)
    body = "".join(_section(number, section, sources) for number, section in enumerate(sections, start=1))
    known = "".join(f"<li><b>{_text(value)}</b>{_text(said)}</li>" for value, said in facts)
    opening = (f"<p>{_text(lead)}</p>" if lead else "") + (f'<ul class="facts">{known}</ul>' if known else "")
    links = "".join(
        f'<li><a href="#s{n}">{_text(section.title)}</a></li>' for n, section in enumerate(sections, start=1)
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f"<header><h1>{_text(title)}</h1>{opening}"
        f'<nav class="contents" aria-label="Contents"><b>Contents</b><ol>{links}</ol></nav></header>\n'
        f"<main>\n{body}</main>\n"
        "<footer><p>Made by imagist study. This file holds everything it shows.</p></footer>\n</body></html>\n"
    )
    write_text(path, page)


def embedded(stems: Sequence[Path], budget: int) -> dict[Path, str]:
    """The data address of each figure: SVG, but PNG where that is smaller and the budget asks for it.

    Raises:
        UsageError: A figure's files are missing.
    """
    found = {stem: {suffix: stem.with_name(stem.name + suffix) for suffix in _TYPES} for stem in stems}
    missing = [str(file) for of in found.values() for file in of.values() if not file.is_file()]
    if missing:
        raise UsageError("figures are missing", item=", ".join(missing), remedy="draw them before the page is written")
    sizes = {stem: {suffix: _grown(file) for suffix, file in of.items()} for stem, of in found.items()}
    saved = {stem: size[".svg"] - size[".png"] for stem, size in sizes.items()}
    over = sum(size[".svg"] for size in sizes.values()) - budget
    chosen = dict.fromkeys(found, ".svg")
    for stem in sorted(found, key=lambda stem: -saved[stem]):
        if over > 0 and saved[stem] > 0:
            chosen[stem] = ".png"
            over -= saved[stem]
    return {stem: _data(found[stem][suffix], _TYPES[suffix]) for stem, suffix in chosen.items()}


def _grown(file: Path) -> int:
    """Bytes in base64."""
    return 4 * -(-file.stat().st_size // 3)


def _data(file: Path, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(file.read_bytes()).decode('ascii')}"


def _section(number: int, section: Section, sources: dict[Path, str]) -> str:
    parts = "".join(_part(part, sources) for part in section.parts)
    return f'<section id="s{number}"><h2>{_text(section.title)}</h2>\n{parts}</section>\n'


def _part(part: Part, sources: dict[Path, str]) -> str:
    if isinstance(part, Table):
        return part.html()
    if isinstance(part, Panel):
        return cards(part.examples)
    if isinstance(part, Listing):
        lines = "\n".join(escape(printable(line)) for line in part.text.expandtabs(4).splitlines())
        return f"<pre>{lines}</pre>\n"
    if isinstance(part, Plot):
        return (
            f'<figure class="plot"><div><img style="--width:{_width(part.stem)}px" src="{sources[part.stem]}" '
            f'alt="{_text(part.caption)}"></div><figcaption>{_text(part.caption)}</figcaption></figure>\n'
        )
    return f"<p>{_text(part)}</p>\n"


def _width(stem: Path) -> int:
    """Of the drawing, in CSS pixels, so that small figures are not blown up."""
    points = ElementTree.parse(stem.with_name(f"{stem.name}.svg")).getroot().attrib["width"].removesuffix("pt")
    return round(float(points) * 96 / 72 * 1.15)


def _text(text: str) -> str:
    return escape(plain(text))
