"""Information in captions and images, against scikit-learn, known amounts of information, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.information import Information, bits, information, informative_words, kappa
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import paired_difference, wilson_interval
from imagist.records import LabelSet

sklearn = pytest.importorskip("sklearn.metrics")

LABELS = LabelSet(("cat", "dog", "car"))
NOUNS = ("a cat sits", "a dog runs", "a red car")


def made_up(items: int, seed: int = 0, image: float = 0.9, text: float = 0.7):
    """Targets, probabilities of two classifiers of given accuracy, and captions that name the predicted class."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(3, size=items)
    opinions = []
    for share in (image, text):
        said = np.where(draw.random(items) < share, targets, draw.integers(3, size=items))
        raw = draw.uniform(0.01, 0.5, (items, 3)) + 2 * np.eye(3)[said]
        opinions.append(raw / raw.sum(axis=1, keepdims=True))
    return targets, *opinions, [NOUNS[n] for n in opinions[1].argmax(axis=1)]


def report(items: int = 200, **settings) -> Information:
    return information(*made_up(items), LABELS, resamples=200, **settings)


def test_accuracies_agreement_and_oracle_are_those_of_the_verdicts() -> None:
    targets, image, text, _ = made_up(200)
    seen, said = image.argmax(axis=1), text.argmax(axis=1)
    found = report()
    assert found.items == 200
    expected = {
        "image_accuracy": seen == targets, "text_accuracy": said == targets, "agreement": seen == said,
        "oracle": (seen == targets) | (said == targets),
    }  # fmt: skip
    for name, hits in expected.items():
        assert getattr(found, name) == wilson_interval(int(hits.sum()), 200)
    assert found.difference == paired_difference(said == targets, seen == targets, resamples=200)
    assert found.kappa.value == pytest.approx(sklearn.cohen_kappa_score(seen, said))
    assert found.oracle.value > max(found.image_accuracy.value, found.text_accuracy.value)


@given(st.integers(2, 60), st.integers(0, 500), st.floats(0, 1))
def test_kappa_is_sklearns(items: int, seed: int, same: float) -> None:
    draw = np.random.default_rng(seed)
    first = draw.integers(4, size=items)
    second = np.where(draw.random(items) < same, first, draw.integers(4, size=items))
    if len({*first, *second}) > 1:
        interval = kappa(first, second, 4, Resamples(items, 50))
        assert interval.value == pytest.approx(sklearn.cohen_kappa_score(first, second))
        assert -1 <= interval.low <= interval.high <= 1


def test_the_interval_of_kappa_is_that_of_the_kappas_of_resamples() -> None:
    draw = np.random.default_rng(2)
    first = draw.integers(3, size=150)
    second = np.where(draw.random(150) < 0.5, first, draw.integers(3, size=150))
    again = [sklearn.cohen_kappa_score(first[i], second[i]) for i in draw.integers(150, size=(600, 150))]
    interval = kappa(first, second, 3, Resamples(150, 3000))
    assert (interval.low, interval.high) == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=0.03)


def test_one_class_alone_shows_no_agreement_beyond_chance() -> None:
    interval = kappa(np.zeros(5, int), np.zeros(5, int), 2, Resamples(5, 20))
    assert (interval.value, interval.low, interval.high) == (0, 0, 0)


@given(st.integers(5, 60), st.integers(0, 500))
def test_the_bound_is_entropy_less_cross_entropy(items: int, seed: int) -> None:
    targets, image, text, _ = made_up(items, seed)
    found = bits(targets, image, text, Resamples(items, 50))
    entropy = sklearn.mutual_info_score(targets, targets) / np.log(2)
    assert found.label == pytest.approx(entropy)
    for interval, p in ((found.image, image), (found.text, text)):
        loss = sklearn.log_loss(targets, p, labels=range(3)) / np.log(2)
        assert interval.value == pytest.approx(entropy - loss)


def test_a_channel_of_known_capacity_is_measured_right() -> None:
    """Four equally frequent classes (2 bits); the image tells all, the words one of the two bits."""
    targets = np.arange(4000) % 4
    image = np.eye(4)[targets]
    text = np.repeat(np.eye(2)[targets // 2] / 2, 2, axis=1)
    found = bits(targets, image, text, Resamples(4000, 200))
    assert found.label == pytest.approx(2)
    assert (found.image.value, found.text.value) == pytest.approx((2, 1))
    assert (found.image_share.value, found.text_share.value, found.kept.value) == pytest.approx((1, 0.5, 0.5))
    assert found.text.low <= 1 <= found.text.high
    assert found.kept.high - found.kept.low < 0.01


def test_calibrated_opinions_tell_most_and_none_tells_more_than_there_is() -> None:
    draw = np.random.default_rng(0)
    targets = draw.integers(2, size=20_000)
    said = np.where(draw.random(20_000) < 0.89, targets, 1 - targets)
    told = {sure: bits(targets, *[np.where(np.eye(2)[said] == 1, sure, 1 - sure)] * 2, Resamples(20_000, 20)).text.value
            for sure in (0.6, 0.89, 0.999)}  # fmt: skip
    capacity = 1 + 0.89 * np.log2(0.89) + 0.11 * np.log2(0.11)  # of the binary symmetric channel: 0.5 bits
    assert told[0.89] == pytest.approx(capacity, abs=0.02)
    assert max(told[0.6], told[0.999]) < told[0.89]
    assert told[0.999] < 0.1


def test_an_opinion_that_knows_the_base_rates_alone_tells_nothing() -> None:
    targets = np.repeat([0, 0, 0, 1], 25)
    rates = np.tile([0.75, 0.25], (100, 1))
    found = bits(targets, rates, rates, Resamples(100, 50))
    assert (found.image.value, found.kept.value) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1))
    certain = bits(np.zeros(10, int), np.eye(2)[np.zeros(10, int)], np.eye(2)[np.ones(10, int)], Resamples(10, 20))
    assert (certain.label, certain.image_share.value) == (0, 0)
    assert certain.text.value < 0


