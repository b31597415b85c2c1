"""Trains the text tower to the teacher's vectors and to the classes that nouns mean.

Shapes: M texts; B of a batch; T word pieces; C classes; D width of the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import Halves, Ints
from imagist.errors import DataError
from imagist.matching.wordpiece import WordPieces
from imagist.training.matchers.loop import Curves, run_steps
from imagist.training.matchers.recipe import TextTower as Settings
from imagist.training.matchers.texts import Texts, padded
from imagist.training.matchers.towers import TextTower

PHASE = "text tower"
_READ = 128  # texts that a trained tower reads together
_MIXED = 2.0  # pieces by which the lengths within a batch may differ more


@dataclass(frozen=True, eq=False)
class TextLessons:
    """What the text tower learns from.

    Attributes:
        texts: M of them.
        ids: Their word pieces, int64 ``[M, T]``, padded with 0.
        vectors: Of the teacher, float16 ``[M, D]``, rows of length 1.
        affinities: The classes that the nouns of each mean, and how sure that is, float16 ``[M, C + 1]``.
        pieces: Word pieces of the vocabulary.
    """

    texts: Texts
    ids: Ints
    vectors: Halves
    affinities: Halves
    pieces: int


class Passes:
    """The batches of all passes over the texts; each is of texts of about the same length.

    Args:
        lessons: The texts.
        size: B.
        seed: Of what is drawn.
    """

    def __init__(self, lessons: TextLessons, size: int, seed: int) -> None:
        self._lessons, self._size, self._seed = lessons, size, seed
        self._number, self._batches = 0, self._pass(0)

    def batch(self, step: int) -> Ints:
        """The texts of a step, int64 ``[B]``; they depend on seed and step alone."""
        number, place = divmod(step, len(self._batches))  # each pass has as many
        if number != self._number:
            self._number, self._batches = number, self._pass(number)
        return self._batches[place]

    def _pass(self, number: int) -> list[Ints]:
        rng = np.random.default_rng((self._seed, 6, number))
        rows = self._lessons.texts.drawn(rng)
        size = min(self._size, len(rows))
        lengths = (self._lessons.ids[rows] > 0).sum(1)
        order = rows[np.argsort(lengths + _MIXED * rng.random(len(rows)))]
        return list(rng.permutation(order[: len(order) // size * size].reshape(-1, size)))


def losses(tower: TextTower, lessons: TextLessons, rows: Ints, device: torch.device) -> dict[str, Tensor]:
    """The losses of the texts in ``rows``, int64 ``[B]``, each a number.

    Returns:
        ``distance``: 1 minus the mean cosine with the teacher; ``similarity``: the mean squared error of the cosines
        between the texts; ``affinity``: the mean divergence of the classes, weighted as they are sure; ``confidence``:
        the binary cross-entropy of how sure they are. The last two in nats.
    """
    ids = lessons.ids[rows]
    given = torch.from_numpy(ids[:, : int((ids > 0).sum(1).max())]).to(device)
    wanted = torch.from_numpy(lessons.vectors[rows].astype(np.float32)).to(device)
    meant = torch.from_numpy(lessons.affinities[rows].astype(np.float32)).to(device)
    affinities, sure = meant[:, :-1], meant[:, -1]
    with torch.autocast(device.type, torch.bfloat16):
        vectors, logits, sure_logits = tower(given)
    vectors = F.normalize(vectors.float(), dim=1)
    entropy = -(affinities * affinities.clamp_min(1e-9).log()).sum(1)
    divergence = -(affinities * F.log_softmax(logits.float(), 1)).sum(1) - entropy
    return {
        "distance": 1 - (vectors * wanted).sum(1).mean(),
        "similarity": ((vectors @ vectors.T - wanted @ wanted.T) ** 2).mean(),
        "affinity": (divergence * sure).sum() / sure.sum().clamp_min(1),
        "confidence": F.binary_cross_entropy_with_logits(sure_logits.float(), sure),
    }


def learn_texts(
    lessons: TextLessons, settings: Settings, device: torch.device, path: Path, seed: int, curves: Curves
) -> TextTower:
    """Trains the tower from its checkpoint on; batches depend on seed and step alone.

    Args:
        lessons: What it learns from.
        settings: Of the tower.
        device: Where it is trained.
        path: Of the checkpoint.
        seed: Of weights and batches.
        curves: Called with the name of the phase, the step and the losses.

    Returns:
        The tower on the CPU, in eval mode.

    Raises:
        DataError: There is no text.
    """
    if not len(lessons.ids):
        raise DataError("there is no text to learn from", item="data.sentences")
    torch.manual_seed(seed)
    classes, width = lessons.affinities.shape[1] - 1, lessons.vectors.shape[1]
    tower = TextTower(lessons.pieces, classes, width, settings).to(device)
    optimizer = torch.optim.AdamW(
        tower.parameters(), settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    weights = {
        "distance": 1.0, "similarity": settings.similarity_weight, "affinity": settings.affinity_weight,
        "confidence": settings.confidence_weight,
    }  # fmt: skip
    passes = Passes(lessons, settings.batch_size, seed)

    def losses_of(step: int) -> dict[str, Tensor]:
        return losses(tower, lessons, passes.batch(step), device)

    run_steps(PHASE, tower, optimizer, losses_of, weights, settings, path, curves)
    return tower.cpu()


@torch.no_grad()
def vectors_of(tower: TextTower, vocabulary: Sequence[str], texts: Sequence[str], max_tokens: int) -> Tensor:
    """What a trained tower learnt to say of M texts: rows of length 1, float32 ``[M, D]``.

    Args:
        tower: In eval mode, on the CPU.
        vocabulary: Its word pieces.
        texts: M of them; those over ``max_tokens`` are cut.
        max_tokens: Most pieces of a text.
    """
    pieces, order = WordPieces(vocabulary), sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found = torch.empty(len(texts), tower.reader.project.out_features)
    for start in range(0, len(order), _READ):
        rows = order[start : start + _READ]
        ids = torch.from_numpy(padded(pieces, [texts[i] for i in rows], max_tokens))
        found[rows] = F.normalize(tower(ids)[0], dim=1)
    return found
