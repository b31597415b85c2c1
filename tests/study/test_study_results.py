"""Metrics and tests of a study, against scikit-learn, scipy or a computation by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import study_cases as cases

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")

from imagist.metrics.comparison import holm
from imagist.study import results
from imagist.study.config import Folds
from imagist.study.dataset import trials
from imagist.study.fusing import TrialProbabilities, calibrated
from imagist.study.results import System, evaluate_system, gains
from imagist.study.store import Store

CLASSES = 7
STORE = cases.Nowhere()
IMAGE, TEXT = System("image", image="net"), System("text", "sat", "bag")
FUSED = System("fused", "sat", "bag", "net", "score")
STUDENT = System("distilled", "sat", "bag", "net", "score")


def case(number=3, seeds=(0,), kind="stratified"):
    """Examples, their trials, and a function that evaluates a system of a given skill on them."""
    splits = ["train"] * 91 + ["dev"] * 49
    data = cases.dataset(np.arange(140) % CLASSES, CLASSES, splits=splits)
    every = tuple(trials(Folds(kind, number=number, seeds=seeds, inner=3), data))

    def evaluate(system, skill, seed):
        of = []
        for t in every:
            own = 100 * seed + 10 * t.seed + t.number
            scores = cases.scores_on(t, data.targets, CLASSES, skill, seed=own, width=8)
            of.append(calibrated(scores, data.targets[t.validation], len(t.fold.test), STORE))
        return evaluate_system(system, of, every, data, STORE)

    return data, every, evaluate


def test_metrics_of_a_trial_are_those_of_scikit_learn():
    data, every, evaluate = case()
    found = evaluate(IMAGE, 2.0, 1)
    for trial_probabilities, found_metrics, trial in zip(found.trials, found.metrics, every, strict=True):
        p, truth = trial_probabilities.test.astype(np.float64), data.targets[trial.fold.test]
        classes = np.arange(CLASSES)
        assert found_metrics.accuracy == pytest.approx(metrics.accuracy_score(truth, p.argmax(axis=1)))
        assert found_metrics.top5_accuracy == pytest.approx(metrics.top_k_accuracy_score(truth, p, k=5, labels=classes))
        p /= p.sum(axis=1, keepdims=True)
        assert found_metrics.nll == pytest.approx(metrics.log_loss(truth, p, labels=classes), abs=1e-6)
        by_class = [metrics.brier_score_loss(truth == c, p[:, c]) for c in classes]
        assert found_metrics.brier == pytest.approx(sum(by_class), abs=1e-6)
        assert found_metrics.text_weight is None
        assert found_metrics.top5_accuracy > found_metrics.accuracy


def test_the_calibration_error_is_that_of_fifteen_bins():
    data, every, evaluate = case()
    found = evaluate(IMAGE, 2.0, 1)
    p, truth = found.trials[0].test.astype(np.float64), data.targets[every[0].fold.test]
    confidence, right = p.max(axis=1), p.argmax(axis=1) == truth
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert found.metrics[0].ece == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("seeds", [(0,), (4, 1)])
def test_every_test_row_has_its_result_of_each_seed_and_the_mean_probability(seeds):
    data, every, evaluate = case(seeds=seeds)
    found = evaluate(TEXT, 1.0, 2)
    assert found.correct.shape == (len(seeds), 140)
    assert found.probabilities.shape == (140, CLASSES)
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    mean = np.zeros((140, CLASSES))
    for probabilities, trial in zip(found.trials, every, strict=True):
        for p, row in zip(probabilities.test, trial.fold.test, strict=True):
            assert found.correct[sorted(seeds).index(trial.seed), row] == (p.argmax() == data.targets[row])
            mean[row] += p / len(seeds)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-6)
    assert found.accuracy.value == pytest.approx(found.correct.mean())
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high


def test_only_the_test_split_is_tested():
    data, every, evaluate = case(kind="fixed")
    assert results.test_rows(every).tolist() == list(range(91, 140))
    found = evaluate(IMAGE, 2.0, 1)
    assert found.correct.shape == (1, 49)
    assert found.correct[0].mean() == metrics.accuracy_score(data.targets[91:], found.trials[0].test.argmax(axis=1))


def test_the_weight_of_a_fusion_is_among_its_metrics():
    data, every, _ = case()

    class Weight:
        weight = 0.25

    p = cases.scores(data.targets, CLASSES, 1.0, 0)
    of = [TrialProbabilities(p[t.validation], p[t.fold.test], p[:0], Weight()) for t in every]
    assert [m.text_weight for m in evaluate_system(FUSED, of, every, data, STORE).metrics] == [0.25] * 3


def test_names_tell_systems_apart():
    names = [each.name for each in (IMAGE, TEXT, FUSED, STUDENT)]
    assert names == ["net", "sat > bag", "sat > bag + net (score)", "net distilled from sat > bag (score)"]


def systems(evaluate, image=1.5, text=0.5, fused=2.5, student=2.0):
    skills = ((IMAGE, image), (TEXT, text), (FUSED, fused), (STUDENT, student))
    return {system: evaluate(system, skill, number) for number, (system, skill) in enumerate(skills)}


def test_one_seed_is_tested_by_mcnemar_and_its_p_is_the_binomial_s():
    _data, every, evaluate = case()
    of = systems(evaluate)
    fused, student = gains([*of.values()], every, 140, STORE)
    for gain, system in ((fused, FUSED), (student, STUDENT)):
        first, second = of[system].correct[0], of[IMAGE].correct[0]
        apart = int((first & ~second).sum()), int((second & ~first).sum())
        assert gain.compared.test == "mcnemar"
        assert gain.compared.p_value == pytest.approx(stats.binomtest(apart[0], sum(apart)).pvalue)
        assert gain.compared.difference.value == pytest.approx(first.mean() - second.mean())
        assert gain.compared.difference.low < gain.compared.difference.value < gain.compared.difference.high


def test_several_seeds_are_tested_by_the_bootstrap_over_images():
    _, every, evaluate = case(seeds=(0, 1, 2))
    of = systems(evaluate)
    (fused, _) = gains([*of.values()], every, 140, STORE)
    difference = of[FUSED].correct.mean(axis=0) - of[IMAGE].correct.mean(axis=0)
    theirs = stats.bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(0))
    assert fused.compared.test == "bootstrap"
    assert fused.compared.difference.value == pytest.approx(difference.mean())
    assert fused.compared.difference.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert fused.compared.difference.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_trials_are_tested_by_the_corrected_resampled_t():
    _, every, evaluate = case(number=4, seeds=(0, 1))
    of = systems(evaluate)
    (fused, _) = gains([*of.values()], every, 140, STORE)
    d = np.array([a.accuracy - b.accuracy for a, b in zip(of[FUSED].metrics, of[IMAGE].metrics, strict=True)])
    t = d.mean() / np.sqrt((1 / 8 + (1 / 4) / (3 / 4)) * d.var(ddof=1))  # Nadeau and Bengio 2003
    assert fused.trials_p == pytest.approx(2 * stats.t.sf(abs(t), 7))
    plain = stats.ttest_rel(*([f.accuracy for f in of[system].metrics] for system in (FUSED, IMAGE))).pvalue
    assert fused.trials_p > plain


def test_one_trial_has_no_t_test():
    _, every, evaluate = case(kind="fixed")
    assert [gain.trials_p for gain in gains([*systems(evaluate).values()], every, 140, STORE)] == [None, None]


def test_all_gains_are_corrected_together_by_holm():
    _, every, evaluate = case()
    of = systems(evaluate, fused=1.8, student=1.6)
    others = [
        evaluate(System("fused", "sat", "bag", "net", kind), skill, 9 + n)
        for n, (kind, skill) in enumerate({"logit": 2.0, "stacking": 2.4}.items())
    ]
    found = gains([*of.values(), *others], every, 140, STORE)
    p = [gain.compared.p_value for gain in found]
    running, by_hand = 0.0, {}
    for rank, place in enumerate(np.argsort(p)):
        running = max(running, min(1.0, p[place] * (len(p) - rank)))
        by_hand[int(place)] = running
    assert [gain.compared.adjusted for gain in found] == pytest.approx([by_hand[i] for i in range(4)])
    assert any(gain.compared.adjusted > gain.compared.p_value for gain in found)


@pytest.mark.parametrize(("image", "text", "baseline"), [(2.0, 0.5, "net"), (0.5, 2.0, "sat > bag")])
def test_the_baseline_of_a_fusion_is_its_better_part_and_of_a_student_its_image_classifier(image, text, baseline):
    _, every, evaluate = case()
    found = gains([*systems(evaluate, image, text).values()], every, 140, STORE)
    pairs = [(gain.compared.first, gain.compared.second) for gain in found]
    assert pairs == [(FUSED.name, baseline), (STUDENT.name, "net")]


def test_without_fusions_there_is_nothing_to_gain():
    _, every, evaluate = case()
    assert gains([evaluate(IMAGE, 1.0, 0), evaluate(TEXT, 1.0, 1)], every, 140, STORE) == []


def test_intervals_and_tests_are_computed_once_and_holm_s_correction_is_of_all_that_is_there(tmp_path, monkeypatch):
    data, every, evaluate = case()
    of, store = systems(evaluate, fused=1.8, student=1.6), Store(tmp_path)
    trials_of = of[IMAGE].trials
    first = evaluate_system(IMAGE, trials_of, every, data, store), gains([*of.values()], every, 140, store)
    assert store.computed == {"accuracy": 1, "gain": 2}
    assert first[1] == gains([*of.values()], every, 140, STORE)
    store, made = Store(tmp_path), []
    compare = results.compare_all
    monkeypatch.setattr(results, "compare_all", lambda given: made.append([*given]) or compare(given))
    monkeypatch.setattr(results, "mean_interval", None)
    assert evaluate_system(IMAGE, trials_of, every, data, store).accuracy == first[0].accuracy
    assert gains([*of.values()], every, 140, store) == first[1]
    assert made == []
    more = replace(of[FUSED], system=System("fused", "sat", "bag", "net", "logit"))
    with_it = gains([*of.values(), more], every, 140, store)
    assert made == [[more.system.name, with_it[2].compared.second]]
    p = [gain.compared.p_value for gain in with_it]
    assert [gain.compared.adjusted for gain in with_it] == pytest.approx(holm(p))
