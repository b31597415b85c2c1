"""Reranks an image's caption hypotheses by minimum Bayes risk: picks the one most similar, on average, to the others.

The most probable sentence of a search often names few things. The sentence that is most similar to all probable ones
names more of what people name, at the cost of a wider search.

Kumar and Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation"; Devlin et al. 2015, "Exploring
Nearest Neighbor Approaches for Image Captioning", for captions; the similarity is that of CIDEr (Vedantam et al. 2015)
with equal weights for all n-grams, so that it needs no corpus.

Shapes: K hypotheses; T words of the longest, with the end; G different n-grams of one length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.arrays import Floats, Ints, softmax

ORDERS = 4  # n-grams of 1 to 4 words
SIGMA = 6.0  # width of the Gaussian penalty on differences of length, in words, as in CIDEr-D


def expected_similarity(sentences: Sequence[Ints], logprobs: Sequence[float], length_penalty: float = 0.7) -> Floats:
    """The mean similarity of each hypothesis to all, weighted by their probabilities.

    Args:
        sentences: K sequences of word ids >= 0, without the end.
        logprobs: Of each, including the end's.
        length_penalty: Probabilities are compared as log-probability / words ** length_penalty.

    Returns:
        float64 ``[K]``, 0 to 1.
    """
    lengths = np.array([len(words) for words in sentences])
    ranks = np.asarray(logprobs) / np.maximum(lengths, 1) ** length_penalty
    gap = lengths[:, None] - lengths
    similar = _similarities(sentences, lengths) * np.exp(-(gap**2) / (2 * SIGMA**2))
    found: Floats = similar @ softmax(ranks)
    return found


def _similarities(sentences: Sequence[Ints], lengths: Ints) -> Floats:
    """The mean over n of the cosines of n-gram counts, with the end as a word: ``[K, K]``."""
    words = np.full((len(sentences), lengths.max() + 1), -1)  # the end
    for row, sentence in zip(words, sentences, strict=True):
        row[: len(sentence)] = sentence
    total = np.zeros((len(sentences), len(sentences)))
    grams: Ints = np.zeros_like(words)
    for n in range(1, ORDERS + 1):
        # the numbers of the (n-1)-grams, and the word that follows each
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
