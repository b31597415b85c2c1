"""The model card: what the embedded bundle was made of, what it is worth, what it is bad at (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagist.bundle import open_bundle

_TEMPLATE = Path(__file__).with_name("model_card.md")


def model_card(measured: Mapping[str, Any], folder: Path) -> str:
    """The card of the bundle in ``folder`` from what `embedded` measured."""
    bundle = open_bundle(folder)
    captioner, fusion = bundle.part("captioner"), bundle.part("fusion")
    fusions = {"photos15": fusion.card["default"], **fusion.card["taxonomies"]}
    plain, shipped = measured["dev"]["float"], measured["dev"]["shipped"]
    proof, stored = measured["parity"]["float"], measured["parity"]["shipped"]
    return _TEMPLATE.read_text("utf-8").format(
        size=bundle.size / 1e6,
        files=sum(len(folder.files) for folder in bundle.folders()),
        version=bundle.version,
        params="2.2 million weights",
        words=f"{len(captioner.lines('vocabulary.txt')):,}",
        length_penalty=captioner.card["length_penalty"],
        weights=", ".join(f"{table['weight']:.2f} ({name})" for name, table in fusions.items()),
        captions=caption_table(shipped["captions"]),
        classes=class_table({name: figures for name, figures in shipped.items() if name != "captions"}),
        images=proof["images"],
        equal=proof["equal_captions"],
        logprobs=proof["logprobs"],
        shipped_equal=stored["equal_captions"],
        cider_float=100 * plain["captions"]["CIDEr"]["value"],
        cider_shipped=100 * shipped["captions"]["CIDEr"]["value"],
        fused_float=plain["photos15"]["fused"]["value"],
        fused_shipped=shipped["photos15"]["fused"]["value"],
    )


def caption_table(figures: Mapping[str, Any]) -> str:
    """Markdown: one row of metrics x 100 with their intervals."""
    cells = [f"{100 * f['value']:.1f} [{100 * f['low']:.1f}, {100 * f['high']:.1f}]" for f in figures.values()]
    return f"| {' | '.join(figures)} |\n|{'---|' * len(figures)}\n| {' | '.join(cells)} |"


def class_table(taxonomies: Mapping[str, Any]) -> str:
    """Markdown: for each taxonomy the accuracies in percent with their intervals, and the calibration error."""
    lines = ["| taxonomy | images | image | words | fused | ECE |", "|---|---|---|---|---|---|"]
    for name, figures in taxonomies.items():
        cells = [
            f"{100 * (f := figures[k])['value']:.1f} [{100 * f['low']:.1f}, {100 * f['high']:.1f}]"
            for k in ("image", "text", "fused")
        ]
        lines.append(f"| {name} | {figures['photos']} | {' | '.join(cells)} | {figures['ece']:.3f} |")
    return "\n".join(lines)
