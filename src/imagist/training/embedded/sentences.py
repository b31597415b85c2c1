"""Sentences from labels, so that the captioner has words for what Flickr8k never shows.

A label says what is in the image and nothing of what surrounds it, so the frames say no more than that. `labels.toml`
holds, for each class, the names that people give it and, where the class shares more than its name, frames of its own.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from imagist.errors import DataError
from imagist.metrics.ptb import tokenize

_FRAMES = {
    "animal": (
        "{a}", "a close up of {a}", "{a} looking around", "{a} is in the image", "{a} out in nature",
        "a photo of {a}",        "there is {a} here", "{a} seen from nearby", "an animal , {a} , up close",
        "one animal in the image , {a}",
    ),
    "food": (
        "{a}", "a close up of {a}", "some food , {a}", "{a} ready to eat", "a photo of food showing {a}",
        "{a} is food",
        "food in the form of {a}", "there is {a} to eat",
    ),
    "vehicle": (
        "{a}", "{a} seen from the outside", "a photo of {a}", "{a} parked", "there is {a} here", "a vehicle , {a}",
        "{a} on the road", "the image shows {a}",
    ),
    "wear": (
        "{a}", "a photo of {a}", "somebody wearing {a}", "{a} worn as clothing", "the image shows {a}",
        "clothes with {a}",
    ),
    "place": (
        "{a}", "a view of {a}", "a wide view of {a}", "{a} seen from a distance", "a photo of {a} outdoors",
        "the scene is {a}",
    ),
    "thing": (
        "{a}", "a close up of {a}", "a photo of {a}", "there is {a} in the image", "{a} seen up close",
        "the image shows {a}", "an object , {a}",
    ),
}  # fmt: skip


class LabelSentences:
    """Draws a sentence for a label.

    Raises:
        DataError: A label without an entry in `labels.toml`; all of them are named.
    """

    def __init__(self, labels: set[str]) -> None:
        table = tomllib.loads((Path(__file__).with_name("labels.toml")).read_text("utf-8"))
        if missing := sorted(labels - table.keys()):
            raise DataError(f"no names for {', '.join(missing)}", item="labels.toml", remedy="give each of them a line")
        self._choices = {label: sorted(_sentences(table[label])) for label in labels}

    def draw(self, label: str, rng: np.random.Generator) -> str:
        """One of the label's sentences, as tokens parted by spaces."""
        return str(rng.choice(self._choices[label]))

    def all(self) -> list[str]:
        """Every sentence that can be drawn."""
        return [sentence for choices in self._choices.values() for sentence in choices]


def _sentences(entry: dict[str, list[str]]) -> set[str]:
    frames = entry.get("frames", []) + [f for kind in entry["kind"] for f in _FRAMES[kind]]
    return {" ".join(tokenize(frame.format(a=name))) for frame in frames for name in entry["names"]}
