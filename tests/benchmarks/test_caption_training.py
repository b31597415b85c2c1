"""The two loops on a set so small that an epoch takes no time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

import caption_training
from caption_training import BAR, KEYS_ONCE, OURS, PLAIN, Clock, Sets, UntimedEvaluator, report, shortened
from imagist.captioning.decoding import Decoding
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.evaluator import CaptionEvaluator
from imagist.training.captioners.recipe import CrossEntropy, Data, Recipe
from imagist.training.captioners.vocabulary import build_vocabulary
from imagist.training.encoders.features import Grids

pytestmark = pytest.mark.torch
SAID = ("a dog runs on the grass", "a brown dog is running", "the dog runs", "a dog outside", "one dog on green grass")
RECIPE = Recipe(
    "tiny", Data((), (), max_length=8), decoder={"kind": "attention", "preset": "tutorial"},
    cross_entropy=CrossEntropy(epochs=2, batch_size=4, captions_per_image=5, warmup_steps=2),
    search=Decoding(2, max_length=8), bf16=False,
)  # fmt: skip


def corpus(photos, views, seed):
    grids = np.random.default_rng(seed).normal(size=(photos, views, 4, 6)).astype(np.float16)
    return Corpus(Grids(grids), [[("en", text) for text in SAID]] * photos)


@pytest.fixture
def sets():
    return Sets(corpus(8, 2, 1), corpus(3, 1, 2), build_vocabulary(SAID, ["en"], 1))


def evaluator_of(sets):
    return UntimedEvaluator(sets.dev, sets.vocabulary, RECIPE.search)


def test_both_take_the_same_captions_and_are_evaluated_after_every_epoch(sets):
    evaluators = {name: evaluator_of(sets) for name in (PLAIN, KEYS_ONCE, OURS)}
    taken = {
        PLAIN: caption_training.plain(RECIPE, sets, evaluators[PLAIN], epochs=2),
        KEYS_ONCE: caption_training.plain(RECIPE, sets, evaluators[KEYS_ONCE], keys_once=True, steps=1),
        OURS: caption_training.ours(RECIPE, sets, evaluators[OURS]),
    }
    assert taken[OURS] == taken[PLAIN] == 2 * 8 * 5
    assert taken[KEYS_ONCE] == 40
    assert [len(evaluators[name].scores) for name in (PLAIN, KEYS_ONCE, OURS)] == [2, 0, 2]
    assert len(evaluators[OURS].best) == len(evaluators[PLAIN].best) == 3
    text = report(RECIPE, sets, evaluators, taken)
    assert f"(the bar: {BAR}x)" in text
    assert text.count("not evaluated") == 1


def test_a_shorter_run_averages_over_as_large_a_part_of_it():
    whole = replace(RECIPE, cross_entropy=replace(RECIPE.cross_entropy, epochs=12, ema_decay=0.995))
    assert shortened(whole, 6).cross_entropy.epochs == 6
    assert shortened(whole, 6).cross_entropy.ema_decay == pytest.approx(0.99)
    assert shortened(whole, 12) == whole
    assert (
        shortened(replace(whole, cross_entropy=replace(whole.cross_entropy, ema_decay=0.9)), 1).cross_entropy.ema_decay
        == 0
    )


def test_sentences_are_of_the_whole_photo_and_of_every_caption(sets):
    found = sets.sentences(8)
    np.testing.assert_array_equal(found.grids, sets.grids[:, 0])
    assert found.photos.tolist() == [photo for photo in range(8) for _ in SAID]
    assert [sets.vocabulary.decode(row[1:]) for row in found.words[:5]] == list(SAID)


def test_judging_is_not_timed_and_the_best_epoch_is_kept(sets, monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(caption_training.time, "perf_counter", lambda: float(next(now)))
    monkeypatch.setattr(caption_training, "cider", lambda said, references: float(len(said[0])))
    epochs = [["middling"] * 3, ["this is the best"] * 3, ["poor"] * 3]
    left = iter(epochs)

    def captions(self, model, search, language=None):
        for _ in range(10):
            next(now)
        return next(left)

    monkeypatch.setattr(CaptionEvaluator, "captions", captions)
    evaluator = evaluator_of(sets)
    evaluator.clock.start()
    for _ in range(3):
        evaluator.evaluate(None)
    evaluator.clock.stop()
    assert evaluator.clock.wall == 4  # one between any two readings
    assert evaluator.scores == [8.0, 16.0, 4.0]
    assert evaluator.best == epochs[1]


def test_a_clock_counts_from_start_to_stop(monkeypatch):
    times = iter([1.0, 4.0, 10.0, 12.0])
    monkeypatch.setattr(caption_training.time, "perf_counter", lambda: next(times))
    monkeypatch.setattr(caption_training.time, "process_time", lambda: 0.0)
    clock = Clock()
    clock.start()
    clock.stop()
    clock.start()
    clock.stop()
    assert (clock.wall, clock.cpu) == (5.0, 0.0)
