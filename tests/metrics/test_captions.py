"""BLEU, ROUGE-L and CIDEr, held against pycocoevalcap's on the same tokens."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.captions import (
    bleu,
    bleu_of_rows,
    bleu_rows,
    caption_scores,
    cider,
    rouge_l,
    rouge_l_items,
    smoothed_bleu_items,
    tokenize,
)
from imagist.metrics.cider import CiderD

coco_bleu = pytest.importorskip("pycocoevalcap.bleu.bleu")
coco_rouge = pytest.importorskip("pycocoevalcap.rouge.rouge")
coco_cider = pytest.importorskip("pycocoevalcap.cider.cider")

SENTENCE = st.lists(st.sampled_from(["a", "dog", "cat", "runs", "on", "the", "grass"]), max_size=9).map(" ".join)
CORPUS = st.lists(st.tuples(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=4)), min_size=1, max_size=6)


def made_up(items: int, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """Captions of words as unequally frequent as those of English, references partly shared with the hypothesis."""
    draw = np.random.default_rng(seed)
    words = [f"w{n}" for n in np.minimum(draw.zipf(1.5, 200_000), 500)]
    source = random.Random(seed)

    def sentence() -> list[str]:
        start = source.randrange(len(words) - 20)
        return words[start : start + source.randint(0, 15)]

    hypotheses, references = [], []
    for _ in range(items):
        own = sentence()
        hypotheses.append(" ".join(own))
        others = [sentence() for _ in range(source.randint(1, 5))]
        references.append([" ".join(o[: source.randint(0, 5)] + own[source.randint(0, 3) :] + o[9:]) for o in others])
    return hypotheses, references


def theirs(
    hypotheses: list[str], references: list[list[str]]
) -> tuple[list[float], np.ndarray, np.ndarray, np.ndarray]:
    """pycocoevalcap's BLEU-1..4, BLEU of each item ``[4, N]``, ROUGE-L of each item, CIDEr of each item."""
    truth = dict(enumerate(references))
    said = {n: [h] for n, h in enumerate(hypotheses)}
    corpus, each = coco_bleu.Bleu().compute_score(truth, said, verbose=0)
    rouge = coco_rouge.Rouge().compute_score(truth, said)[1]
    return corpus, np.array(each), rouge, coco_cider.Cider().compute_score(truth, said)[1]


def agrees(hypotheses: list[str], references: list[list[str]]) -> None:
    corpus, each, rouge, mbr = theirs(hypotheses, references)
    rows = bleu_rows(hypotheses, references)
    assert bleu(hypotheses, references) == pytest.approx(corpus, abs=1e-9)
    assert np.stack([bleu_of_rows(row[None]) for row in rows], axis=1) == pytest.approx(each, abs=1e-9)
    assert rouge_l_items(hypotheses, references) == pytest.approx(rouge, abs=1e-12)
    assert rouge_l(hypotheses, references) == pytest.approx(rouge.mean(), abs=1e-12)
    assert CiderD(references).scores(hypotheses) == pytest.approx(mbr, abs=1e-9)
    assert cider(hypotheses, references) == pytest.approx(mbr.mean(), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_pycocoevalcap(seed: int) -> None:
    agrees(*made_up(300, seed))


@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        ([""], [["a dog"]]),
        (["a dog", "b"], [[""], ["b c"]]),
        (["", "b"], [[""], ["b c"]]),
        (["", "a"], [["", "a"], ["b"]]),
        (["a"], [["a"]]),
        (["a dog runs fast", "a a a a"], [["a dog runs fast"], ["a", "a a"]]),
        (["x y z"], [["a b c d e f", "a", "a b", "a b c d"]]),
        (["22\xa03/4 street", "a b"], [["22\xa03/4 street", "street"], ["a b c"]]),
    ],
)
def test_agrees_with_pycocoevalcap_where_little_is_said(hypotheses: list[str], references: list[list[str]]) -> None:
    agrees(hypotheses, references)


@settings(deadline=None)
@given(CORPUS)
def test_agrees_with_pycocoevalcap_on_any_corpus(corpus: list[tuple[str, list[str]]]) -> None:
    assume(any(any(references) for _, references in corpus))  # or pycocoevalcap fails
    agrees([h for h, _ in corpus], [r for _, r in corpus])


def test_raw_sentences_are_tokenised_first() -> None:
    hypotheses = ["A dog runs on the grass.", "Two men can't see it !"]
    references = [
        ["a dog, running on grass", "The dog RUNS on the grass ."],
        ["two men cannot see", "it can't be seen"],
    ]
    corpus, _, rouge, mbr = theirs(
        [" ".join(tokenize(h)) for h in hypotheses], [[" ".join(tokenize(r)) for r in item] for item in references]
    )
    scores = caption_scores(hypotheses, references)
    assert list(scores) == ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
    assert list(scores.values()) == pytest.approx([*corpus, rouge.mean(), mbr.mean()], abs=1e-9)


