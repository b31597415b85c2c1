"""What the pages are put together of: the page itself, text, images, bars, and what could not be done.

A page loads nothing from anywhere: styles and images are inside, there are no scripts, and all text is escaped.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from PIL import Image

from imagist.records import Failure, Prediction

SHOWN = 200  # images, and failures, in one page

_OPINIONS = (("image", "image"), ("words", "words"), ("joint", "together"))


def document(title: str, header: str, main: str, footer: str, *, styles: Sequence[str] = ()) -> str:
    """A page as HTML.

    Args:
        title: Its title and its heading, as text.
        header: Markup under the heading.
        main: Markup.
        footer: Text.
        styles: Sheets of this package beside ``page.css``, by their path in it.
    """
    report = files("imagist.report")
    style = "".join(report.joinpath(name).read_text("utf-8") for name in ("page.css", *styles))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f"<header><h1>{escaped(title)}</h1>{header}</header>\n"
        f"<main>\n{main}</main>\n"
        f"<footer><p>{escaped(footer)}</p></footer>\n"
        "</body></html>\n"
    )


def escaped(text: str) -> str:
    """Text as markup; lone surrogates are spelled out."""
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def jpeg(image: Image.Image) -> str:
    """The data address of an image."""
    return _address(image, "jpeg", quality=82, optimize=True)


def png(image: Image.Image) -> str:
    """The data address of an image, to the pixel and with its transparency."""
    return _address(image, "png")


def legend() -> str:
    """The colours of the three opinions."""
    return "".join(f'<span class="key {name}"></span>{said}' for name, said in _OPINIONS)


def bars(result: Prediction, top: int) -> str:
    """A table of the likeliest categories with a bar for each of the three opinions."""
    rows = []
    for name, _ in result.top(top):
        index = result.labels.index(name)
        each = (result.image_probabilities, result.text_probabilities, result.probabilities)
        found = "".join(_bar(kind, said, float(row[index])) for (kind, said), row in zip(_OPINIONS, each, strict=True))
        rows.append(f"<tr><th>{escaped(name)}</th><td>{found}</td></tr>")
    return f'<table class="bars">{"".join(rows)}</table>'


def failure_row(source: str, failure: Failure) -> str:
    """A row of the table of `failures`."""
    error = failure.error
    message = f"{error.message} ({error.remedy})" if error.remedy else error.message
    return f"<tr><td>{escaped(source)}</td><td><code>{escaped(error.kind)}</code> {escaped(message)}</td></tr>\n"


def failures(rows: Sequence[str], failed: int) -> str:
    """The section of what could not be done; empty where all could.

    Args:
        rows: The first of them, as `failure_row` makes them.
        failed: How many there were.
    """
    if not failed:
        return ""
    shown = f" (the first {len(rows):,})" if len(rows) < failed else ""
    return (
        f"<h2>Could not be done: {failed:,}{shown}</h2>\n"
        f'<table class="errors"><tr><th>Input</th><th>Reason</th></tr>\n{"".join(rows)}</table>\n'
    )


def _bar(kind: str, said: str, probability: float) -> str:
    filled = f'<i class="{kind}" style="width:{probability:.1%}"></i>'
    return f'<div class="bar" title="{said}"><div class="rail">{filled}</div><span>{probability:.1%}</span></div>'


def _address(image: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode('ascii')}"
