"""Beam search on models small enough to search through by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.captioning.decoding import END, START, Decoding, generate
from imagist.captioning.reranking.mbr import expected_similarity
from imagist.errors import UsageError

FIRST_WORD = 2


class Markov:
    """The next word depends on the word before alone; the attention tells which words came before.

    ``tables`` is ``[N, V, V]``: log-probabilities of each next word after each word, for N photos. The attention after
    t words is ``[L]`` with the ids of those words at the end of the row, the oldest first, so that a hypothesis which
    is given another's attention is caught.
    """

    start, end = START, END

    def __init__(self, tables, beams, max_length):
        self.words = tables.shape[2]
        self.tables = tables
        self.state = np.zeros((len(tables), beams, max_length), np.float32)

    def step(self, words, candidates):
        self.state = np.concatenate([self.state[:, :, 1:], words[:, :, None].astype(np.float32)], 2)
        rows = np.take_along_axis(self.tables, words[:, :, None].repeat(self.tables.shape[2], 2), 1)
        ids = np.argsort(-rows, axis=2, kind="stable")[:, :, :candidates]
        return np.take_along_axis(rows, ids, 2), ids, self.state

    def keep(self, photos, beams):
        self.tables = self.tables[photos]
        self.state = self.state[photos[:, None], beams]


def tables(seed, photos=1, words=3):
    """Random models over ``words`` words besides the special two; START is never next."""
    weights = np.random.default_rng(seed).normal(scale=2, size=(photos, FIRST_WORD + words, FIRST_WORD + words))
    weights[:, :, START] = -np.inf
    return (weights - np.log(np.exp(weights).sum(2, keepdims=True))).astype(np.float32)


def search(table, settings_):
    return generate(Markov(table, settings_.beam, settings_.max_length), len(table), settings_)


def logprob(table, words, max_length):
    path = [START, *words] + ([END] if len(words) < max_length else [])
    return float(sum(table[a, b] for a, b in pairwise(path)))


def every_sentence(table, settings_):
    """All that can be said, best first: ``(rank, words)``."""
    vocabulary = range(FIRST_WORD, table.shape[0])
    said = [
        words
        for length in range(1, settings_.max_length + 1)
        for words in product(vocabulary, repeat=length)
        if all(a != b for a, b in pairwise(words))
    ]
    ranked = [(logprob(table, w, settings_.max_length) / len(w) ** settings_.length_penalty, w) for w in said]
    return sorted(ranked, reverse=True)


seeds = st.integers(0, 2**32 - 1)
powers = st.sampled_from([0.0, 0.7, 1.0, 1.3])


@settings(max_examples=30)
@given(seeds, powers)
def test_a_wide_enough_beam_finds_all_sentences(seed, power):
    wide = Decoding(beam=24, nbest=21, max_length=3, length_penalty=power)
    table = tables(seed)
    (found,) = search(table, wide)
    expected = every_sentence(table[0], wide)
    assert len(found) == len(expected) == 21
    for sentence, (rank, _) in zip(found, expected, strict=True):
        assert sentence.logprob / len(sentence.words) ** power == pytest.approx(rank, abs=1e-4)
        assert sentence.logprob == pytest.approx(logprob(table[0], tuple(sentence.words), 3), abs=1e-4)
    assert {tuple(s.words) for s in found} == {words for _, words in expected}


@given(seeds)
def test_one_beam_takes_the_most_probable_word_each_time(seed):
    greedy = Decoding(beam=1, max_length=6)
    table = tables(seed, words=5)
    words, total = [START], 0.0
    while len(words) <= greedy.max_length:
        row = table[0, words[-1]].copy()
        row[[words[-1], *([END] if len(words) == 1 else [])]] = -np.inf
        total += row.max()
        if row.argmax() == END:
            break
        words.append(int(row.argmax()))
    ((found,),) = search(table, greedy)
    assert found.words.tolist() == words[1:]
    assert found.logprob == pytest.approx(total, abs=1e-4)


@given(seeds, st.integers(1, 5), st.integers(1, 7), powers)
def test_every_sentence_is_sound(seed, beam, max_length, power):
    chosen = Decoding(beam=beam, nbest=beam, max_length=max_length, length_penalty=power)
    table = tables(seed, photos=3, words=4)
    for photo, found in enumerate(search(table, chosen)):
        assert 1 <= len(found) <= beam
        for sentence in found:
            words = sentence.words.tolist()
            assert 1 <= len(words) <= max_length
            assert not {END, START} & set(words)
            assert all(a != b for a, b in pairwise(words))
            assert sentence.logprob == pytest.approx(logprob(table[photo], words, max_length), abs=1e-4)
        assert len({tuple(s.words) for s in found}) == len(found)
        ranks = [s.logprob / len(s.words) ** power for s in found]
        assert ranks == sorted(ranks, reverse=True)


@given(seeds, st.integers(1, 4))
def test_images_do_not_affect_each_other(seed, beam):
    chosen = Decoding(beam=beam, nbest=beam, max_length=6)
    table = tables(seed, photos=5, words=4)
    for photo, together in enumerate(search(table, chosen)):
        (alone,) = search(table[photo : photo + 1], chosen)
        assert [s.words.tolist() for s in alone] == [s.words.tolist() for s in together]
        np.testing.assert_allclose([s.logprob for s in alone], [s.logprob for s in together], atol=1e-6)


@given(seeds, st.integers(1, 5))
def test_attention_belongs_to_its_hypothesis(seed, beam):
    chosen = Decoding(beam=beam, nbest=beam, max_length=6)
    for found in search(tables(seed, photos=3, words=5), chosen):
        for sentence in found:
            history = [0] * chosen.max_length
            for word, paid in zip([START, *sentence.words], sentence.attention, strict=False):
                history = [*history[1:], int(word)]
                assert paid.tolist() == history
            assert sentence.attention.shape == (len(sentence.words), chosen.max_length)


def test_a_model_that_never_ends_is_stopped():
    table = tables(0)
    table[:, :, END] = -np.inf
    ((found,),) = search(table, Decoding(beam=2, max_length=5))
    assert len(found.words) == 5


def test_a_sentence_has_at_least_one_word():
    table = tables(0)
    table[:, :, END] = 0.0
    ((found,),) = search(table, Decoding(beam=3))
    assert len(found.words) == 1


def test_length_penalty_decides_between_short_and_long():
    table = np.full((1, 4, 4), -np.inf, np.float32)
    table[0, START, 2] = table[0, 3, END] = 0.0
    table[0, 2, END], table[0, 2, 3] = np.log(0.6), np.log(0.4)
    short, long = (search(table, Decoding(2, 1, 4, power))[0][0].words.tolist() for power in (0.0, 2.0))
    assert (short, long) == ([2], [2, 3])


def test_reranker_scores_are_added_to_expected_similarity():
    chosen, table = Decoding(beam=4, nbest=4, max_length=6, mbr=True), tables(3, photos=2)
    asked = []

    def reranker_score(photo, sentences):
        asked.append((photo, len(sentences)))
        return np.array([10.0 * photo * (sentence[0] == 2) for sentence in sentences])

    def said(**more):
        found = generate(Markov(table, 4, 6), 2, chosen, **more)
        return [[sentence.words.tolist() for sentence in of] for of in found]

    plain, found = said(), said(reranker_score=reranker_score)
    assert asked == [(0, 4), (1, 4)]
    assert found[0] == plain[0]  # where all reranker scores are equal, expected similarity decides
    assert found[1] == sorted(plain[1], key=lambda words: words[0] != 2) != plain[1]
    generate(Markov(table, 4, 6), 2, replace(chosen, mbr=False), reranker_score=lambda *_: pytest.fail("asked"))


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_no_ngram_occurs_twice_where_forbidden(seed, beam, no_repeat_ngram_size):
    chosen = Decoding(beam=beam, nbest=beam, max_length=12, no_repeat_ngram_size=no_repeat_ngram_size)
    table = tables(seed, photos=2, words=14)
    table[:, :, END] -= 4
    for found in search(table, chosen):
        for sentence in found:
            words = sentence.words.tolist()
            runs = [tuple(words[i : i + no_repeat_ngram_size]) for i in range(len(words) - no_repeat_ngram_size + 1)]
            assert len(set(runs)) == len(runs)


def test_a_beam_without_allowed_words_repeats_one():
    table = tables(0, words=1)
    table[:, :, END] = -np.inf
    ((found,),) = search(table, Decoding(beam=2, max_length=4, no_repeat_ngram_size=1))
    assert len(found.words) >= 1


@settings(max_examples=20)
@given(seeds, st.sampled_from([0.3, 0.8, 1.0]), st.sampled_from([0.5, 1.0]))
def test_draws_are_in_the_nucleus_and_repeat_with_the_seed(seed, top_p, temperature):
    chosen = Decoding(beam=4, nbest=4, max_length=6, top_p=top_p, temperature=temperature, seed=seed % 7)
    table = tables(seed, photos=2, words=6)
    one, two = (
        generate(Markov(table, 4, 6), 2, chosen, seeds=[seed, seed + 1]),
        generate(Markov(table[1:], 4, 6), 1, chosen, seeds=[seed + 1]),
    )
    assert [s.words.tolist() for s in one[1]] == [s.words.tolist() for s in two[0]]
    for photo, found in enumerate(one):
        for sentence in found:
            assert sentence.logprob == pytest.approx(logprob(table[photo], tuple(sentence.words), 6), abs=1e-4)
            for before, word in pairwise([START, *sentence.words.tolist()]):
                assert word in nucleus(table[photo, before], before, top_p, temperature)


def nucleus(row, before, top_p, temperature):
    """The words that may be drawn after ``before``, by their definition."""
    row = row.astype(np.float64)
    row[before] = -np.inf
    if before == START:
        row[END] = -np.inf
    chances = np.exp(row / temperature)
    order = np.argsort(-chances, kind="stable")
    chances = chances[order] / chances.sum()
    return set(order[np.cumsum(chances) - chances < top_p + 1e-9].tolist())


def test_draws_follow_the_model_s_probabilities():
    table = np.full((1, 5, 5), -np.inf, np.float32)
    table[0, START, 2:] = np.log([0.5, 0.3, 0.2])
    table[0, 2:, END] = 0
    chosen = Decoding(beam=1, max_length=2, top_p=1.0)
    photos = 3000
    found = generate(Markov(table.repeat(photos, 0), 1, 2), photos, chosen, seeds=list(range(photos)))
    shares = np.bincount([int(f[0].words[0]) for f in found], minlength=5)[2:] / photos
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.04)


def test_an_early_stop_finds_the_same_best_sentence():
    """Of a wide search, which goes on until B have ended, the best is what a search for the best alone finds."""
    for seed in range(40):
        table = tables(seed, photos=4, words=8)
        short = search(table, Decoding(beam=4, nbest=1, max_length=9))
        whole = search(table, Decoding(beam=4, nbest=4, max_length=9))
        assert [f[0].words.tolist() for f in short] == [f[0].words.tolist() for f in whole]


@given(seeds)
def test_mbr_reranks_the_hypotheses_of_a_wide_search(seed):
    table = tables(seed, photos=2, words=6)
    wide = search(table, Decoding(beam=5, nbest=5, max_length=6))
    agreed = search(table, Decoding(beam=5, nbest=5, max_length=6, mbr=True))
    best = search(table, Decoding(beam=5, max_length=6, mbr=True))
    for plain, ranked, (first,) in zip(wide, agreed, best, strict=True):
        sentences = [s.words for s in plain]
        said = expected_similarity(sentences, [s.logprob for s in plain], 0.7)
        order = np.argsort(-said, kind="stable")
        assert [s.words.tolist() for s in ranked] == [sentences[i].tolist() for i in order]
        assert [s.logprob for s in ranked] == [plain[i].logprob for i in order]
        assert first.words.tolist() == ranked[0].words.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"beam": 0}, {"nbest": 4}, {"max_length": 0}, {"no_repeat_ngram_size": -1}, {"length_penalty": -1.0}),
        *({"top_p": 0.0}, {"top_p": 1.1}, {"temperature": 0.0}),
    ],
)
def test_settings_out_of_their_range_are_refused_by_name(wrong):
    with pytest.raises(UsageError) as caught:
        Decoding(**wrong)
    assert caught.value.item == next(iter(wrong))


@given(
    st.builds(
        Decoding,
        beam=st.integers(1, 9),
        max_length=st.integers(1, 30),
        length_penalty=st.floats(0, 2),
        mbr=st.booleans(),
        no_repeat_ngram_size=st.integers(0, 4),
        top_p=st.none() | st.floats(0.1, 1),
        temperature=st.floats(0.1, 5),
        seed=st.integers(0, 9),
    )
)
def test_a_card_holds_the_settings(decoding):
    assert Decoding.from_card({"kind": "other", **decoding.on_card()}) == decoding
    assert {"beam", "max_length", "length_penalty", "mbr"} <= {*decoding.on_card()}
    assert None not in decoding.on_card().values()