def test_a_caption_equal_to_a_reference_is_perfect() -> None:
    hypotheses, references = (
        ["a dog runs on the grass", "two men at sea today"],
        [["a cat", "a dog runs on the grass"], ["two men at sea today"]],
    )
    scores = caption_scores(hypotheses, references)
    assert [scores[f"bleu_{n}"] for n in range(1, 5)] == pytest.approx([1] * 4, abs=1e-8)
    assert scores["rouge_l"] == 1
    assert CiderD(references).scores(hypotheses)[1] == pytest.approx(10)


def test_nothing_in_common_scores_nothing() -> None:
    scores = caption_scores(["x y", "z"], [["a b c"], ["d e f"]])
    assert scores == pytest.approx(dict.fromkeys(scores, 0.0), abs=1e-6)


@settings(deadline=None)
@given(CORPUS, st.randoms(use_true_random=False))
def test_order_of_items_and_of_references_does_not_count(
    corpus: list[tuple[str, list[str]]], draw: random.Random
) -> None:
    moved = [(h, draw.sample(r, len(r))) for h, r in draw.sample(corpus, len(corpus))]
    before, after = (([h for h, _ in c], [r for _, r in c]) for c in (corpus, moved))
    assert bleu(*after) == pytest.approx(bleu(*before))
    assert rouge_l(*after) == pytest.approx(rouge_l(*before))
    assert cider(*after) == pytest.approx(cider(*before))


@settings(deadline=None)
@given(CORPUS)
def test_figures_stay_in_their_ranges(corpus: list[tuple[str, list[str]]]) -> None:
    hypotheses, references = [h for h, _ in corpus], [r for _, r in corpus]
    assert all(0 <= value <= 1 + 1e-9 for value in (*bleu(hypotheses, references), rouge_l(hypotheses, references)))
    assert 0 <= cider(hypotheses, references) <= 10 + 1e-9


def test_bleu_of_a_resample_is_bleu_of_its_rows() -> None:
    hypotheses, references = made_up(40)
    index = np.random.default_rng(1).integers(40, size=40)
    again = bleu([hypotheses[i] for i in index], [references[i] for i in index])
    assert bleu_of_rows(bleu_rows(hypotheses, references)[index]) == pytest.approx(again)


def test_a_sentence_alone_has_a_smoothed_bleu() -> None:
    """Of "a dog runs" against "a dog sits": 2 of 3 words, 1 + 1 of 2 + 1 pairs, 0 + 1 of 1 + 1, 0 + 1 of 0 + 1."""
    rows = bleu_rows(["a dog runs", "a dog", "x y z"], [["a dog sits"], ["a dog sits"], ["a dog sits"]])
    first, short, none = smoothed_bleu_items(rows)
    assert first == pytest.approx((2 / 3 * 2 / 3 * 1 / 2 * 1) ** 0.25)
    assert short == pytest.approx(np.exp(1 - 3 / 2))
    assert none == pytest.approx(0, abs=1e-3)


@settings(deadline=None)
@given(CORPUS)
def test_smoothing_leaves_what_is_perfect_and_stays_in_range(corpus: list[tuple[str, list[str]]]) -> None:
    references = [r for _, r in corpus]
    found = smoothed_bleu_items(bleu_rows([h for h, _ in corpus], references))
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()
    same = [r[0] for r in references if r[0].split()]
    assume(same)
    told = bleu_rows(same, [[text] for text in same])
    assert smoothed_bleu_items(told) == pytest.approx(np.ones(len(same)), abs=1e-6)


@pytest.mark.parametrize("figure", [bleu, rouge_l, cider, caption_scores, bleu_rows, rouge_l_items])
@pytest.mark.parametrize(("hypotheses", "references"), [([], []), (["a"], []), (["a", "b"], [["a"]])])
def test_refuses_lists_that_do_not_fit(figure, hypotheses, references) -> None:
    with pytest.raises(UsageError):
        figure(hypotheses, references)


def test_references_without_a_word_score_nothing() -> None:
    assert caption_scores(["a dog"], [["."]]) == pytest.approx(
        dict.fromkeys(caption_scores(["a"], [["b"]]), 0.0), abs=1e-6
    )


@pytest.mark.parametrize("figure", [bleu, rouge_l, cider, caption_scores])
@pytest.mark.parametrize("references", [[["a"], []], [["a"], "a dog"]])
def test_refuses_items_without_a_list_of_references(figure, references) -> None:
    with pytest.raises(UsageError, match="item 1"):
        figure(["a", "b"], references)
