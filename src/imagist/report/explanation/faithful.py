"""How far explanations can be trusted, for people: a table with curves for the page, lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from imagist.arrays import Floats
from imagist.explanation.faithfulness import DELETIONS, REGIONS, Comparison, Faithfulness

_INTRODUCTION = (
    "Deletion score: the mean probability of a category while what speaks most for it is removed first, from nothing "
    "to everything; lower is more faithful, and random orders stand beside. Each kind is judged by the opinion that it "
    "explains: words by the words alone, parts of the image by the image alone, attention by the words of the new "
    "caption. Intervals are of 95%, by a paired bootstrap over the images."
)


def faithfulness_lines(faithful: Faithfulness) -> Iterator[str]:
    """The figures, a line each."""
    if faithful.deletions:
        yield "deletion score, removing in order of importance and in random orders; lower is more faithful"
    for name, found in faithful.deletions.items():
        yield f"  {DELETIONS[name]}: {found.figure:.3f}, at random {found.chance:.3f}; {_verdict(found)}"
    if faithful.regions:
        yield "hiding the region of a word, and as much elsewhere; higher is more faithful"
    for name, found in faithful.regions.items():
        yield f"  {REGIONS[name]}: {found.figure:.3f}, elsewhere {found.chance:.3f}; {_verdict(found)}"


def faithfulness_section(faithful: Faithfulness) -> str:
    """The same as a card of the page, with the mean curves."""
    rows = [
        f"<tr><th>{DELETIONS[name]}</th><td>{_svg(faithful.curves[name])}</td><td>{found.figure:.3f}</td>"
        f"<td>{found.chance:.3f}</td><td>{_apart(found)}</td><td>{found.photos:,}</td></tr>\n"
        for name, found in faithful.deletions.items()
    ]
    effects = [
        f"<tr><th>{REGIONS[name]}</th><td>{found.figure:.3f}</td><td>{found.chance:.3f}</td>"
        f"<td>{_apart(found)}</td><td>{found.photos:,}</td></tr>\n"
        for name, found in faithful.regions.items()
    ]
    return (
        '<article class="card explained"><section><h3>How far to trust these</h3>'
        f'<p class="soft">{_INTRODUCTION}</p><div class="scroll"><table class="evidence"><thead><tr><th>removed</th>'
        "<th>by importance (line), at random (dashes)</th><th>score</th><th>at random</th><th>lower by</th>"
        f"<th>images</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>{_effects(effects)}"
        "</section></article>\n"
    )


def _effects(rows: list[str]) -> str:
    if not rows:
        return ""
    return (
        '<div class="scroll"><table class="evidence"><thead><tr><th>hiding the region of a word</th><th>its region</th>'
        "<th>as much elsewhere</th><th>more by</th><th>images</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _verdict(found: Comparison) -> str:
    photos = "image" if found.photos == 1 else "images"
    return f"better by {_apart(found)} over {found.photos:,} {photos}"


def _apart(found: Comparison) -> str:
    """The difference with its interval; one image has none."""
    interval = found.better.interval
    if found.photos == 1:
        return f"{interval.value:+.3f} (no interval of one image)"
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _svg(curves: Floats) -> str:
    """The two mean curves, ``[2, P]``: share removed to the right, probability up."""
    lines = "".join(
        f'<polyline class="{kind}" points="{_points(row.tolist())}"/>'
        for kind, row in zip(("ranked", "random"), curves, strict=True)
    )
    frame = '<rect x="0" y="0" width="100" height="60"/>'
    return f'<svg class="curve" viewBox="0 0 100 60" preserveAspectRatio="none">{frame}{lines}</svg>'


def _points(heights: list[float]) -> str:
    step = 100 / (len(heights) - 1)
    return " ".join(f"{place * step:.1f},{60 - 60 * height:.1f}" for place, height in enumerate(heights))
