"""Phase 2: sentences that are drawn, and how much better each is than the others of its photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tiny_training import CELLS, CHANNELS, grids

from imagist.captioning.decoding import END, START
from imagist.metrics.captions import bleu_rows, smoothed_bleu_items
from imagist.metrics.cider import CiderD
from imagist.training import checkpoint
from imagist.training.captioners import self_critical as critical
from imagist.training.captioners.corpus import Corpus, until_end
from imagist.training.captioners.recipe import NamingReward
from imagist.training.captioners.rewards import Judged, Reward
from imagist.training.captioners.self_critical import advantages, sample_captions, train_self_critical
from imagist.training.captioners.vocabulary import UNKNOWN, build_vocabulary
from imagist.training.networks.decoder import CaptionDecoder

pytestmark = pytest.mark.torch

REFERENCES = [["a dog runs <end>", "one dog runs <end>"], ["a red car <end>", "the car <end>"], ["grass <end>"]]


def ids_of(vocabulary, *sentences):
    """int64 ``[1, B, T]``."""
    return torch.from_numpy(np.stack([vocabulary.encode(text, 6) for text in sentences]))[None]


@pytest.fixture
def words():
    return build_vocabulary([text for of in REFERENCES for text in of], ["en"], 1)


def test_samples_are_sentences(tiny):
    model = tiny.model().eval()
    sampled = sample_captions(model.decoder, torch.randn(3, CELLS, CHANNELS), 5, tiny.max_length, tiny.vocabulary, "en")
    assert sampled.shape == (3, 5, tiny.max_length + 2)
    assert sampled.dtype == torch.int64
    assert (sampled[..., 0] == START).all()
    assert (sampled[..., -1] == END).all()
    spoken = sampled[..., 1:]
    assert not ((spoken == START) | (spoken == UNKNOWN)).any()
    assert (spoken[~until_end(spoken, END)] == END).all()
    assert len({tuple(s) for s in sampled.flatten(0, 1).tolist()}) > 1


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_come_as_often_as_the_model_thinks_them_likely(tiny, temperature):
    decoder = tiny.model().decoder.eval()
    with torch.no_grad():
        decoder.bias[:] = -1e4
        decoder.bias[[END, 5, UNKNOWN]] = torch.tensor([0.0, 1.0, 9.0])
        decoder.embedding.weight.zero_()  # nothing but the bias tells
        sampled = sample_captions(decoder, torch.randn(4, CELLS, CHANNELS), 500, 1, tiny.vocabulary, "en", temperature)
    assert {*sampled[..., 1].flatten().tolist()} == {END, 5}
    share = float((sampled[..., 1] == 5).float().mean())
    odds = np.e ** (1 / temperature)
    assert share == pytest.approx(odds / (1 + odds), abs=0.04)  # four standard deviations


def test_samples_begin_after_the_start_of_their_language(tiny):
    words = build_vocabulary(["a dog ein hund"], ["en", "de"], 1)
    tiny.vocabulary = words
    decoder = tiny.model().decoder.eval()
    for language in ("en", "de"):
        sampled = sample_captions(decoder, torch.randn(2, CELLS, CHANNELS), 4, 5, words, language)
        assert (sampled[..., 0] == words.starts[language]).all()
        assert not np.isin(sampled[..., 1:], list(words.suppressed_tokens)).any()


def test_drawing_repeats_for_a_seed_and_needs_no_gradient(tiny):
    decoder, grid = tiny.model().decoder.eval(), torch.randn(2, CELLS, CHANNELS)

    def drawn(seed):
        torch.manual_seed(seed)
        return sample_captions(decoder, grid, 5, tiny.max_length, tiny.vocabulary, "en")

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert not any(p.grad is not None for p in decoder.parameters())


def test_the_reward_is_cider_d_with_the_end_as_a_word(words):
    said = ["a dog runs", "a red car", "grass", "a dog"]
    _, scores = advantages(Reward(REFERENCES), ids_of(words, *said), np.array([0]), words)
    expected = CiderD(REFERENCES).scores([f"{text} <end>" for text in said], [0] * 4)
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)
    assert scores[0, 0] > scores[0, 3] > scores[0, 1]


def test_the_reward_may_have_bleu_beside_cider_d():
    said, photos = ["a dog runs <end>", "a red <end>", "grass"], [0, 1, 2]
    expected = smoothed_bleu_items(bleu_rows(said, REFERENCES))
    alone, both = Reward(REFERENCES).scores(said, photos), Reward(REFERENCES, 0.5).scores(said, photos)
    assert alone.tolist() == CiderD(REFERENCES).scores(said, photos).tolist()
    np.testing.assert_allclose(both - alone, 0.5 * expected)
    moved = Reward(REFERENCES, 0.5).scores(said[::-1], photos[::-1])  # each is held against its own photo
    np.testing.assert_allclose(moved, both[::-1])


def test_a_sentence_that_never_ends_is_not_rewarded_for_its_end(words):
    sampled = torch.from_numpy(np.stack([words.encode("a dog runs", 3), words.encode("a dog runs", 3)]))[None].clone()
    unended = sampled[:, :, :-1]  # start and three words
    _, ended_scores = advantages(Reward(REFERENCES), sampled, np.array([0]), words)
    _, scores = advantages(Reward(REFERENCES), unended, np.array([0]), words)
    assert (scores < ended_scores).all()
    np.testing.assert_allclose(scores[0], CiderD(REFERENCES).scores(["a dog runs"] * 2, [0, 0]), rtol=1e-5)


def test_each_sample_is_held_against_the_others_of_its_photo(words):
    both = torch.cat([ids_of(words, "a dog runs", "a dog", "the car"), ids_of(words, "the car", "a red car", "grass")])
    gain, scores = advantages(Reward(REFERENCES), both, np.array([0, 1]), words)
    assert gain.shape == scores.shape == (2, 3)
    for n in range(2):
        for b in range(3):
            others = [float(scores[n, i]) for i in range(3) if i != b]
            assert float(gain[n, b]) == pytest.approx(float(scores[n, b]) - np.mean(others), abs=1e-5)
    torch.testing.assert_close(gain.sum(1), torch.zeros(2), atol=1e-5, rtol=0)
    swapped, _ = advantages(Reward(REFERENCES), both, np.array([1, 0]), words)
    assert not torch.allclose(swapped, gain)  # whose photo it is tells


def test_equal_samples_gain_nothing(words):
    gain, _ = advantages(Reward(REFERENCES), ids_of(words, *["a dog runs"] * 4), np.array([0]), words)
    torch.testing.assert_close(gain, torch.zeros(1, 4), atol=1e-6, rtol=0)


class Pleased:
    """Likes each look better than the one before."""

    figure = 0.0

    def evaluate(self, model):
        self.figure += 1
        return {"cider": self.figure}


def mean_reward(tiny, model, context):
    corpus = context.corpora[0]
    reward = Reward([[f"{text} <end>" for text in of] for of in corpus.references("en")])
    torch.manual_seed(77)
    photos = np.arange(len(corpus))
    given = corpus.features.whole(0, len(corpus))
    sampled = sample_captions(model.decoder.eval(), given, 40, context.max_length, context.vocabulary, "en")
    return float(advantages(reward, sampled, photos, context.vocabulary)[1].mean())


def test_what_is_drawn_gets_better(tiny, tmp_path):
    """The photos' references differ, or CIDEr-D would think nothing of any of their words."""
    told = [[("en", "a dog runs")], [("en", "one dog outside")], [("en", "the brown dog")]] * 3
    model = tiny.model(dropout=0.0)
    context = tiny.context(
        tmp_path, corpora=[Corpus(grids(9, 3), told)], corpus_shares=(1.0,), evaluator=Pleased(), max_length=4
    )
    config = replace(
        tiny.self_critical,
        steps=60,
        batch_size=9,
        samples_per_image=8,
        learning_rate=3e-2,
        cross_entropy_weight=0.0,
        ema_decay=0.5,
        eval_every=60,
    )
    before = mean_reward(tiny, model, context)
    train_self_critical(model, context, config, tiny.cross_entropy)
    assert mean_reward(tiny, model, context) > before + 0.3


