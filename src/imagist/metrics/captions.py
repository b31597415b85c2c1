"""BLEU, ROUGE-L and CIDEr with the values of pycocoevalcap, computed many times faster.

``cider`` is CIDEr-D, as in pycocoevalcap; see `imagist.metrics.cider`.

Only `caption_scores` takes raw sentences. The others take sentences of tokens separated by single spaces, as
`imagist.metrics.ptb.tokenized` returns them.

Values are in raw units: BLEU and ROUGE-L 0..1, CIDEr 0..10. Papers print them times 100.

Shapes: N items, each a hypothesis and one or more references; R references of all items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints
from imagist.errors import UsageError
from imagist.metrics.cider import CiderD, cider
from imagist.metrics.ngrams import ORDERS, NGrams, References, check_references
from imagist.metrics.ptb import tokenize, tokenized, tokenized_items

__all__ = [
    "CiderD",
    "bleu",
    "bleu_counts",
    "bleu_of_rows",
    "bleu_of_totals",
    "bleu_rows",
    "caption_scores",
    "cider",
    "rouge_l",
    "rouge_l_items",
    "smoothed_bleu_items",
    "token_scores",
    "tokenize",
]


ROUGE_BETA = 1.2


def caption_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """All metrics of N raw captions, which are tokenised first, all in one run as pycocoevalcap does.

    Args:
        hypotheses: N captions.
        references: One or more sentences for each of them.

    Returns:
        As `token_scores`.

    Raises:
        UsageError: No items, an item without a reference, or not one hypothesis an item.
    """
    _check(hypotheses, references)
    return token_scores(tokenized(hypotheses), tokenized_items(references))


def token_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """All metrics of N tokenised captions, whose n-grams are counted once.

    Returns:
        ``bleu_1`` .. ``bleu_4`` and ``rouge_l``, 0..1, and ``cider``, 0..10.

    Raises:
        UsageError: As `caption_scores`.
    """
    said, against = _counted(hypotheses, references)
    scores = {f"bleu_{n}": float(value) for n, value in enumerate(bleu_of_rows(bleu_counts(said, against)), start=1)}
    return scores | {
        "rouge_l": rouge_l(hypotheses, references),
        "cider": float(CiderD(against).scores(said).mean()),
    }


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """BLEU-1 to BLEU-4 of the corpus (Papineni et al. 2002) against the closest reference lengths, 0..1.

    Raises:
        UsageError: As `caption_scores`.
    """
    return tuple(float(value) for value in bleu_of_rows(bleu_rows(hypotheses, references)))


def bleu_rows(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Ints:
    """The counts of BLEU for each item; BLEU of a resample of items is `bleu_of_rows` of its rows.

    Returns:
        int64 ``[N, 10]``: words of the hypothesis; words of the reference closest to it in length, the shorter of two;
        n-grams that match for n = 1..4; n-grams of the hypothesis for n = 1..4.

    Raises:
        UsageError: As `caption_scores`.
    """
    return bleu_counts(*_counted(hypotheses, references))


def bleu_counts(hypotheses: NGrams, references: References) -> Ints:
    """`bleu_rows` of counted n-grams."""
    items = np.arange(len(references))
    rows = np.empty((len(items), 2 + 2 * ORDERS), dtype=np.int64)
    rows[:, 0] = hypotheses.lengths
    rows[:, 1] = _closest(hypotheses.lengths, references)
    rows[:, 2 + ORDERS :] = np.maximum(0, hypotheses.lengths[:, None] - np.arange(ORDERS))
    matches = zip(hypotheses.orders, references.ngrams.orders, references.matches(hypotheses, items), strict=True)
    for column, runs, (own, theirs, run) in zip(range(2, 2 + ORDERS), references.runs, matches, strict=True):
        # An n-gram counts at most as often as any one reference of the item has it.
        allowed = np.maximum.reduceat(theirs.count, runs) if len(runs) else theirs.count
        matched = np.flatnonzero(run >= 0)
        hits = np.minimum(own.count[matched], allowed[run[matched]])
        rows[:, column] = np.bincount(own.sentence[matched], hits, len(items))
    return rows


def bleu_of_rows(rows: Ints) -> Floats:
    """BLEU-1 to BLEU-4, float64 ``[4]``, of rows from `bleu_rows`: all of them, a single one, or a resample."""
    return bleu_of_totals(rows.sum(axis=0))


def bleu_of_totals(totals: AnyArray) -> Floats:
    """BLEU-1 to BLEU-4, float64 ``[..., 4]``, of sums ``[..., 10]`` over rows from `bleu_rows`."""
    total = np.asarray(totals, dtype=np.float64)
    tiny, small = 1e-15, 1e-9  # pycocoevalcap's: 0/0 comes out as nearly 0
    precision = (total[..., 2 : 2 + ORDERS] + tiny) / (total[..., 2 + ORDERS :] + small)
    ratio = (total[..., :1] + tiny) / (total[..., 1:2] + small)
    brevity = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    return np.asarray(brevity * np.cumprod(precision, axis=-1) ** (1 / np.arange(1, ORDERS + 1)))


def smoothed_bleu_items(rows: Ints) -> Floats:
    """BLEU-4 of each item, float64 ``[N]``, 0..1, of rows from `bleu_rows`.

    One more n-gram of each order above 1 is taken to match, or hardly any sentence alone had any BLEU-4 (Lin and Och
    2004, "ORANGE: a Method for Evaluating Automatic Evaluation Metrics").
    """
    more = np.zeros(rows.shape[-1], dtype=np.int64)
    more[3 : 2 + ORDERS] = more[3 + ORDERS :] = 1
    return np.asarray(bleu_of_totals(rows + more)[..., -1])


def _closest(length: Ints, references: References) -> Ints:
    """The reference length closest to each hypothesis's; the shorter of two equally close ones."""
    others, owner = references.ngrams.lengths, references.owner
    by_distance = np.lexsort((others, np.abs(others - length[owner]), owner))
    closest: Ints = others[by_distance[np.cumsum(references.of_item) - references.of_item]]
    return closest


