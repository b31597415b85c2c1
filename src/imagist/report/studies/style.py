"""The look of all figures: one door through which they are opened and written, colours, marks and a key.

What tells things apart is never the hue alone: colours differ in lightness too, and go with a mark, a line or a hatch
of their own, so that a figure can be read in grey and by the colour-blind (colours after Okabe and Ito 2008).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from imagist.errors import MissingExtra
from imagist.report.studies.wording import folded
from imagist.storage import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

INK, SOFT, LINE, TRACK = "#1d1d1f", "#62626a", "#d9d5cc", "#ece8df"
IMAGE, WORDS, JOINT = "#2f7fb8", "#c8742a", "#4d3f99"  # as on the pages
RIGHT, WRONG = "#1b7f5c", "#b3261e"
TICK, CROSS = "\N{HEAVY CHECK MARK}", "\N{HEAVY BALLOT X}"

_LOOK: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.07,
    "figure.constrained_layout.w_pad": 0.07,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "svg.fonttype": "none",  # words stay words: they can be searched, and the file is small
    "svg.hashsalt": "imagist",  # the same figure is the same file
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a caption is a dollar sign
    "xtick.color": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
}
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    ".png": {"format": "png", "dpi": 130},
    ".svg": {"format": "svg", "dpi": 130, "metadata": {"Date": None}},
}


@dataclass(frozen=True)
class Mark:
    """How one of several systems is drawn.

    Attributes:
        colour: Of its line and marks.
        shape: Of its marks, as matplotlib names it.
        dash: Of its line, likewise.
        hatch: Of its areas, likewise.
    """

    colour: str
    shape: str
    dash: str
    hatch: str


_MARKS = (
    Mark(IMAGE, "o", "-", ""),
    Mark(WORDS, "s", "--", "////"),
    Mark(JOINT, "D", "-", ""),
    Mark("#00896a", "^", "-.", "...."),
    Mark("#a3467c", "v", ":", "xxxx"),
    Mark("#3d3d42", "P", "--", "\\\\\\\\"),
    Mark("#b59b00", "X", "-.", "----"),
    Mark("#6cb4dd", "p", ":", "++++"),
)
MARKS = len(_MARKS)


def mark(number: int) -> Mark:
    """The mark of the n-th system; after `MARKS` of them they come again."""
    return _MARKS[number % MARKS]


@contextmanager
def drawing(stem: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure that is written as ``stem.png`` and ``stem.svg``, each whole or not at all, when the block ends well.

    Equal figures give equal bytes, whatever the machine's matplotlibrc says, and no setting of matplotlib is changed.

    Args:
        stem: Path without its suffix; a dot in it is part of the name.
        width: In inches.
        height: Likewise.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The folder cannot be written to, or the disk is full.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("figures need matplotlib", remedy="pip install 'imagist[study]'") from error
    with matplotlib.rc_context(), catch_warnings():
        # The letters that this font lacks are in the SVG all the same, and the reader's fonts may have them.
        filterwarnings("ignore", r"Glyph \d+|Matplotlib currently does not support")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        for suffix, options in _FORMATS.items():
            with atomic_write(stem.with_name(stem.name + suffix)) as scratch:
                figure.savefig(scratch, **options)


def grid_of(panels: int, *, most: int = 4) -> tuple[int, int]:
    """Rows and columns for so many panels, with few gaps: at most so many columns."""
    rows = -(-panels // most)
    return rows, -(-panels // rows)


def head(axes: Axes, name: str, width: int) -> None:
    """Writes the name of a system over its panel, in two lines of so many characters at most."""
    axes.set_title(folded(name, width))


def key(owner: Axes | Figure | SubFigure, entries: Sequence[tuple[Artist, str]], **place: Any) -> None:
    """A legend; any text may stand in it, for the library would drop what begins with an underscore.

    Args:
        owner: What it is put on.
        entries: What is drawn, and what it means.
        place: As matplotlib's ``legend`` takes it: ``loc``, ``ncols`` and the like.
    """
    legend = owner.legend([artist for artist, _ in entries], [str(n) for n in range(len(entries))], **place)
    for text, (_, said) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(said)


def as_percent(axes: Axes, which: str) -> None:
    """Writes the ticks of ``x`` or ``y``, shares 0..1, as percentages."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}%"))


def named_rows(axes: Axes, names: Sequence[str], *, width: int = 34) -> None:
    """One row a name from top to bottom, at y = 0, 1, ...; only lines across the values are drawn."""
    axes.set_yticks(range(len(names)), [folded(name, width) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