def test_curves_say_where_it_began_and_what_dev_thinks(tiny, tmp_path):
    found = []
    context = tiny.context(tmp_path, log_metrics=lambda phase, step, figures: found.append((phase, step, {*figures})))
    train_self_critical(tiny.model(), context, tiny.self_critical, tiny.cross_entropy)
    assert [(step, "cider" in names) for _, step, names in found if "cider" in names] == [
        (0, True),
        (2, True),
        (4, True),
    ]
    assert {phase for phase, _, _ in found} == {"self_critical"}
    assert any("reward" in names for _, _, names in found)


def test_what_is_dropped_is_the_same_when_drawing_and_when_learning(tiny, tmp_path, monkeypatch):
    drawn, learnt = [], []

    def noted(where, call):
        def around(*given):
            where.append((torch.initial_seed(), torch.is_grad_enabled()))
            return call(*given)

        return around

    model = tiny.model()
    monkeypatch.setattr(critical, "sample_captions", noted(drawn, critical.sample_captions))
    monkeypatch.setattr(model.decoder, "hidden_states", noted(learnt, model.decoder.hidden_states))
    train_self_critical(
        model, tiny.context(tmp_path), replace(tiny.self_critical, cross_entropy_weight=0.0), tiny.cross_entropy
    )
    assert [seed for seed, _ in drawn] == [seed for seed, _ in learnt]
    assert len({seed for seed, _ in drawn}) == len(drawn) == 4
    assert not any(grad for _, grad in drawn)
    assert all(grad for _, grad in learnt)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_cross_entropy_goes_on_beside_it_only_where_it_is_asked_for(tiny, tmp_path, monkeypatch, weight):
    sizes = []
    loss = critical.corpora_loss

    def noted(model, batch, *rest):
        sizes.append({kind: len(inputs) for kind, (inputs, _) in batch.items()})
        return loss(model, batch, *rest)

    monkeypatch.setattr(critical, "corpora_loss", noted)
    train_self_critical(
        tiny.model(),
        tiny.context(tmp_path),
        replace(tiny.self_critical, cross_entropy_weight=weight),
        tiny.cross_entropy,
    )
    assert sizes == ([{"captioned": 4, "named": 2 + 2}] * 4 if weight else [])  # of every set


