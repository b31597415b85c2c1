"""Sentences to word ids and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from imagist.captioning.decoding import END, START
from imagist.errors import DataError
from imagist.training.captioners.vocabulary import (
    SPECIAL,
    UNKNOWN,
    WordVocabulary,
    build_vocabulary,
    start_of,
    tokenised,
    until,
)

pytestmark = pytest.mark.torch

WORDS = ("a", "dog", "runs", "ein", "hund", "läuft")


@pytest.fixture
def one():
    return WordVocabulary((*SPECIAL, *WORDS))


@pytest.fixture
def three():
    return build_vocabulary([" ".join(WORDS)] * 2, ["en", "de", "cs"], 1)


def test_the_special_words_have_the_ids_that_decoding_counts_on():
    assert [SPECIAL.index(name) for name in ("<end>", "<start>", "<unknown>")] == [END, START, UNKNOWN]


@pytest.mark.parametrize(("text", "ids"), [("a dog runs", [3, 4, 5]), ("", []), ("a snark runs", [3, UNKNOWN, 5])])
def test_a_sentence_is_start_words_end_and_padding(one, text, ids):
    found = one.encode(text, 6)
    assert found.dtype == np.int64
    assert found.tolist() == [START, *ids, *[END] * (7 - len(ids))]


def test_a_long_sentence_is_cut_and_still_ends(one):
    assert one.encode("a dog " * 50, 5).tolist() == [START, 3, 4, 3, 4, 3, END]


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.integers(0, 14), st.sampled_from([None, "en", "de", "cs"]))
def test_what_is_encoded_is_decoded(words, max_length, language):
    vocabulary = build_vocabulary([" ".join(WORDS)], ["en", "de", "cs"], 1)
    ids = vocabulary.encode(" ".join(words), max_length, language)
    assert ids.shape == (max_length + 2,)
    assert vocabulary.decode(ids[1:]) == " ".join(words[:max_length])
    assert ids[0] == vocabulary.starts[language or "en"]


def test_nothing_behind_the_first_end_is_said(one):
    assert one.decode([3, END, 4]) == "a"
    assert one.decode(np.array([END, 4])) == ""
    assert one.decode([3, 4]) == "a dog"
    assert until([5, 9, 2, 9], 9) == [5]


def test_each_language_starts_on_its_own(three):
    assert list(three.starts) == ["en", "de", "cs"]
    assert three.starts["en"] == START
    assert [three.lines[three.starts[code]] for code in ("de", "cs")] == [start_of("de"), start_of("cs")]
    assert len({*three.starts.values()}) == 3
    german = three.encode("ein hund", 4, "de")
    assert (german[0], three.decode(german[1:])) == (three.starts["de"], "ein hund")
    with pytest.raises(KeyError):
        three.encode("un chien", 4, "fr")


def test_starts_and_the_unknown_word_are_never_said(one, three):
    assert {*one.suppressed_tokens} == {START, UNKNOWN}
    assert {*three.suppressed_tokens} == {*three.starts.values(), UNKNOWN}
    for vocabulary in (one, three):
        assert vocabulary.end not in vocabulary.suppressed_tokens
        assert {word for i, word in enumerate(vocabulary.lines) if i not in vocabulary.suppressed_tokens} == {
            "<end>",
            *WORDS,
        }


def test_words_are_learned_by_how_often_they_come():
    words = build_vocabulary(["a dog", "a dog runs", "a zebu", "b dog a"], ["en"], 2).lines
    assert words == (*SPECIAL, "a", "dog")
    assert build_vocabulary(["b a", "a b"], ["en"], 1).lines[3:] == (
        "a",
        "b",
    )  # equals by the alphabet: always the same


def test_some_sentences_words_are_known_however_rare():
    words = build_vocabulary(["a dog", "a dog"], ["en"], 2, always=["a snark"]).lines
    assert words[3:] == ("a", "dog", "snark")


def test_a_limit_that_leaves_no_word_is_an_error_with_the_remedy():
    with pytest.raises(DataError, match="no word occurs 3 times") as caught:
        build_vocabulary(["a dog", "a cat"], ["en"], 3)
    assert "min_count" in caught.value.remedy


def test_sentences_are_tokenised_as_the_metrics_see_them_and_empty_ones_are_dropped():
    assert tokenised(["A Dog, running!", "...", "", "It's  here."]) == ("a dog running", "it 's here")
