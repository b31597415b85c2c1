"""The style of all charts: how they are opened and written, colours, marks and legends.

Hue is never the only difference: colours differ in lightness too, and each has its own mark, line style or hatch, so
that charts are legible in grey and for colour-blind readers (colours after Okabe and Ito 2008).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from imagist.errors import MissingExtra
from imagist.report.formatting import folded
from imagist.storage import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

INK, SOFT, LINE, TRACK = "#1d1d1f", "#62626a", "#d9d5cc", "#ece8df"
IMAGE, TEXT, JOINT = "#2f7fb8", "#c8742a", "#4d3f99"  # as in report/templates/style.css
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
    "svg.fonttype": "none",  # text stays text: it can be searched, and the file is small
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
    Mark(TEXT, "s", "--", "////"),
    Mark(JOINT, "D", "-", ""),
    Mark("#00896a", "^", "-.", "...."),
    Mark("#a3467c", "v", ":", "xxxx"),
    Mark("#3d3d42", "P", "--", "\\\\\\\\"),
    Mark("#b59b00", "X", "-.", "----"),
    Mark("#6cb4dd", "p", ":", "++++"),
)
MARKS = len(_MARKS)


def mark(number: int) -> Mark:
    """The mark of the n-th system; they repeat after `MARKS`."""
    return _MARKS[number % MARKS]


@contextmanager
def drawing(stem: Path, width: float, height: float) -> Iterator[Figure]:
    """Yields a figure and writes it as ``stem.png`` and ``stem.svg`` when the block ends; each whole or not at all.

    Equal figures give equal bytes, with any matplotlibrc, and no setting of matplotlib is changed.

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
        # Letters that this font lacks are still in the SVG, and the reader's fonts may have them.
        filterwarnings("ignore", r"Glyph \d+|Matplotlib currently does not support")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        for suffix, options in _FORMATS.items():
            with atomic_write(stem.with_name(stem.name + suffix)) as scratch:
                figure.savefig(scratch, **options)


def grid_of(panels: int, *, most: int = 4) -> tuple[int, int]:
    """Rows and columns for so many panels, with few gaps and at most ``most`` columns."""
    rows = -(-panels // most)
    return rows, -(-panels // rows)


def head(axes: Axes, name: str, width: int) -> None:
    """Titles a panel with the name of a system, in at most two lines of ``width`` characters."""
    axes.set_title(folded(name, width))


def key(owner: Axes | Figure | SubFigure, entries: Sequence[tuple[Artist, str]], **place: Any) -> None:
    """Adds a legend of any text; matplotlib on its own drops labels that begin with an underscore.

    Args:
        owner: Axes or figure that receives the legend.
        entries: Each artist with its label.
        place: As matplotlib's ``legend`` takes it: ``loc``, ``ncols`` and the like.
    """
    legend = owner.legend([artist for artist, _ in entries], [str(n) for n in range(len(entries))], **place)
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(label)


def as_percent(axes: Axes, which: str) -> None:
    """Writes the ticks of ``x`` or ``y``, shares 0..1, as percentages."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}%"))


def named_rows(axes: Axes, names: Sequence[str], *, width: int = 34) -> None:
    """Labels rows from top to bottom, at y = 0, 1, ...; only vertical grid lines are drawn."""
    axes.set_yticks(range(len(names)), [folded(name, width) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
