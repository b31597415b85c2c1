"""Captions that say less where the encoder is not sure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist import open_captioner
from imagist.bundle import Folder, open_part, write_part
from imagist.captioning.decoding import Sentence
from imagist.captioning.hedging import DETECTOR, TABLE, hedging_of, worth
from imagist.captioning.options import CaptionOptions
from imagist.errors import BundleError, UsageError
from imagist.records import Photo

WORDS = [
    "<end>",
    "<start>",
    "<unknown>",
    "a",
    "an",
    "bell",
    "cote",
    "bookshop",
    "view",
    "of",
    "building",
    "man",
    "in",
    "front",
    "jewelry",
    "ring",
]
PLACES = {word: place for place, word in enumerate(WORDS)}
TOML = """
margin = 0.1
wrong = 0.2
invented = 1.0
persons = ["man", "policewoman"]
[names]
"bell cote" = 2
bookshop = 3
ring = 4
zeppelin = 5
[general.building]
with_article = "a building"
specificity = 0.3
classes = [1, 2, 3]
[general.tower]
with_article = "a tower"
specificity = 0.5
classes = [2, 5]
[general.jewelry]
with_article = "jewelry"
specificity = 0.4
classes = [4, 6]
"""


def part(folder, text=TOML, weight=None):
    content = np.zeros(3, np.float32) if weight is None else weight

    def fill(path):
        (path / TABLE).write_text(text, "utf-8")
        np.savez(path / DETECTOR, weight=content, bias=np.float32(0.0))

    write_part(folder, "naming", {}, fill)
    return Folder(folder, dict(open_part(folder, "captioner").card))


@pytest.fixture
def hedging(tmp_path):
    return hedging_of(part(tmp_path / "captioner", weight=np.array([4, 0, 0], np.float32)), WORDS)


def sentence(text, logprob=-3.0):
    words = np.array([PLACES[word] for word in text.split()])
    attention = np.arange(len(words), dtype=np.float32)[:, None] + np.array([[0.0, 10.0]], np.float32)
    return Sentence(words, logprob, attention)


def classes(**of):
    row = np.zeros(8, np.float32)
    for name, probability in of.items():
        row[int(name[1:])] = probability
    return row


def text(of):
    return " ".join(WORDS[place] for place in of.words)


@pytest.mark.parametrize(
    ("said", "row", "expected"),
    [
        ("a view of a bell cote", classes(c2=0.25, c1=0.7), "a view of a building"),
        ("a view of a bell cote", classes(c2=0.9, c1=0.1), "a view of a bell cote"),  # it is sure
        ("a view of a bell cote", classes(c2=0.2), "a view of a bell cote"),  # nothing else is likely either
        ("a ring", classes(c4=0.2, c6=0.7), "jewelry"),  # which takes no article
        ("ring in front of a bookshop", classes(c3=0.2, c1=0.7), "ring in front of a building"),
        ("a man in front of a bell cote", classes(c2=0.25, c1=0.7), "a man in front of a bell cote"),
        ("a view of", classes(c1=0.9), "a view of"),
    ],
)
def test_unlikely_names_give_way_to_general_words(hedging, said, row, expected):
    before = sentence(said)
    after = hedging.less(before, row)
    assert text(after) == expected
    assert after.logprob == before.logprob
    assert after.attention.shape == (len(after.words), 2)


def test_new_words_have_the_attention_of_those_that_they_replace(hedging):
    after = hedging.less(sentence("a view of a bell cote in front"), classes(c2=0.25, c1=0.7))
    assert text(after) == "a view of a building in front"
    assert after.attention[:, 0].tolist() == [0, 1, 2, 4, 4, 6, 7]  # of "a bell cote" the mean


def test_a_sentence_without_attention_has_none_afterwards(hedging):
    plain = Sentence(sentence("a bell cote").words, -1.0, None)
    assert hedging.less(plain, classes(c2=0.25, c1=0.7)).attention is None


def grid(somebody):
    """A grid of 7 x 7 cells with a person in nine of them, or without."""
    cells = np.zeros((7, 7, 3), np.float32)
    cells[..., 0] = -1
    if somebody:
        cells[2:5, 3:6, 0] = 2
    return cells.reshape(49, 3)


def test_persons_are_seen_where_some_cells_show_one(hedging):
    there, not_there = hedging.somebody(np.stack([grid(True), grid(False)]))
    assert there > 0.9
    assert not_there < 0.1


def test_a_hypothesis_about_persons_loses_where_nobody_is_seen(hedging):
    found = [[sentence("a man in front", -3.0), sentence("a building", -2.5), sentence("a view of a building", -6.0)]]
    rows = classes()[None]
    for somebody, best in ((True, "a man in front"), (False, "a building")):
        (said,) = hedging.hedged(found, grid(somebody)[None], rows, 0.7, 2)
        assert text(said[0]) == best
        assert len(said) == 2


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2))
def test_a_word_is_worth_more_the_likelier_and_the_more_it_tells(specificity, probability, wrong):
    value = worth(specificity, probability, wrong)
    assert -wrong <= value <= 1
    assert worth(specificity, min(1.0, probability + 0.1), wrong) >= value
    assert worth(min(1.0, specificity + 0.1), probability, wrong) >= value


@given(st.lists(st.sampled_from(WORDS[3:]), min_size=1, max_size=9), st.integers(0, 2**31))
def test_saying_less_twice_says_no_less(tmp_path_factory, words, seed):
    folder = tmp_path_factory.mktemp("part") / "captioner"
    hedging = hedging_of(part(folder), WORDS)
    row = np.random.default_rng(seed).dirichlet(np.full(8, 0.5)).astype(np.float32)
    once = hedging.less(sentence(" ".join(words)), row)
    assert text(hedging.less(once, row)) == text(once)
    assert len(once.words) <= len(words)


@pytest.mark.parametrize("fault", ["margin = 'x'", "[names", "margin = 0.1", TOML.replace("classes = [1, 2, 3]", "")])
def test_a_table_that_cannot_be_understood_is_named(tmp_path, fault):
    with pytest.raises(BundleError, match=r"hedging\.toml cannot be understood"):
        hedging_of(part(tmp_path / "captioner", fault), WORDS)


def test_the_shipped_captioner_says_less_unless_told_not_to():
    shipped = open_captioner("embedded")
    bold = open_captioner("embedded", CaptionOptions(settings={"hedging": False}))
    assert "hedging=no" in bold.id
    assert "hedging" not in shipped.id
    photo = Photo(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8), "noise")
    assert shipped.caption([photo])[0].text
    with pytest.raises(UsageError, match="hedging"):
        open_captioner("embedded", CaptionOptions(settings={"hedging": "perhaps"}))
