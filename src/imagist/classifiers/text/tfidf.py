"""`tfidf`: TF-IDF over words and pairs of words, then a linear layer, as trained here; needs numpy alone.

What `bag` is to a bundle, for a classifier that is kept, explained and fused on its own.

Shapes: N texts; W terms; C classes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagist.classifiers.ngrams import counts
from imagist.errors import BundleError, BundleNotFound, OutputError
from imagist.protocols import TextClassifier
from imagist.records import Array, LabelSet

CARD, TERMS, NUMBERS = "classifier.json", "ngrams.txt", "numbers.npz"
AT_A_TIME = 1024  # texts whose table is held in memory


@dataclass(frozen=True, eq=False)
class TfidfClassifier:
    """Implements `imagist.protocols.TextClassifier`: ``softmax(tfidf @ matrix + bias)``.

    Attributes:
        labels: The C names.
        terms: The W words and pairs that are known.
        idf: Their inverse document frequency, float32 ``[W]``.
        matrix: float32 ``[W, C]``.
        bias: float32 ``[C]``.
    """

    labels: LabelSet
    terms: tuple[str, ...]
    idf: Array
    matrix: Array
    bias: Array

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, rows sum to 1. A text without a known word gets what the bias says."""
        scores = np.zeros((len(texts), len(self.labels)), np.float32)
        for begin in range(0, len(texts), AT_A_TIME):
            some = slice(begin, begin + AT_A_TIME)
            logits = (self.hidden(texts[some]) @ self.matrix + self.bias).astype(np.float64)
            powers = np.exp(logits - logits.max(1, keepdims=True))
            scores[some] = powers / powers.sum(1, keepdims=True)
        return scores

    def hidden(self, texts: Sequence[str]) -> Array:
        """TF-IDF of the known terms, float32 ``[N, W]``, rows of length 1 (or 0 where no term is known)."""
        table = counts(texts, {term: place for place, term in enumerate(self.terms)})
        table *= self.idf
        table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
        return table

    def attributions(self, texts: Sequence[str], targets: NDArray[Any]) -> list[tuple[tuple[str, float], ...]]:
        """How much each word of each text speaks for a class ``[N]``, by `leave_one_out`."""
        return leave_one_out(self, texts, targets)

    def save(self, folder: Path) -> None:
        """Writes the classifier, the card last: a folder that has one is whole.

        Raises:
            OutputError: The folder cannot be written to.
        """
        card = {"kind": "tfidf", "labels": list(self.labels)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder) as name:
                scratch = Path(name)
                (scratch / TERMS).write_text("".join(f"{term}\n" for term in self.terms), "utf-8")
                np.savez(scratch / NUMBERS, idf=self.idf, matrix=self.matrix, bias=self.bias)
                (scratch / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), "utf-8")
                (folder / CARD).unlink(missing_ok=True)
                for file in (TERMS, NUMBERS, CARD):
                    (scratch / file).replace(folder / file)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror or error}", item=str(folder)) from error


def load(folder: Path) -> TfidfClassifier:
    """What `TfidfClassifier.save` wrote.

    Raises:
        BundleNotFound: No such classifier there.
        BundleError: A part of it is missing or damaged.
    """
    try:
        labels = LabelSet(tuple(json.loads((folder / CARD).read_text("utf-8"))["labels"]))
        known = tuple((folder / TERMS).read_text("utf-8").splitlines())
        with np.load(folder / NUMBERS, allow_pickle=False) as numbers:
            idf, matrix, bias = (numbers[name] for name in ("idf", "matrix", "bias"))
    except FileNotFoundError as error:
        raise BundleNotFound("no text classifier there", item=str(folder), remedy="train and save one") from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BundleError(f"the classifier is damaged: {error}", item=str(folder), remedy="save it anew") from error
    if (idf.shape, matrix.shape, bias.shape) != ((len(known),), (len(known), len(labels)), (len(labels),)):
        raise BundleError("terms, labels and numbers do not fit", item=str(folder), remedy="save it anew")
    return TfidfClassifier(labels, known, idf, matrix, bias)


def leave_one_out(
    classifier: TextClassifier, texts: Sequence[str], targets: NDArray[Any]
) -> list[tuple[tuple[str, float], ...]]:
    """How much the probability of a class falls when a word is taken out (Li et al. 2016), for any classifier.

    Args:
        classifier: Asked once, about every text and every text without one of its words.
        texts: N of them.
        targets: A class for each, ``[N]``.

    Returns:
        The words of each text, parted at blanks, in order, each with its share; below 0 where it speaks against.
    """
    words = [text.split() for text in texts]
    asked = [*texts, *(" ".join([*of[:i], *of[i + 1 :]]) for of in words for i in range(len(of)))]
    owners = [*range(len(texts)), *(owner for owner, of in enumerate(words) for _ in of)]
    told = classifier.scores(asked)[np.arange(len(asked)), np.asarray(targets, np.int64)[owners]].astype(np.float64)
    falls = iter((told[owners] - told)[len(texts) :].tolist())
    return [tuple((word, next(falls)) for word in of) for of in words]