def rouge_l(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean ROUGE-L of the items (Lin 2004), 0..1.

    Raises:
        UsageError: As `caption_scores`.
    """
    return float(rouge_l_items(hypotheses, references).mean())


def rouge_l_items(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """ROUGE-L of each item, float64 ``[N]``, 0..1: F with beta 1.2 of the best precision and the best recall.

    Raises:
        UsageError: As `caption_scores`.
    """
    _check(hypotheses, references)
    pairs = zip(hypotheses, references, strict=True)
    return np.array([_rouge_l(h.split(" "), [r.split(" ") for r in item]) for h, item in pairs])


def _rouge_l(hypothesis: list[str], references: list[list[str]]) -> float:
    where: dict[str, int] = {}
    for position, word in enumerate(hypothesis):
        where[word] = where.get(word, 0) | 1 << position
    common = [_common_length(where, len(hypothesis), reference) for reference in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(hypothesis)
    recall = max(c / len(reference) for c, reference in zip(common, references, strict=True))
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def _common_length(where: dict[str, int], length: int, other: list[str]) -> int:
    """Length of the longest common subsequence, in whole integers of bits (Hyyrö 2004).

    ``where`` holds for each word of the one sentence, ``length`` words long, a bit for each place where it stands.
    Every bit of ``row`` that has turned 0 is a word of the subsequence.
    """
    row = full = (1 << length) - 1
    for word in other:
        if hit := row & where.get(word, 0):
            row = (row + hit | row - hit) & full
    return length - row.bit_count()


def _counted(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[NGrams, References]:
    _check(hypotheses, references)
    return NGrams(hypotheses), References(references)


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    check_references(references)
    if len(hypotheses) != len(references):
        raise UsageError(
            f"{len(hypotheses)} hypotheses for {len(references)} items with references",
            remedy="give one hypothesis, and one list of references, for each item",
        )
