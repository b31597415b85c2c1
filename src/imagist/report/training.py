"""What a training was worth, for people: curves as PNG, samples as a page, a card.

The page loads nothing from anywhere; all text is escaped.
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from imagist.errors import MissingExtra
from imagist.records import Pixels
from imagist.report.files import replacing

_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #d8dee4 }
td:first-child, th:first-child { text-align: left }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.2rem }
.card { border: 1px solid #d8dee4; border-radius: .6rem; overflow: hidden } .card img { width: 100%; display: block }
.card div { padding: .7rem 1rem } .said { font-weight: 600 } .ref { color: #57606a; font-size: .9rem; margin: .2rem 0 }
pre { background: #f6f8fa; padding: 1rem; overflow: auto; border-radius: .4rem } img.curves { max-width: 100% }
"""


class Sample(Protocol):
    """A photo with what the captioner and people say of it."""

    @property
    def pixels(self) -> Pixels: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def said(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def references(self) -> tuple[str, ...]: ...  # noqa: D102


def write_report(folder: Path, measured: Mapping[str, Any], samples: Sequence[Sample], recipe: str) -> None:
    """Writes ``curves.png``, ``report.html`` and the bundle's ``MODEL_CARD.md`` into the folder of a run.

    Args:
        folder: Of the run, with its ``curves.jsonl``.
        measured: Figures on dev by language, the export's parity, sizes.
        samples: Photos to show.
        recipe: The TOML that was trained.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    told = read_curves(folder / "curves.jsonl")
    with replacing(folder / "curves.png") as scratch:
        draw_curves(told, scratch)
    with replacing(folder / "report.html") as scratch:
        scratch.write_text(_page(measured, samples, recipe, folder / "curves.png"), "utf-8")
    with replacing(folder / "bundle" / "MODEL_CARD.md") as scratch:
        scratch.write_text(card(measured, recipe), "utf-8")


def read_curves(path: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Phase to figure to ``(step, value)`` in order; of a step told twice, as after a kill, the later word counts."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        entry = json.loads(line)
        phase, step = entry.pop("phase"), entry.pop("step")
        for name, value in entry.items():
            found.setdefault(phase, {}).setdefault(name, {})[step] = value
    return {p: {n: sorted(of.items()) for n, of in figures.items()} for p, figures in found.items()}


def draw_curves(told: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], path: Path) -> None:
    """One panel a figure, one column a phase, as PNG.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("curves need matplotlib", remedy="pip install 'imagist[study]'") from error
    panels = [(phase, name) for phase, figures in told.items() for name in figures]
    columns = min(3, max(1, len(panels)))
    rows = -(-len(panels) // columns) or 1
    figure = Figure(figsize=(4.6 * columns, 3.1 * rows), layout="constrained")
    for place, (phase, name) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        steps, values = zip(*told[phase][name], strict=True)
        axes.plot(steps, values, marker="o" if len(steps) < 40 else "", markersize=3, color="#0969da")
        axes.set_title(f"{phase}: {name}", fontsize=10)
        axes.set_xlabel("step", fontsize=9)
        axes.grid(alpha=0.3)
        if name.startswith(("cider", "bleu", "reward")):
            best = max(values)
            axes.axhline(best, color="#cf222e", linewidth=0.8, linestyle="--")
            axes.annotate(f"{best:.3f}", (steps[0], best), fontsize=8, color="#cf222e", va="bottom")
    figure.savefig(path, format="png", dpi=110)


def figures_table(measured: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: for each language the figures x 100 with their 95% intervals."""
    heads: list[str] = ["language"]
    rows = []
    for language, figures in measured["dev"].items():
        heads = ["language", *figures]
        intervals = [value if isinstance(value, Mapping) else vars(value) for value in figures.values()]
        cells = [f"{100 * i['value']:.1f} [{100 * i['low']:.1f}, {100 * i['high']:.1f}]" for i in intervals]
        rows.append([language, *cells])
    return heads, rows


def card(measured: Mapping[str, Any], recipe: str) -> str:
    """The model card of a trained captioner, in Markdown."""
    heads, rows = figures_table(measured)
    table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]
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
            *table,
            "",
            "The epoch was chosen on these photos, so expect a little less elsewhere.",
            "",
            f"**Export**: on {parity['photographs']} photos of dev torch and ONNX give {parity['equal_captions']:.1%} "
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
    heads, rows = figures_table(measured)
    head = "".join(f"<th>{escape(h)}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    name = escape(str(measured["recipe"]["name"]))
    image = b64encode(curves.read_bytes()).decode()
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title><style>{_STYLE}</style>"
        f"<h1>{name}</h1><p>Dev, x 100, with 95% intervals.</p>"
        f"<table><tr>{head}</tr>{body}</table><img class=curves alt='curves of the training' "
        f"src='data:image/png;base64,{image}'><h2>First photos of dev</h2>"
        f"<div class=cards>{''.join(map(_sample, samples))}</div><h2>Recipe</h2><pre>{escape(recipe)}</pre></html>"
    )


def _sample(sample: Sample) -> str:
    content = io.BytesIO()
    Image.fromarray(sample.pixels).save(content, "jpeg", quality=85)
    several = len(sample.said) > 1
    said = "".join(
        f"<p class=said>{escape(f'{code}: {text}' if several else text)}</p>" for code, text in sample.said.items()
    )
    people = "".join(f"<p class=ref>{escape(text)}</p>" for text in sample.references)
    return (
        f"<div class=card><img alt='{escape(sample.name, quote=True)}' "
        f"src='data:image/jpeg;base64,{b64encode(content.getvalue()).decode()}'><div>{said}{people}</div></div>"
    )
