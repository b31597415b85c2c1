"""All figures of a captioner: those of the modules that compute them, with intervals that are of one bootstrap."""

from __future__ import annotations

import random

import numpy as np
import pytest

from imagist.errors import MissingExtra, UsageError
from imagist.metrics import evaluation as evaluation_module
from imagist.metrics.captions import bleu, caption_scores
from imagist.metrics.cider import CiderD, UnclippedCider
from imagist.metrics.diversity import distinct, vocabulary
from imagist.metrics.evaluation import NAMES, CaptionEvaluation
from imagist.metrics.meteor import COUNTS
from imagist.metrics.ptb import tokenized, tokenized_items
from imagist.metrics.significance import bootstrap_interval, mean_interval, paired_difference, wilson_interval

WORDS = [
    "a",
    "dog",
    "two",
    "dogs",
    "runs",
    "running",
    "on",
    "the",
    "grass",
    "in",
    "snow",
    "man",
    "plays",
    "with",
    "ball",
    "red",
    "blue",
    "small",
    "people",
]


def sentences(items: int, seed: int) -> tuple[list[str], list[str], list[list[str]]]:
    """Captions of two captioners, and references that the first is nearer to."""
    draw = random.Random(seed)

    def some(low: int, high: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(low, high)))

    references = [[f"{some(4, 9)} .".capitalize() for _ in range(draw.randint(1, 4))] for _ in range(items)]
    first = [f"{item[0][:-2]} {some(0, 3)}" for item in references]
    second = [f"{some(1, 4)} {' '.join(item[-1].split()[:3])}." for item in references]
    return first, second, references


FIRST, SECOND, REFERENCES = sentences(120, 0)


@pytest.fixture(scope="module")
def evaluated():
    evaluation = CaptionEvaluation(REFERENCES, training=[SECOND[3].upper()], java=False, resamples=2000)
    return evaluation, evaluation.measure(FIRST), evaluation.measure(SECOND)


def test_figures_are_those_of_their_modules(evaluated) -> None:
    figures = {key: interval.value for key, interval in evaluated[1].figures.items()}
    said = tokenized(FIRST)
    truth = tokenized_items(REFERENCES)
    scores = caption_scores(FIRST, REFERENCES)
    assert figures == pytest.approx(
        {
            **scores,
            "cider_d": scores["cider"],
            "cider_unclipped": UnclippedCider(truth).scores(said).mean(),
            "distinct_1": distinct(said, 1),
            "distinct_2": distinct(said, 2),
            "vocabulary": vocabulary(said),
            "length": np.mean([len(caption.split()) for caption in said]),
            "copied": 0,
        }
    )
    assert figures["vocabulary"] == vocabulary(said)
    assert list(figures) == [key for key in NAMES if key in figures]


def test_intervals_are_those_of_other_ways_to_them(evaluated) -> None:
    figures = evaluated[1].figures
    said = tokenized(FIRST)
    truth = tokenized_items(REFERENCES)

    def fourth(index) -> float:
        return bleu([said[i] for i in index], [truth[i] for i in index])[3]

    slow = bootstrap_interval(fourth, np.arange(120), resamples=300, seed=5)
    ours = figures["bleu_4"]
    assert (ours.low, ours.high) == pytest.approx((slow.low, slow.high), abs=0.25 * (slow.high - slow.low))
    expected = mean_interval(CiderD(truth).scores(said), resamples=20_000, seed=6)
    width = expected.high - expected.low
    assert (figures["cider"].low, figures["cider"].high) == pytest.approx(
        (expected.low, expected.high), abs=0.1 * width
    )
    assert all(interval.low <= interval.value <= interval.high for interval in figures.values())


def test_differences_are_paired(evaluated) -> None:
    evaluation, first, second = evaluated
    apart = evaluation.compare(first, second)
    said = [tokenized(of) for of in (FIRST, SECOND)]
    truth = tokenized_items(REFERENCES)
    scores = [CiderD(truth).scores(of) for of in said]
    expected = paired_difference(*scores, resamples=20_000, seed=7).interval
    ours = apart["cider"].interval
    width = expected.high - expected.low
    assert ours.value == pytest.approx(expected.value)
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=0.1 * width)
    assert apart["bleu_4"].p_value < 0.01
    assert apart["copied"].interval.value == pytest.approx(-1 / 120)
    mirrored = evaluation.compare(second, first)
    assert all(mirrored[key].interval.value == -apart[key].interval.value for key in apart)


