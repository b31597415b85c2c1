"""Names of classes, and where they are found in sentences."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist import settings
from imagist.errors import UsageError
from imagist.metrics.ptb import tokenize
from imagist.training.captioners.class_names import ClassNames, article, classes_of

CONFIG = Path(__file__).parents[3] / "configs" / "embedded" / "class-names.toml"
NAMES = settings.from_table(tomllib.loads(CONFIG.read_text("utf-8"))["data"]["class_names"], ClassNames, str(CONFIG))


@given(st.sets(st.integers(0, 60), min_size=1))
def test_a_set_of_classes_is_read_as_it_is_written(numbers):
    assert [*classes_of(", ".join(map(str, numbers)))] == sorted(numbers)
    low, high = min(numbers), max(numbers)
    assert [*classes_of(f"{low}-{high}")] == [*range(low, high + 1)]


@pytest.mark.parametrize("text", ["", "7-", "9-7", "dog", "3,,4", "-3"])
def test_what_is_no_set_of_classes_is_a_fault_with_its_place(text):
    with pytest.raises(UsageError, match=r"groups\.dog"):
        [*classes_of(text, "groups.dog")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("owl", "an"), ("dog", "a"), ("unicycle", "a"), ("umbrella", "an"), ("hourglass", "an"), ("horse", "a"),
     ("european fire salamander", "a"), ("egyptian cat", "an"), ("one - armed bandit", "a")],
)  # fmt: skip
def test_articles_go_by_sound(name, expected):
    assert article(name) == expected


def test_every_class_has_names_that_people_use_first():
    assert len(NAMES) == 1000
    assert NAMES.all_names[670][0] == "motor scooter"
    assert NAMES.all_names[285] == ("egyptian cat",)
    assert NAMES.all_names[892][0] == "wall clock"
    for names in NAMES.all_names:
        assert names
        assert len({*names}) == len(names)
        assert all(" ".join(tokenize(name)) == name for name in names)


def test_every_class_has_a_kind_and_every_kind_its_frames():
    kinds = {NAMES.kind(number) for number in range(1000)}
    assert kinds == NAMES.frames.keys()
    assert [NAMES.kind(number) for number in (2, 151, 979, 437, 404, 963, 985)] == [
        "fish", "animal", "place", "place", "thing", "food", "other",
    ]  # fmt: skip


def test_the_everyday_words_of_the_table_are_found_in_sentences():
    for word, classes in NAMES.group_classes.items():
        (mention,) = NAMES.mentions(word.split())
        assert mention.is_group
        assert {*classes} <= {*mention.classes}
        assert mention.words == len(word.split())


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("a dog on a street", [("dog", True)]),
        ("two puppies near a fire engine", [("puppies", False), ("fire engine", False)]),
        ("a tennis ball and a banana", [("tennis ball", True), ("banana", True)]),
        ("a golden retriever", [("golden retriever", False)]),
        ("the sofa", [("sofa", True)]),
        ("a woman looks at the sky", []),
        ("a kite in the air", []),  # a bird to WordNet
        ("", []),
    ],
)
def test_names_and_everyday_words_are_found_in_order(sentence, found):
    words = sentence.split()
    mentions = NAMES.mentions(words)
    assert [(" ".join(words[m.start : m.start + m.words]), m.is_group) for m in mentions] == found
    assert all(m.classes and [*m.classes] == sorted({*m.classes}) for m in mentions)


def test_a_synonym_means_what_its_group_means():
    assert NAMES.mentions(["kitten"])[0].classes == NAMES.mentions(["cat"])[0].classes


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "the",
                "dog",
                "dogs",
                "fire",
                "engine",
                "red",
                "hot",
                "air",
                "balloon",
                "tennis",
                "ball",
                "teddy",
                "bear",
            ]
        )
    )
)
def test_mentions_never_overlap(words):
    ends = 0
    for mention in NAMES.mentions(words):
        assert mention.start >= ends
        ends = mention.start + mention.words
    assert ends <= len(words)


def test_the_first_name_is_sampled_most_often_and_the_others_are_short():
    rng = np.random.default_rng(0)
    drawn = [NAMES.sample_name(1, rng) for _ in range(400)]
    assert {*drawn} == {"goldfish", "carassius auratus"}
    assert 0.8 < drawn.count("goldfish") / 400 < 0.95  # three quarters, and half of the rest
    assert {NAMES.sample_name(285, rng) for _ in range(20)} == {"egyptian cat"}


def test_names_take_the_article_that_they_need():
    assert NAMES.with_article("owl") == "an owl"
    assert NAMES.with_article("sunglasses") == "sunglasses"
    assert NAMES.framed("owl", "there is {a} .") == "there is an owl"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"groups": {"dog": "151-1000"}}, r"groups\.dog: .*1,000 classes"),
        ({"groups": {"dog": "151-160", "cat": "160"}}, r"groups: classes in two groups: 160"),
        ({"names": {"x": "tench"}}, r"names\.x"),
        ({"synonyms": {"bike": "bycicle"}}, "synonyms: no groups bycicle"),
        ({"kinds": {"mineral": "3"}}, "frames: none for mineral"),
        ({"frames": {**NAMES.frames, "food": ("a meal",)}}, "frames: without {a}: 'a meal'"),
        ({"exchanged": ("mineral",)}, "exchanged: no kinds mineral"),
    ],
)
def test_faults_of_the_table_are_reported_by_their_place(change, fault):
    with pytest.raises(UsageError, match=fault):
        replace(NAMES, **({"synonyms": {}} if "groups" in change else {}) | change)
