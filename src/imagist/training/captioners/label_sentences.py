"""Captions for images that have only a label: names of the label within sentence frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imagist.errors import DataError, UsageError
from imagist.metrics.ptb import tokenize

PLACE = "{a}"  # of the name in a frame


@dataclass(frozen=True)
class LabelNames:
    """One label.

    Attributes:
        kind: Kinds of the label; the frames of each fit it.
        names: What people call it, with an article: ``a bicycle``.
        frames: Further frames that fit this label alone.
    """

    kind: tuple[str, ...]
    names: tuple[str, ...]
    frames: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelSentences:
    """Samples captions for labels.

    Attributes:
        frames: Sentences for each kind of label, with ``{a}`` in place of the name.
        labels: For each label its kinds, names and frames.
    """

    frames: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, LabelNames]

    def __post_init__(self) -> None:
        kinds = {kind for names in self.labels.values() for kind in names.kind}
        if missing := sorted(kinds - self.frames.keys()):
            raise UsageError(f"no frames for the kinds {', '.join(missing)}", item="frames")
        groups = (*self.frames.values(), *(names.frames for names in self.labels.values()))
        if wrong := sorted({frame for group in groups for frame in group if PLACE not in frame}):
            raise UsageError(f"frames without {PLACE}: {', '.join(map(repr, wrong))}", item="frames")

    def check(self, labels: Iterable[str]) -> None:
        """Makes sure that every label has sentences.

        Raises:
            DataError: Some have none; the message names them all.
        """
        if missing := sorted({*labels} - self.labels.keys()):
            raise DataError(
                f"no names for {', '.join(missing)}", item="data.label_sentences", remedy="add them to its labels"
            )

    def sample(self, label: str, rng: np.random.Generator) -> str:
        """One of the label's sentences, its tokens separated by single spaces."""
        return str(rng.choice(self._sentences[label]))

    def all(self, labels: Iterable[str]) -> list[str]:
        """Every sentence that can be sampled for these labels."""
        return [sentence for label in sorted({*labels}) for sentence in self._sentences[label]]

    @cached_property
    def _sentences(self) -> dict[str, list[str]]:
        return {label: sorted(self._of(names)) for label, names in self.labels.items()}

    def _of(self, label: LabelNames) -> set[str]:
        frames = [*label.frames, *(frame for kind in label.kind for frame in self.frames[kind])]
        return {" ".join(tokenize(frame.replace(PLACE, name))) for frame in frames for name in label.names}