def test_the_intervals_of_bits_are_those_of_resamples() -> None:
    targets, image, text, _ = made_up(150)
    found = bits(targets, image, text, Resamples(150, 3000))
    draw = np.random.default_rng(4)
    again = np.array([
        [(b := bits(targets[i], image[i], text[i], Resamples(150, 1))).text.value, b.kept.value]
        for i in draw.integers(150, size=(300, 150))
    ])  # fmt: skip
    for interval, drawn in ((found.text, again[:, 0]), (found.kept, again[:, 1])):
        assert (interval.low, interval.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.06)


def test_mutual_information_of_words_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    targets = draw.integers(3, size=120)
    words = np.array(["cat", "dog", "car", "red", "runs", "the"])
    captions = [
        " ".join([*draw.choice(words, 3), LABELS.names[t] if draw.random() < 0.5 else "thing"]) for t in targets
    ]
    found = informative_words(captions, targets, LABELS)
    assert {word.word for word in found} == {word for caption in captions for word in caption.split()}
    for word in found:
        present = [word.word in caption.split() for caption in captions]
        assert word.captions == sum(present)
        assert word.plug_in == pytest.approx(sklearn.mutual_info_score(present, targets) / np.log(2), abs=1e-9)
    assert [word.bits for word in found] == sorted((word.bits for word in found), reverse=True)
    assert {word.word for word in found[:3]} == {"cat", "dog", "car"}
    assert all(word.label == word.word for word in found[:3])


def test_miller_and_madow_by_hand() -> None:
    # Of 8 captions, 4 a class; "x" is in all 4 of one and 1 of the other: counts 4, 1 / 0, 3: 3 cells of 4 are filled.
    targets = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    captions = ["x", "x", "x", "x", "x", "y", "y", "y"]
    word = {found.word: found for found in informative_words(captions, targets, LabelSet(("a", "b")))}["x"]
    plug_in = 1 - (5 / 8) * (-(0.8 * np.log2(0.8) + 0.2 * np.log2(0.2)))
    assert word.plug_in == pytest.approx(plug_in)
    assert word.bits == pytest.approx(plug_in + (2 + 2 - 3 - 1) / (2 * 8 * np.log(2)))
    assert (word.captions, word.label) == (5, "a")


def test_the_correction_takes_away_what_chance_adds() -> None:
    draw = np.random.default_rng(3)
    corrected, plain = [], []
    for _ in range(200):
        captions = np.where(draw.random(60) < 0.5, "here", "")
        word = informative_words(captions.tolist(), draw.integers(5, size=60), LabelSet(tuple("abcde")))[0]
        corrected.append(word.bits)
        plain.append(word.plug_in)
    assert abs(np.mean(corrected)) < 0.006 < 0.03 < np.mean(plain)


def test_a_word_counts_once_a_caption_and_case_and_punctuation_do_not() -> None:
    found = informative_words(["A dog, a DOG!", "", "a cat."], np.array([1, 1, 0]), LABELS)
    assert {word.word: word.captions for word in found} == {"a": 2, "dog": 1, "cat": 1}
    assert informative_words(["", "..."], np.array([0, 1]), LABELS) == ()


def test_a_word_that_all_captions_have_tells_nothing() -> None:
    (word,) = informative_words(["a"] * 6, np.arange(6) % 3, LABELS)
    assert (word.bits, word.plug_in) == (0, 0)


def test_the_report_names_the_most_informative_words() -> None:
    assert [word.word for word in report(most=2).words] == [word.word for word in report().words[:2]]
    assert {"cat", "dog", "car"} <= {word.word for word in report().words}


def test_the_same_call_gives_the_same_report() -> None:
    assert report() == report()
    assert report().bits != report(seed=1).bits


@pytest.mark.parametrize(
    "change",
    [
        {"targets": [0, 1]},
        {"targets": [0, 1, 3]},
        {"targets": [0.0, 1.0, 2.0]},
        {"image": np.eye(3)[:2]},
        {"text": np.full((3, 2), 0.5)},
        {"text": np.ones((3, 3))},
        {"captions": ["a", "b"]},
        {"level": 95},
    ],
)
def test_refuses_what_does_not_fit_together(change) -> None:
    case = {"targets": [0, 1, 2], "image": np.eye(3), "text": np.eye(3), "captions": ["a", "b", "c"], **change}
    with pytest.raises(UsageError):
        information(labels=LABELS, resamples=5, **{**case, "targets": np.array(case["targets"])})
