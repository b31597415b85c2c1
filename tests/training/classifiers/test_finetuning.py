"""Tuning a whole network, and the varied views that it sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("accelerate")
pytest.importorskip("torchvision")

from labelled_colours import LABELS, SIDE, examples, tiny_network

from imagist.errors import DataError
from imagist.training.classifiers import finetuning
from imagist.training.classifiers.augmentation import Augmentation, mixed
from imagist.training.classifiers.finetuning import finetune
from imagist.training.classifiers.image_features import open_network
from imagist.training.classifiers.image_settings import Finetuned
from imagist.training.classifiers.text_run import WordsRun

pytestmark = pytest.mark.torch

TRAIN, DEV = examples(18), examples(9, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def settings(data):
    return Finetuned(network=tiny_network(data), epochs=2, batch_size=8, learning_rate=5e-3, ema_decay=0.8)


def tune(settings, data, dev=DEV, path=None, key="k", seed=0):
    network = open_network(settings.network, data).with_classes(3)
    return finetune(network, settings, TRAIN, dev, LABELS, seed=seed, path=path, key=key)


def same(one, other):
    return all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())


def test_it_learns(settings, data):
    _, history = tune(replace(settings, epochs=8, patience=0, mixup=0.0), data)
    assert [epoch.number for epoch in history] == [*range(1, 9)]
    assert history[-1].dev_accuracy == 1.0
    assert history[-1].dev_loss < 0.9 < np.log(3)
    assert history[-1].loss < history[0].loss
    assert history[-1].train_accuracy > 0.8


def test_without_dev_all_epochs_are_made(settings, data):
    _, history = tune(replace(settings, patience=1), data, dev=None)
    assert [(epoch.dev_accuracy, epoch.dev_loss) for epoch in history] == [(None, None)] * 2


def test_equal_seeds_give_equal_weights(settings, data):
    one, other = tune(settings, data), tune(settings, data)
    assert same(one[0], other[0])
    assert one[1] == other[1]
    assert not same(one[0], tune(settings, data, seed=1)[0])


@pytest.mark.parametrize("stopped_at", [1, 3])
def test_a_killed_run_resumes_with_the_same_result(settings, data, tmp_path, monkeypatch, stopped_at):
    monkeypatch.setattr(finetuning, "KEEP", 2)  # in the middle of an epoch of three steps
    keep, kept = WordsRun.keep, []

    def dying(run):
        keep(run)
        kept.append(run.step)
        if len(kept) == stopped_at:
            raise KeyboardInterrupt

    unbroken = tune(settings, data)
    with monkeypatch.context() as patched:
        patched.setattr(WordsRun, "keep", dying)
        with pytest.raises(KeyboardInterrupt):
            tune(settings, data, path=tmp_path / "a.pt")
    resumed = tune(settings, data, path=tmp_path / "a.pt")
    assert same(resumed[0], unbroken[0])
    assert resumed[1] == unbroken[1]
    with monkeypatch.context() as patched:  # and once it is done, nothing is left to do
        patched.setattr(finetuning, "_batch", lambda *_: pytest.fail("trained again"))
        assert same(tune(settings, data, path=tmp_path / "a.pt")[0], unbroken[0])
    with pytest.raises(DataError, match="other data or settings"):
        tune(settings, data, path=tmp_path / "a.pt", key="other")


def test_the_body_learns_at_its_share_of_the_rate(settings, data):
    before = open_network(settings.network, data)
    frozen, _ = tune(replace(settings, body_share=0.0), data)
    assert same(before.body, frozen.body)
    assert frozen.last.weight.abs().sum() > 0
    tuned, _ = tune(settings, data)
    weights = dict(before.body.named_parameters())
    assert all(not torch.equal(weight, weights[name]) for name, weight in tuned.body.named_parameters())
    norms = {name for name, _ in before.body.named_buffers()}
    assert norms
    assert all(torch.equal(dict(before.body.named_buffers())[n], dict(tuned.body.named_buffers())[n]) for n in norms)


def test_it_stops_early_and_keeps_what_dev_liked_best(settings, data, monkeypatch):
    said, seen = iter([(0.5, 1.0), (0.7, 0.9), (0.7, 0.95), (0.6, 0.9), (1.0, 0.1)]), []

    def judged(settings, module, dev, labels):
        seen.append({name: weight.clone() for name, weight in module.average.state_dict().items()})
        return next(said)

    monkeypatch.setattr(finetuning, "_evaluated", judged)
    network, history = tune(replace(settings, epochs=9, patience=2), data)
    assert [epoch.dev_accuracy for epoch in history] == [0.5, 0.7, 0.7, 0.6]
    assert all(torch.equal(weight, seen[1][name]) for name, weight in network.state_dict().items())


def test_what_is_kept_is_the_moving_average(settings, data):
    module = finetuning._Averaged(open_network(settings.network, data).with_classes(3), 0.5)
    expected = module.average.last.bias.clone()
    for step in range(1, 6):
        with torch.no_grad():
            module.network.last.bias += torch.tensor([1.0, 2.0, 3.0])
        module.follow(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.network.last.bias
    torch.testing.assert_close(module.average.last.bias, expected)
    assert not any(weight.requires_grad for weight in module.average.parameters())


def test_a_varied_view_is_square_and_drawn_from_torch_s_generator():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    vary = Augmentation(SIDE, 0.35, 0.2)

    def drawn(seed):
        torch.manual_seed(seed)
        return vary(pixels)

    assert drawn(1).shape == (SIDE, SIDE, 3)
    assert drawn(1).dtype == torch.uint8
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_without_colour_an_even_photo_stays_as_it_is():
    even = np.full((50, 70, 3), (10, 120, 240), np.uint8)
    torch.manual_seed(0)
    assert {tuple(pixel.tolist()) for pixel in Augmentation(8, 0.5, 0.0)(even).view(-1, 3)} == {(10, 120, 240)}
    changed = [Augmentation(8, 0.5, 0.4)(even)[0, 0].tolist() for _ in range(8)]
    assert len({*map(tuple, changed)}) > 1


def test_about_half_of_the_views_are_mirrored():
    rising = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    torch.manual_seed(0)
    vary = Augmentation(16, 0.9, 0.0)
    falling = [bool(view[0, 0, 0] > view[0, -1, 0]) for view in (vary(rising) for _ in range(60))]
    assert 15 < sum(falling) < 45


def test_photos_and_labels_are_mixed_in_the_same_proportion():
    pixels = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 2, 2, 3) * 10
    goals = torch.eye(4)
    for seed in range(8):
        found, wanted = mixed(pixels, goals, 0.4, np.random.default_rng(seed))
        torch.testing.assert_close(wanted.sum(1), torch.ones(4))
        torch.testing.assert_close(found[:, 0, 0, 0], wanted @ (torch.arange(4.0) * 10))
        assert (wanted.diagonal() >= 0.5).all()
    assert torch.equal(mixed(pixels.byte(), goals, 0.0, np.random.default_rng(0))[1], goals)
    assert mixed(pixels.byte(), goals, 0.0, np.random.default_rng(0))[0].dtype == torch.float32
