"""What sampled captions are rewarded for, and the images that they are sampled of.

Shapes: N images, M captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from imagist.arrays import Floats, Ints
from imagist.metrics.captions import bleu_rows, smoothed_bleu_items
from imagist.metrics.cider import CiderD
from imagist.training.encoders.features import Features

END_WORD = "<end>"  # counts as a word in the reward; otherwise captions learn to stop after an article


class Scorer(Protocol):
    """Judges captions: a `Reward`, or a `imagist.training.captioners.naming_reward.NamingScorer`."""

    def scores(self, texts: Sequence[str], images: Ints) -> Floats:
        """Rewards float64 ``[M]`` of tokenised captions of the images with these numbers, int64 ``[M]``."""
        ...


@dataclass(frozen=True, eq=False)
class Judged:
    """Images of which captions are drawn and judged.

    Attributes:
        features: Input of the model for each image.
        reward: Judges captions of these images.
        temperature: Of the sampling and of the policy that is trained.
        seed: Added to that of the run.
    """

    features: Features
    reward: Scorer
    temperature: float = 1.0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.features)


class Reward:
    """Reward of a caption: its CIDEr-D plus its weighted BLEU-4.

    Args:
        references: Of each training image.
        bleu_weight: Weight of BLEU-4.
    """

    def __init__(self, references: Sequence[Sequence[str]], bleu_weight: float = 0.0) -> None:
        self._references, self._bleu_weight, self._cider = references, bleu_weight, CiderD(references)

    def scores(self, texts: Sequence[str], images: Ints) -> Floats:
        """Rewards float64 ``[N]`` of captions of the images with these numbers, int64 ``[N]``."""
        scores: Floats = self._cider.scores(texts, images)
        if self._bleu_weight:
            rows = bleu_rows(texts, [self._references[image] for image in images])
            scores = scores + self._bleu_weight * smoothed_bleu_items(rows)
        return scores
