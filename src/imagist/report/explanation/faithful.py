"""Faithfulness of explanations for people: values of the page's tables and curves, lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagist.explanation.faithfulness import DELETIONS, REGIONS, Comparison, Faithfulness


def faithfulness_lines(faithful: Faithfulness) -> Iterator[str]:
    """The scores, one line each, for a terminal."""
    if faithful.deletions:
        yield "deletion score, removing by importance and in random order; lower is more faithful"
    for name, found in faithful.deletions.items():
        yield f"  {DELETIONS[name]}: {found.figure:.3f}, at random {found.chance:.3f}; {_gain(found)}"
    if faithful.regions:
        yield "hiding the region of a word, and the same size elsewhere; higher is more faithful"
    for name, found in faithful.regions.items():
        yield f"  {REGIONS[name]}: {found.figure:.3f}, elsewhere {found.chance:.3f}; {_gain(found)}"


def faithfulness_values(faithful: Faithfulness) -> dict[str, list[dict[str, object]]]:
    """The variables of ``faithfulness.html``."""
    deletions = _rows(faithful.deletions, DELETIONS)
    for row, name in zip(deletions, faithful.deletions, strict=True):
        ranked, random = faithful.curves[name].tolist()
        row |= {"ranked": _points(ranked), "random": _points(random)}
    return {"deletions": deletions, "regions": _rows(faithful.regions, REGIONS)}


def _rows(comparisons: Mapping[str, Comparison], names: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "name": names[name],
            "score": f"{found.figure:.3f}",
            "baseline": f"{found.chance:.3f}",
            "difference": _difference(found),
            "images": found.photos,
        }
        for name, found in comparisons.items()
    ]


def _gain(found: Comparison) -> str:
    images = "image" if found.photos == 1 else "images"
    return f"better by {_difference(found)} over {found.photos:,} {images}"


def _difference(found: Comparison) -> str:
    """The difference with its interval; a single image has none."""
    interval = found.better.interval
    if found.photos == 1:
        return f"{interval.value:+.3f} (no interval of one image)"
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _points(heights: list[float]) -> str:
    """A curve in a box of 100 x 60: share removed to the right, probability up."""
    step = 100 / (len(heights) - 1)
    return " ".join(f"{place * step:.1f},{60 - 60 * height:.1f}" for place, height in enumerate(heights))
