"""What sheet, page and terminal say of an explanation, in the same words. Changes are in percentage points."""

from __future__ import annotations

from collections.abc import Iterator

from imagist.explanation import Explanation, Region
from imagist.explanation.record import Opinion

SLIGHT = 0.02  # a drop of less than this colours faintly: relative heights alone would make much of nothing
SOURCES: tuple[tuple[Opinion, str], ...] = (("image", "image"), ("text", "words"), ("joint", "together"))


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """For a terminal: the verdict, the caption, and what changes without each word and without its region."""
    said, category = explanation.prediction, explanation.category
    number = said.labels.index(category)
    yield verdict(explanation)
    yield f"{opinions(explanation)} {weighing(explanation)}"
    yield said.caption.text
    width = max((len(word.text) for word in explanation.words), default=0)
    drops = explanation.word_drops(category)
    for place, word in sorted(enumerate(explanation.words), key=lambda pair: -drops[pair[0]]):
        both = float(said.probabilities[number] - word.probabilities[number])
        line = f"  {word.text:<{width}}  left out: words {change(float(drops[place])):>5}, together {change(both):>5}"
        if word.region is not None:
            changes = region_changes(explanation, word.region)
            line += "; its region hidden (and as much elsewhere): "
            line += ", ".join(f"{name} {own} ({elsewhere})" for _, name, own, elsewhere in changes)
        yield line
    yield image_evidence(explanation)
    if lacking := missing(explanation):
        yield lacking


def verdict(explanation: Explanation) -> str:
    """The category and its joint probability."""
    likeliest = f"{explanation.category} {explanation.prediction.probability:.1%}"
    return f"undecided; likeliest {likeliest}" if explanation.prediction.abstained else likeliest


def opinions(explanation: Explanation) -> str:
    """What each says on its own."""
    said = explanation.prediction
    return (
        f"The image says {said.image_label} {said.image_probabilities.max():.1%}, "
        f"the words say {said.text_label} {said.text_probabilities.max():.1%}."
    )


def weighing(explanation: Explanation) -> str:
    """How much the words counted."""
    weight = explanation.weight
    if weight is None:
        return "No weighted mean joins the two here, but another fusion."
    if weight == 0:
        return "The words count for nothing here (weight 0): the verdict is the image's alone."
    if weight == 1:
        return "The image counts for nothing here (weight 1): the verdict is the words' alone."
    return f"The words count for {weight:.0%} here, the image for {1 - weight:.0%}."


def image_evidence(explanation: Explanation) -> str:
    """How much the image's own opinion hangs on single parts."""
    drops = explanation.cell_drops(explanation.category)
    height, width = drops.shape
    told = (
        f"With one of {height * width} cells hidden, what the image alone gives {explanation.category} changes by "
        f"{change(float(drops.max()))} to {change(float(drops.min()))}."
    )
    return told if drops.max() >= SLIGHT else f"{told} No single cell decides."


def missing(explanation: Explanation) -> str | None:
    """Why there is less to show than there could be."""
    if not explanation.words:
        return "The caption has no word that says anything of the image."
    if all(word.region is None for word in explanation.words):
        return "This captioner has no attention: where it looked for a word cannot be shown or hidden."
    return None


def change(drop: float) -> str:
    """By how many percentage points a probability changes that drops by so much, signed."""
    points = round(-100 * drop, 1)
    return f"{points:+.1f}" if points else "0.0"


def extent(region: Region) -> str:
    """How much of the image the region is."""
    return f"{int(region.cells.sum())} of {region.cells.size} cells"


def region_changes(explanation: Explanation, region: Region) -> list[tuple[Opinion, str, str, str]]:
    """For each opinion: its name, that in words, its change without the region, and without as much elsewhere."""
    said, category = explanation.prediction, explanation.category
    return [
        (
            opinion,
            name,
            change(region.drop(said, category, opinion)),
            change(region.drop_elsewhere(said, category, opinion)),
        )
        for opinion, name in SOURCES
    ]


def strength(drop: float, largest: float) -> float:
    """How strongly to colour what makes a probability drop, -1..1, where the largest drop is so much."""
    return max(-1.0, min(1.0, drop / max(largest, SLIGHT)))
