"""Sentences about an explanation, for sheet, page and terminal. Changes are in percentage points."""

from __future__ import annotations

from collections.abc import Iterator

from imagist.explanation import Explanation, Region
from imagist.explanation.record import ScoreSource
from imagist.report.formatting import text_weight

SLIGHT = 0.02  # smaller drops are coloured faintly, even if they are the largest of the image
MOST_TOLD = 3  # words that a summary names
SOURCES: tuple[tuple[ScoreSource, str], ...] = (("image", "image"), ("text", "text"), ("joint", "fused"))


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """For a terminal: the category, the caption, and the changes without each word and without its region."""
    prediction, category = explanation.prediction, explanation.category
    number = prediction.labels.index(category)
    yield category_line(explanation)
    yield f"{predictions(explanation)} {text_weight(explanation.weight)}"
    yield prediction.caption.text
    width = max((len(word.text) for word in explanation.words), default=0)
    drops = explanation.word_drops(category)
    for place, word in sorted(enumerate(explanation.words), key=lambda pair: -drops[pair[0]]):
        fused = float(prediction.probabilities[number] - word.probabilities[number])
        line = f"  {word.text:<{width}}  left out: text {change(float(drops[place])):>5}, fused {change(fused):>5}"
        if word.similarity is not None:
            line += f"; similarity to the image {word.similarity:.2f}"
        if word.region is not None:
            changes = region_changes(explanation, word.region)
            line += "; region hidden (same size elsewhere): "
            line += ", ".join(f"{name} {own} ({elsewhere})" for _, name, own, elsewhere in changes)
        yield line
    yield image_evidence(explanation)
    if lacking := missing(explanation):
        yield lacking


def summary_lines(explanation: Explanation) -> Iterator[str]:
    """For a terminal, in two lines: the category, and the words of the caption that matter most to it."""
    yield f"{category_line(explanation)}. {predictions(explanation)}"
    drops = dict(
        zip((word.text for word in explanation.words), explanation.word_drops(explanation.category), strict=True)
    )
    told = [f"{word.text} {change(float(drops[word.text]))}" for word in explanation.by_evidence()[:MOST_TOLD]]
    caption = explanation.prediction.caption.text
    yield f"{caption} (left out: {', '.join(told)})" if told else caption


def category_line(explanation: Explanation) -> str:
    """The category and its fused probability."""
    most_probable = f"{explanation.category} {explanation.prediction.probability:.1%}"
    return f"undecided; most probable: {most_probable}" if explanation.prediction.abstained else most_probable


def predictions(explanation: Explanation) -> str:
    """The prediction of each classifier."""
    own = explanation.prediction
    return (
        f"Image classifier: {own.image_label} {own.image_probabilities.max():.1%}; "
        f"text classifier: {own.text_label} {own.text_probabilities.max():.1%}."
    )


def slight(explanation: Explanation) -> float:
    """Drops of cells below this are drawn faintly; to leave out features of one cell changes little."""
    return SLIGHT / 10 if explanation.left_out else SLIGHT


def image_evidence(explanation: Explanation) -> str:
    """How much the image classifier depends on single parts of the image."""
    drops = explanation.cell_drops(explanation.category)
    height, width = drops.shape
    changes = (
        f"Without one of {height * width} cells, the image classifier's {explanation.category} changes by "
        f"{change(float(drops.max()))} to {change(float(drops.min()))}."
    )
    return changes if drops.max() >= slight(explanation) else f"{changes} No single cell is decisive."


def missing(explanation: Explanation) -> str | None:
    """Why some parts of the explanation are missing; None if all are there."""
    if not explanation.words:
        return "The caption has no content word."
    if all(word.region is None for word in explanation.words):
        return "This captioner has no attention: regions of words cannot be shown or hidden."
    return None


def change(drop: float) -> str:
    """The change in percentage points of a probability that drops by ``drop``, signed."""
    points = round(-100 * drop, 1)
    return f"{points:+.1f}" if points else "0.0"


def extent(region: Region) -> str:
    """Size of the region, in cells."""
    return f"{int(region.cells.sum())} of {region.cells.size} cells"


def region_changes(explanation: Explanation, region: Region) -> list[tuple[ScoreSource, str, str, str]]:
    """For each source: key, name, change with the region hidden, and with a region of the same size elsewhere."""
    prediction, category = explanation.prediction, explanation.category
    return [
        (
            opinion,
            name,
            change(region.drop(prediction, category, opinion)),
            change(region.drop_elsewhere(prediction, category, opinion)),
        )
        for opinion, name in SOURCES
    ]


def strength(drop: float, largest: float) -> float:
    """Strength of the colour of a drop, -1..1, relative to the largest drop of the image."""
    return max(-1.0, min(1.0, drop / max(largest, SLIGHT)))
