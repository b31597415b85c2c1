"""Which of a photo's hypotheses says what the others say: the least expected loss, not the likeliest words.

The likeliest sentence of a search is often one that names the fewest things. The one that agrees best with all that
the model holds for likely says more that people say, and costs one wider search.

Kumar and Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation"; Devlin et al. 2015, "Exploring
Nearest Neighbor Approaches for Image Captioning", for the consensus of captions; the similarity is that of CIDEr
(Vedantam et al. 2015) with all n-grams weighing the same, so that no corpus is needed.

Shapes: K hypotheses; T words of the longest, with the end; G different n-grams of one length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.arrays import Floats, Ints

ORDERS = 4  # n-grams of 1 to 4 words
SIGMA = 6.0  # words by which lengths may differ, as in CIDEr-D


def agreement(sentences: Sequence[Ints], logprobs: Sequence[float], length_penalty: float = 0.7) -> Floats:
    """How like the others each hypothesis is, the others weighed by their probability: float64 ``[K]``, 0 to 1.

    Args:
        sentences: K sequences of word ids, 0 or more, without an end.
        logprobs: Of each, the end's with it.
        length_penalty: Probabilities are compared as log-probability / words ** length_penalty.
    """
    lengths = np.array([len(words) for words in sentences])
    ranks = np.asarray(logprobs) / np.maximum(lengths, 1) ** length_penalty
    weights = np.exp(ranks - ranks.max())
    gap = lengths[:, None] - lengths
    alike = _alike(sentences, lengths) * np.exp(-(gap**2) / (2 * SIGMA**2))
    found: Floats = alike @ (weights / weights.sum())
    return found


def _alike(sentences: Sequence[Ints], lengths: Ints) -> Floats:
    """The mean over n of the cosines of counts of n-grams, the end counted as a word: ``[K, K]``."""
    words = np.full((len(sentences), lengths.max() + 1), -1)  # the end
    for row, sentence in zip(words, sentences, strict=True):
        row[: len(sentence)] = sentence
    total = np.zeros((len(sentences), len(sentences)))
    grams: Ints = np.zeros_like(words)
    for n in range(1, ORDERS + 1):
        # of the n-grams before, each under its number, and the word that follows
        pairs = np.stack([grams[:, : words.shape[1] - n + 1], words[:, n - 1 :]], -1)
        if not pairs.size:
            break
        _, numbers = np.unique(pairs.reshape(-1, 2), axis=0, return_inverse=True)
        grams = numbers.reshape(pairs.shape[:2])
        real = np.arange(words.shape[1] - n + 1) <= lengths[:, None] + 1 - n
        counts = np.zeros((len(sentences), int(grams.max()) + 1))
        np.add.at(counts, (np.nonzero(real)[0], grams[real]), 1)
        norms = np.linalg.norm(counts, axis=1, keepdims=True)
        counts /= np.maximum(norms, 1)
        total += counts @ counts.T
    return total / ORDERS