def test_a_captioner_does_not_differ_from_itself(evaluated) -> None:
    evaluation, first, _ = evaluated
    for difference in evaluation.compare(first, evaluation.measure(FIRST)).values():
        assert (difference.interval.low, difference.interval.value, difference.interval.high) == (0, 0, 0)
        assert difference.p_value == 1


def test_a_copy_is_one_whatever_its_case_and_its_share_has_wilsons_interval(evaluated) -> None:
    assert evaluated[2].figures["copied"] == wilson_interval(1, 120)
    assert evaluated[1].figures["copied"].high > 0


def test_what_was_not_measured_says_why(evaluated) -> None:
    plain = CaptionEvaluation(REFERENCES, java=False, resamples=10).measure(FIRST)
    assert "--train" in plain.unavailable["copied"]
    assert plain.unavailable["meteor"] == plain.unavailable["spice"] == "--no-java"
    german = CaptionEvaluation(REFERENCES, language="de", resamples=10).measure(FIRST)
    assert "English" in german.unavailable["meteor"]
    assert set(plain.figures) | set(plain.unavailable) == set(NAMES)


def test_java_programs_are_asked_with_tokens_and_their_absence_costs_their_own_figures(monkeypatch) -> None:
    asked = {}

    def counts(hypotheses, references):
        asked["meteor"] = hypotheses, references
        rows = np.zeros((len(hypotheses), COUNTS))
        rows[:, [0, 1, 4, 5, 20, 21, 22]] = [2, 2, 1, 1, 1, 1, 1]
        return rows

    def no_parser(hypotheses, references):
        raise MissingExtra("no parser", remedy="get one")

    monkeypatch.setattr(evaluation_module, "meteor_rows", counts)
    monkeypatch.setattr(evaluation_module, "spice", no_parser)
    measured = CaptionEvaluation([["A dog."], ["Two dogs!"]], resamples=10).measure(["It's a Dog", "dogs"])
    assert asked["meteor"] == (["it 's a dog", "dogs"], [["a dog"], ["two dogs"]])
    assert measured.figures["meteor"].value == pytest.approx(0.5 * (1 - 0.6))
    assert measured.unavailable["spice"] == "no parser (get one)"
    monkeypatch.setattr(evaluation_module, "spice", lambda h, r: (0.3, np.array([0.2, 0.4])))
    both = CaptionEvaluation([["A dog."], ["Two dogs!"]], resamples=10).measure(["a", "b"])
    assert both.figures["spice"].value == pytest.approx(0.3)


@pytest.mark.parametrize("captions", [["a dog"], ["", ""], ["a dog", "a dog"]])
def test_little_to_measure_is_measured_without_a_warning(captions: list[str]) -> None:
    evaluation = CaptionEvaluation([["a dog runs"], ["two"]][: len(captions)], java=False, resamples=50, training=[])
    figures = evaluation.measure(captions).figures
    assert all(np.isfinite([f.value, f.low, f.high]).all() for f in figures.values())


def test_the_seed_decides_the_intervals_and_nothing_else() -> None:
    def measured(seed: int):
        return CaptionEvaluation(REFERENCES, java=False, resamples=100, seed=seed).measure(FIRST).figures["cider"]

    assert measured(1) == measured(1)
    assert measured(1).value == measured(2).value
    assert measured(1).low != measured(2).low


def test_refuses_what_does_not_fit(evaluated) -> None:
    evaluation, first, _ = evaluated
    with pytest.raises(UsageError, match="1 captions of 120"):
        evaluation.measure(["a dog"])
    with pytest.raises(UsageError, match="one evaluation"):
        evaluation.compare(first, CaptionEvaluation(REFERENCES, java=False, resamples=2000).measure(FIRST))
    for wrong in ({"level": 1.0}, {"resamples": 0}):
        with pytest.raises(UsageError):
            CaptionEvaluation(REFERENCES, **wrong)
    with pytest.raises(UsageError):
        CaptionEvaluation([])