@pytest.mark.parametrize(("rate", "cells"), [(None, 3), (0.5, 2)])
def test_fewer_cells_are_shown_where_that_is_asked_for(tiny, tmp_path, monkeypatch, rate, cells):
    model, sizes = tiny.model(patch_keep_rate=0.75), []
    kept = CaptionDecoder.drop_patches
    monkeypatch.setattr(CaptionDecoder, "drop_patches", lambda *a: sizes.append(kept(*a)[0].shape[1]) or kept(*a))
    train_self_critical(
        model, tiny.context(tmp_path), replace(tiny.self_critical, patch_keep_rate=rate), tiny.cross_entropy
    )
    assert {*sizes} == {cells, CELLS}  # dev is kept all


def test_a_run_that_makes_nothing_better_changes_nothing(tiny, tmp_path):
    class Displeased:
        looks = 0

        def evaluate(self, model):
            self.looks += 1
            return {"cider": -float(self.looks)}

    model = tiny.model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train_self_critical(model, tiny.context(tmp_path, evaluator=Displeased()), tiny.self_critical, tiny.cross_entropy)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    trained = checkpoint.load(tmp_path / "self_critical.pt")["weights"]
    assert not torch.equal(trained["decoder.deep.weight"], before["decoder.deep.weight"])


class LikesCars:
    """Rewards one word, whatever the image."""

    def __init__(self):
        self.images = set()

    def scores(self, texts, images):
        self.images |= {*images.tolist()}
        return np.array([float("car" in text.split()) for text in texts])


def test_captions_of_further_images_are_judged_by_a_reward_of_their_own(tiny, tmp_path):
    model, liked, found = tiny.model(dropout=0.0), LikesCars(), []
    judged = Judged(grids(7, 8), liked, temperature=0.9, seed=3)
    context = tiny.context(
        tmp_path, evaluator=Pleased(), max_length=4, judged=judged, log_metrics=lambda *told: found.append(told[2])
    )
    config = replace(
        tiny.self_critical, steps=60, batch_size=7, samples_per_image=8, learning_rate=3e-2, cross_entropy_weight=0.0,
        ema_decay=0.5, eval_every=60, naming=NamingReward(share=1.0, weight=3.0),
    )  # fmt: skip

    def share():
        torch.manual_seed(5)
        given = judged.features.whole(0, 7)
        sampled = sample_captions(model.decoder.eval(), given, 40, 4, context.vocabulary, "en")
        texts = [context.vocabulary.decode(ids) for ids in sampled[:, :, 1:].flatten(0, 1).tolist()]
        return np.mean(["car" in text.split() for text in texts])

    before = share()
    train_self_critical(model, context, config, tiny.cross_entropy)
    assert share() > before + 0.3
    assert liked.images == {*range(7)}
    assert any({"reward", "naming"} <= told.keys() for told in found)
