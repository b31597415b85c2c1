"""Parts of the distillation, on units and maps of a few numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from torch import nn

from imagist.training.embedded.images import PhotoSet
from imagist.training.encoders import distillation as distil
from imagist.training.encoders.distillation import DistilConfig, Views, mixed_batch, r_squared, set_rate, train_unit
from imagist.training.networks.mobilenet import Encoder, InvertedResidual

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(("outputs", "stride"), [(4, 1), (6, 2)])
def test_a_unit_learns_what_another_does(outputs, stride):
    torch.manual_seed(2)
    given = torch.randn(60, 4, 8, 8).half()
    with torch.no_grad():
        wanted = InvertedResidual(4, outputs, stride, 2).eval()(given.float()).half()
    config = replace(DistilConfig(), unit_rate=2e-2)

    def learnt(steps):
        torch.manual_seed(3)
        unit = InvertedResidual(4, outputs, stride, 2)
        return train_unit(unit, given, wanted, np.random.default_rng(0), replace(config, unit_steps=((8, steps),)))

    assert 1 - learnt(150) < 0.6 * (1 - learnt(1))


def test_a_unit_starts_at_the_scale_of_what_it_must_give():
    unit = InvertedResidual(4, 6, 1, 2)
    wanted = 3 * torch.randn(50, 6, 4, 4) + 2
    variance = distil.match_scale(unit, torch.randn(50, 4, 4, 4), wanted)
    assert variance == pytest.approx(9, rel=0.2)
    norm = distil.last_norm(unit)
    torch.testing.assert_close(norm.weight.detach(), wanted.std((0, 2, 3)))
    torch.testing.assert_close(norm.bias.detach(), wanted.mean((0, 2, 3)))


def test_r_squared():
    wanted = torch.randn(20, 3, 4, 4)
    means = wanted.mean((0, 2, 3), keepdim=True).expand_as(wanted)
    assert r_squared(wanted, wanted) == 1
    assert r_squared(means, wanted) == pytest.approx(0, abs=1e-5)
    assert r_squared(-wanted, wanted) < -1


def test_the_rate_warms_up_and_sinks():
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rates = []
    for step in range(100):
        set_rate(optimiser, 0.1, step, 100, warm=10)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.01, rel=0.01)
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.002


@pytest.fixture
def seen():
    """Two sets of views whose numbers tell the set, the image and the view."""

    def one(number, photos, views):
        names = 100 * number + 10 * np.arange(photos)[:, None] + np.arange(views)
        stems, goals = (
            np.broadcast_to(names[..., None, None, None], (photos, views, *shape)).astype(np.float16)
            for shape in ((96, 14, 14), (320, 7, 7))
        )
        return Views(PhotoSet(str(number), np.zeros((photos, 1, 1, 3), np.uint8)), stems, goals)

    return [one(1, 5, 3), one(2, 4, 1)]


def test_batches_mix_the_sets_and_keep_pairs_together(seen):
    config = replace(DistilConfig(), batch=40, shares=(0.75, 0.25))
    stems, goals = mixed_batch(seen, np.random.default_rng(0), config)
    assert stems.shape == (40, 96, 14, 14)
    assert goals.shape == (40, 320, 7, 7)
    torch.testing.assert_close(stems[:, 0, 0, 0], goals[:, 0, 0, 0])
    assert 20 <= (stems[:, 0, 0, 0] < 200).sum() < 40


def teacher():
    import timm

    return timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same").eval().requires_grad_(False)


@pytest.mark.slow
def test_the_tail_goes_on_where_it_was_killed_and_ends_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    photos = PhotoSet("x", np.zeros((3, 1, 1, 3), np.uint8))
    shapes = (3, 1, 96, 14, 14), (3, 1, 320, 7, 7)
    sets = [Views(photos, *(rng.normal(size=shape).astype(np.float16) for shape in shapes))]
    config = replace(DistilConfig(), steps=3, batch=2, shares=(1.0,), keep_every=1)
    model = teacher()

    def student():
        torch.manual_seed(5)
        return Encoder()

    unbroken = student()
    distil.train_tail(unbroken, model, sets, tmp_path / "unbroken", config)

    save, calls = distil.checkpoint.save, []

    def killed(path, state):
        save(path, state)
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(distil.checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        distil.train_tail(student(), model, sets, tmp_path / "killed", config)
    resumed = student()
    distil.train_tail(resumed, model, sets, tmp_path / "killed", config)
    assert len(calls) == 3
    for name, weight in unbroken.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


@pytest.mark.slow
def test_fidelity_is_perfect_for_a_copy():
    class Copy(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.units = nn.Sequential(*distil.teacher_units(model))

        def forward(self, x):
            return self.units(x)

    model = teacher()
    photos = PhotoSet("x", np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8))
    assert distil.fidelity(Copy(model), model, photos) == pytest.approx((1, 1), abs=1e-4)


def test_a_fixed_sample_has_its_share_of_each_set():
    sets = [PhotoSet(str(i), np.full((20, 8, 8, 3), 100 * i, np.uint8)) for i in range(2)]
    config = replace(DistilConfig(), unit_photos=10, shares=(0.7, 0.3))
    maps = distil.input_maps(sets, config)
    assert maps.shape == (10, 3, 224, 224)
    assert int((maps[:, 0, 0, 0] < -0.9).sum()) == 7
    torch.testing.assert_close(maps, distil.input_maps(sets, config))
