"""The report of a training: curves, a page with metrics and example captions, and the model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from imagist.arrays import Pixels
from imagist.report.charts.style import WRONG, drawing, grid_of, head, mark
from imagist.report.shell import jpeg, png, render_page
from imagist.report.tables import Table
from imagist.storage import write_text


class Sample(Protocol):
    """A photo with the captions of the captioner and of people."""

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
        measured: Metrics on dev by language, parity of the export, sizes.
        samples: Photos with captions.
        recipe: The recipe, in TOML.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    draw_curves(read_curves(folder / "curves.jsonl"), folder / "curves")
    write_text(folder / "report.html", _page(measured, samples, recipe, folder / "curves.png"))
    write_text(folder / "bundle" / "MODEL_CARD.md", card(measured, recipe))


def read_curves(path: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Phase to metric to ``(step, value)`` in order; where a step occurs twice, after a resume, the later counts."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        entry = json.loads(line)
        phase, step = entry.pop("phase"), entry.pop("step")
        for name, value in entry.items():
            found.setdefault(phase, {}).setdefault(name, {})[step] = value
    return {p: {n: sorted(of.items()) for n, of in figures.items()} for p, figures in found.items()}


def draw_curves(curves: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], stem: Path) -> None:
    """Draws one panel per metric, phase by phase, as ``stem.png`` and ``stem.svg``.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    panels = [(phase, name) for phase, metrics in curves.items() for name in metrics]
    rows, columns = grid_of(max(1, len(panels)), most=3)
    with drawing(stem, 4.6 * columns, 3.1 * rows) as figure:
        for place, (phase, name) in enumerate(panels, start=1):
            axes = figure.add_subplot(rows, columns, place)
            steps, values = zip(*curves[phase][name], strict=True)
            axes.plot(steps, values, marker="o" if len(steps) < 40 else "", markersize=3, color=mark(0).colour)
            head(axes, f"{phase}: {name}", 40)
            axes.set_xlabel("step")
            if name.startswith(("cider", "bleu", "reward")):
                best = max(values)
                axes.axhline(best, color=WRONG, linewidth=0.8, linestyle="--")
                axes.annotate(f"{best:.3f}", (steps[0], best), fontsize=8, color=WRONG, va="bottom")


def metrics_table(measured: Mapping[str, Any]) -> Table:
    """For each language the metrics x 100 with their 95% intervals."""
    heads: tuple[str, ...] = ("language",)
    rows = []
    for language, metrics in measured["dev"].items():
        heads = ("language", *metrics)
        intervals = [value if isinstance(value, Mapping) else vars(value) for value in metrics.values()]
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
            metrics_table(measured).markdown(),
            "The epoch was chosen on these images, so expect slightly lower values elsewhere.",
            "",
            f"**Export**: on {parity['images']} images of dev torch and ONNX give {parity['equal_captions']:.1%} "
            f"equal captions, log-probabilities within {parity['logprobs']:.0e}.",
            "",
            "Its vocabulary is limited to its training images, and it is fluent even where it is wrong. Its licence is "
            "that of its data.",
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
        source, width = png(drawn), drawn.width
    shown = [(jpeg(Image.fromarray(sample.pixels)), sample) for sample in samples]
    return render_page(
        "training.html", title=str(measured["recipe"]["name"]), maker="imagist train", metrics=metrics_table(measured),
        curves=source, width=width, samples=shown, recipe=recipe,
    )  # fmt: skip
