"""Renders pages from the templates of this package.

A page is one file: style and images are inside, it loads nothing, and all text is escaped. None runs a script, except
the board of accounts, to sort and filter what it shows.
"""

from __future__ import annotations

import io
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from imagist.errors import OutputError
from imagist.records import Failure, Photo
from imagist.report.formatting import plain
from imagist.storage import check_folder

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SHOWN = 200  # most images, and most failures, in one page


class FailedInput(NamedTuple):
    """A failure as pages show it; unlike the error itself it keeps no traceback alive."""

    source: str
    kind: str
    reason: str

    @classmethod
    def of(cls, source: str, failure: Failure) -> FailedInput:
        """The failure of an input."""
        error = failure.error
        return cls(source, error.kind, f"{error.message} ({error.remedy})" if error.remedy else error.message)


class FailedInputs:
    """The first failures of a page, in bounded memory, and how many there are.

    Attributes:
        first: At most as many as the page shows.
        count: All of them.
    """

    def __init__(self, shown: int) -> None:
        self.first: list[FailedInput] = []
        self.count, self._shown = 0, shown

    def add(self, source: str, failure: Failure) -> None:
        """Counts the failure of an input, and keeps it if the page shows it."""
        self.count += 1
        if len(self.first) < self._shown:
            self.first.append(FailedInput.of(source, failure))


def bars(weight: float | None) -> tuple[tuple[str, str, str], ...]:
    """The bars of a category: the colour of each, whose probability it has, and its name.

    A classifier that decides alone and the fused are one bar.

    Args:
        weight: Of the text classifier, 0..1; None is of a fusion that is not a weighted mean.
    """
    if weight == 0:
        return ("image", "joint", "image classifier, which decides alone"), ("text", "text", "text classifier")
    if weight == 1:
        return ("image", "image", "image classifier"), ("text", "joint", "text classifier, which decides alone")
    return ("image", "image", "image classifier"), ("text", "text", "text classifier"), ("joint", "joint", "fused")


def check_page(path: Path) -> None:
    """Makes sure that a page can be written, before anything starts.

    Raises:
        OutputError: Another suffix than that of a page, or the folder is missing or not writable.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError("a report is a page", item=str(path), remedy="end it in .html")
    check_folder(path)


def render_page(template: str, **values: object) -> str:
    """Renders a page, which is a template that extends ``base.html``.

    Args:
        template: Name of the file in ``report/templates``.
        values: Its variables; text is escaped, except for fragments of `render`.
    """
    return _environment().get_template(template).render(values)


def render(template: str, **values: object) -> Markup:
    """Renders a fragment of a page, which pages do not escape again; arguments as of `render_page`."""
    from markupsafe import Markup

    return Markup(render_page(template, **values))


def thumbnail(photo: Photo, side: int) -> Image.Image:
    """The photo, made smaller so that its longest side has at most so many pixels."""
    image = Image.fromarray(photo.pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def jpeg(image: Image.Image) -> str:
    """The image as a data URL."""
    return _data_url(image, "jpeg", quality=82, optimize=True)


def png(image: Image.Image) -> str:
    """The image as a data URL, without loss and with its transparency."""
    return _data_url(image, "png")


def _data_url(image: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode('ascii')}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("imagist.report"), autoescape=True, undefined=StrictUndefined, finalize=_writable,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["bars_of"] = bars
    environment.filters |= {"percent": _percent, "plain": plain, "thousands": "{:,}".format}
    return environment


def _writable(value: Any) -> Any:
    """Lone surrogates, as in names of files that are not UTF-8, are spelled out."""
    if type(value) is str:
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def _percent(share: float, digits: int = 0) -> str:
    return f"{float(share):.{digits}%}"
