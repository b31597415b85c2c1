"""What a training was worth, for people: curves, samples as a page, a card.

The page loads nothing from anywhere; all text is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from imagist.arrays import Pixels
from imagist.report.charts.style import WRONG, drawing, grid_of, head, mark
from imagist.report.markup import document, escaped, jpeg, png
from imagist.report.tables import Table
from imagist.storage import write_text


class Sample(Protocol):
    """A photo with what the captioner and people say of it."""

    @property
    def pixels(self) -> Pixels: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def captions(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def references(self) -> tuple[str, ...]: ...  # noqa: D102


def write_report(folder: Path, measured: Mapping[str, Any], samples: Sequence[Sample], recipe: str) -> None:
    """Writes curves (PNG and SVG), ``report.html`` and the bundle's ``MODEL_CARD.md`` into the folder of a run.

    Args:
        folder: Of the run, with its ``curves.jsonl``.
        measured: Figures on dev by language, the export's parity, sizes.
        samples: Photos to show.
        recipe: The TOML that was trained.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    draw_curves(read_curves(folder / "curves.jsonl"), folder / "curves")
    write_text(folder / "report.html", _page(measured, samples, recipe, folder / "curves.png"))
    write_text(folder / "bundle" / "MODEL_CARD.md", card(measured, recipe))


def read_curves(path: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Phase to figure to ``(step, value)`` in order; of a step told twice, as after a kill, the later word counts."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        entry = json.loads(line)
        phase, step = entry.pop("phase"), entry.pop("step")
        for name, value in entry.items():
            found.setdefault(phase, {}).setdefault(name, {})[step] = value
    return {p: {n: sorted(of.items()) for n, of in figures.items()} for p, figures in found.items()}


def draw_curves(told: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], stem: Path) -> None:
    """One panel a figure, phase by phase, as ``stem.png`` and ``stem.svg``.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    panels = [(phase, name) for phase, figures in told.items() for name in figures]
    rows, columns = grid_of(max(1, len(panels)), most=3)
    with drawing(stem, 4.6 * columns, 3.1 * rows) as figure:
        for place, (phase, name) in enumerate(panels, start=1):
            axes = figure.add_subplot(rows, columns, place)
            steps, values = zip(*told[phase][name], strict=True)
            axes.plot(steps, values, marker="o" if len(steps) < 40 else "", markersize=3, color=mark(0).colour)
            head(axes, f"{phase}: {name}", 40)
            axes.set_xlabel("step")
            if name.startswith(("cider", "bleu", "reward")):
                best = max(values)
                axes.axhline(best, color=WRONG, linewidth=0.8, linestyle="--")
                axes.annotate(f"{best:.3f}", (steps[0], best), fontsize=8, color=WRONG, va="bottom")


def figures_table(measured: Mapping[str, Any]) -> Table:
    """For each language the figures x 100 with their 95% intervals."""
    heads: tuple[str, ...] = ("language",)
    rows = []
    for language, figures in measured["dev"].items():
        heads = ("language", *figures)
        intervals = [value if isinstance(value, Mapping) else vars(value) for value in figures.values()]
        cells = [f"{100 * i['value']:.1f} [{100 * i['low']:.1f}, {100 * i['high']:.1f}]" for i in intervals]
        rows.append((language, *cells))
    return Table(heads, tuple(rows))


def card(measured: Mapping[str, Any], recipe: str) -> str:
    """The model card of a trained captioner, in Markdown."""
    parity, sizes = measured["parity"], measured["parameters"]
    name = measured["recipe"]["name"]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"A captioner trained by `imagist train caption`: encoder {sizes['encoder'] / 1e6:.1f}, decoder "
            f"{sizes['decoder'] / 1e6:.1f} million weights, {measured['words']:,} words.",
            "",
            "## Measured on dev, x 100, with 95% intervals",
            "",
            figures_table(measured).markdown(),
            "The epoch was chosen on these photos, so expect a little less elsewhere.",
            "",
            f"**Export**: on {parity['images']} photos of dev torch and ONNX give {parity['equal_captions']:.1%} "
            f"equal captions, log-probabilities within {parity['logprobs']:.0e}.",
            "",
            "It knows what its training photos show and no more, and writes fluently where it is wrong. Its licence is "
            "that of its data: see there.",
            "",
            "## Recipe",
            "",
            "```toml",
            recipe.rstrip(),
            "```",
            "",
        ]
    )


def _page(measured: Mapping[str, Any], samples: Sequence[Sample], recipe: str, curves: Path) -> str:
    with Image.open(curves) as drawn:
        plot = f'<img style="--width:{drawn.width}px" src="{png(drawn)}" alt="curves of the training">'
    return document(
        str(measured["recipe"]["name"]),
        "<p>Dev, x 100, with 95% intervals.</p>",
        f'{figures_table(measured).html()}<figure class="plot"><div>{plot}</div></figure>\n'
        f'<h2>First photos of dev</h2>\n<div class="shown">{"".join(map(_card, samples))}</div>\n'
        f"<h2>Recipe</h2>\n<pre>{escaped(recipe)}</pre>\n",
        "Made by imagist train. This file holds everything it shows.",
        styles=("study/study.css",),
    )


def _card(sample: Sample) -> str:
    several = len(sample.captions) > 1
    said = "".join(
        f"<p><b>{escaped(f'{code}: {text}' if several else text)}</b></p>" for code, text in sample.captions.items()
    )
    people = "".join(f'<p class="soft">{escaped(text)}</p>' for text in sample.references)
    return (
        f'<article class="card"><img src="{jpeg(Image.fromarray(sample.pixels))}" alt="{escaped(sample.name)}">'
        f"<div>{said}{people}</div></article>\n"
    )
