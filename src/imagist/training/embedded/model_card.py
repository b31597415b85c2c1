"""Writes the model card of the embedded bundle: its parts, data, measured quality and limits (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagist.bundle import open_bundle

_TEMPLATE = Path(__file__).with_name("model_card.md")


def model_card(measured: Mapping[str, Any], folder: Path) -> str:
    """The model card of a bundle.

    Args:
        measured: ``captions`` and ``classes`` of the bundle, as `imagist.training.embedded.measure.measure_bundle`
            returns them, and ``captioner``, the content of ``measured.json`` of the captioner's training.
        folder: The bundle.
    """
    bundle = open_bundle(folder)
    captioner, fusion = measured["captioner"], bundle.part("fusion").card
    fusions = {"photos15": fusion["default"], **fusion["taxonomies"]}
    return _TEMPLATE.read_text("utf-8").format(
        size=bundle.size / 1e6,
        files=sum(len(folder.files) for folder in bundle.folders()),
        version=bundle.version,
        params=captioner["parameters"]["encoder"] / 1e6,
        words=f"{captioner['words']:,}",
        length_penalty=bundle.part("captioner").card["length_penalty"],
        weights=", ".join(f"{table['weight']:.2f} ({name})" for name, table in fusions.items()),
        captions=caption_table(measured["captions"]),
        classes=class_table(measured["classes"]),
        images=captioner["parity"]["images"],
        equal=captioner["parity"]["equal_captions"],
        logprobs=captioner["parity"]["logprobs"],
        cider_float=100 * captioner["dev"]["en"]["CIDEr"]["value"],
        cider_shipped=100 * measured["captions"]["CIDEr"]["value"],
    )


def caption_table(figures: Mapping[str, Any]) -> str:
    """Markdown: one row of metrics x 100 with their intervals."""
    cells = [f"{100 * f['value']:.1f} [{100 * f['low']:.1f}, {100 * f['high']:.1f}]" for f in figures.values()]
    return f"| {' | '.join(figures)} |\n|{'---|' * len(figures)}\n| {' | '.join(cells)} |"


def class_table(taxonomies: Mapping[str, Any]) -> str:
    """Markdown: for each taxonomy the accuracies in percent with their intervals, and the calibration error."""
    lines = ["| taxonomy | images | image | text | fused | ECE |", "|---|---|---|---|---|---|"]
    for name, figures in taxonomies.items():
        cells = [
            f"{100 * (f := figures[k])['value']:.1f} [{100 * f['low']:.1f}, {100 * f['high']:.1f}]"
            for k in ("image", "text", "fused")
        ]
        lines.append(f"| {name} | {figures['photos']} | {' | '.join(cells)} | {figures['ece']:.3f} |")
    return "\n".join(lines)
