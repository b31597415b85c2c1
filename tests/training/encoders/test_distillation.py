"""The distillation of an encoder: its phases on maps of a few numbers, and a whole run on a few images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("onnxscript")

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import save_file
from tiny_images import record
from torch import nn

from imagist.errors import DataError, UsageError
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders.backbone import IMAGIST, open_backbone
from imagist.training.encoders.distillation import tail
from imagist.training.encoders.distillation.fidelity import fidelity, r_squared
from imagist.training.encoders.distillation.images import normalised, read_images
from imagist.training.encoders.distillation.recipe import Corpus, Data, DistillationRecipe, Tail, Units
from imagist.training.encoders.distillation.tail import Maps, as_maps, mixed_batch, train_tail
from imagist.training.encoders.distillation.train import train
from imagist.training.encoders.distillation.units import match_scale, sample, set_learning_rate, train_unit
from imagist.training.image_rows import ImageSource
from imagist.training.networks.mobilenet import Encoder, InvertedResidual, last_norm, teacher_units

pytestmark = pytest.mark.torch

SOURCE = ImageSource("images.parquet")


def recipe_of(*shares, **settings):
    data = Data(tuple(Corpus((SOURCE,), share) for share in shares), (SOURCE,))
    return replace(DistillationRecipe("tiny", data, "teacher.safetensors", image_size=64), **settings)


@pytest.mark.parametrize(("outputs", "stride"), [(4, 1), (6, 2)])
def test_a_unit_learns_the_function_of_another(outputs, stride):
    torch.manual_seed(2)
    inputs = torch.randn(60, 4, 8, 8).half()
    with torch.no_grad():
        wanted = InvertedResidual(4, outputs, stride, 2).eval()(inputs.float()).half()

    def r2(steps):
        torch.manual_seed(3)
        unit = InvertedResidual(4, outputs, stride, 2)
        return train_unit(unit, inputs, wanted, np.random.default_rng(0), Units(learning_rate=2e-2), steps)

    assert 1 - r2(150) < 0.6 * (1 - r2(1))


def test_a_unit_starts_at_the_scale_of_its_wanted_output():
    unit = InvertedResidual(4, 6, 1, 2)
    wanted = 3 * torch.randn(50, 6, 4, 4) + 2
    variance = match_scale(unit, torch.randn(50, 4, 4, 4), wanted)
    assert variance == pytest.approx(9, rel=0.2)
    norm = last_norm(unit)
    torch.testing.assert_close(norm.weight.detach(), wanted.std((0, 2, 3)))
    torch.testing.assert_close(norm.bias.detach(), wanted.mean((0, 2, 3)))


def test_r_squared():
    wanted = torch.randn(20, 3, 4, 4)
    means = wanted.mean((0, 2, 3), keepdim=True).expand_as(wanted)
    assert r_squared(wanted, wanted) == 1
    assert r_squared(means, wanted) == pytest.approx(0, abs=1e-5)
    assert r_squared(-wanted, wanted) < -1


def test_the_learning_rate_rises_then_falls():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rates = []
    for step in range(100):
        set_learning_rate(optimizer, 0.1, step, 100, warmup_steps=10)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.01, rel=0.01)
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.002


def test_grids_become_maps_again():
    maps = np.random.default_rng(0).normal(size=(2, 5, 3, 3)).astype(np.float16)
    grids = maps.reshape(2, 5, 9).transpose(0, 2, 1)
    np.testing.assert_array_equal(as_maps([*grids]).numpy(), maps.astype(np.float32))


def test_batches_mix_the_corpora_and_keep_pairs_together():
    def corpus(number, images, views):
        names = 100 * number + 10 * np.arange(images)[:, None] + np.arange(views)
        shapes = (16, 96), (4, 320)
        return Maps(*(np.broadcast_to(names[..., None, None], (images, views, *s)).astype(np.float16) for s in shapes))

    recipe = recipe_of(0.75, 0.25, tail=Tail(batch_size=40))
    stems, goals = mixed_batch([corpus(1, 5, 3), corpus(2, 4, 1)], np.random.default_rng(0), recipe)
    assert stems.shape == (40, 96, 4, 4)
    assert goals.shape == (40, 320, 2, 2)
    torch.testing.assert_close(stems[:, 0, 0, 0], goals[:, 0, 0, 0])
    assert 20 <= (stems[:, 0, 0, 0] < 200).sum() < 40


def teacher():
    torch.manual_seed(1)
    return timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same").eval().requires_grad_(False)


def test_a_killed_tail_phase_resumes_and_ends_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    corpora = [Maps(*(rng.normal(size=(3, 1, *shape)).astype(np.float16) for shape in ((16, 96), (4, 320))))]
    recipe = recipe_of(1.0, tail=Tail(steps=3, batch_size=2, save_every=1))
    network = teacher()

    def student():
        torch.manual_seed(5)
        return Encoder()

    unbroken = student()
    train_tail(unbroken, network, corpora, recipe, tmp_path / "unbroken")

    save, calls = tail.checkpoint.save, []

    def killed(path, state):
        save(path, state)
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(tail.checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train_tail(student(), network, corpora, recipe, tmp_path / "killed")
    resumed = student()
    train_tail(resumed, network, corpora, recipe, tmp_path / "killed")
    assert len(calls) == 3
    for name, weight in unbroken.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_the_fidelity_of_a_copy_is_perfect():
    network = nn.Sequential(*teacher_units(teacher()))
    images = [record(i) for i in range(2)]
    assert fidelity(network, network, images, 64) == {"r2": pytest.approx(1), "cosine": pytest.approx(1)}


def test_the_sample_has_its_share_of_each_corpus():
    corpora = [[record(100 * k + i) for i in range(20)] for k in range(2)]
    recipe = recipe_of(0.7, 0.3, units=replace(Units(), images=20))
    maps = sample(corpora, recipe)
    assert maps.shape == (20, 3, 64, 64)
    means = {round(float(x.float().mean()), 4) for x in normalised(corpora[0], 64).half()}
    assert sum(round(float(x.float().mean()), 4) in means for x in maps) == 14
    torch.testing.assert_close(maps, sample(corpora, recipe))


def test_shares_that_do_not_sum_to_one_are_a_fault():
    with pytest.raises(UsageError, match=r"sum to 0\.9"):
        recipe_of(0.5, 0.4)


@pytest.fixture
def data(tmp_path):
    rows = [{"image": {"bytes": record(i).content, "path": f"{i}.png"}, "split": "ab"[i % 2]} for i in range(48)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "images.parquet")
    save_file(teacher().state_dict(), tmp_path / "teacher.safetensors")
    return tmp_path


def test_images_are_read_by_their_split(data):
    assert len(read_images([SOURCE], data)) == 48
    some = read_images([ImageSource("images.parquet", "b"), SOURCE], data)
    assert len(some) == 24 + 48
    assert some[0].content == record(1).content
    with pytest.raises(DataError, match="no image of the split 'c'"):
        read_images([ImageSource("images.parquet", "c")], data)
    with pytest.raises(DataError, match=r"nowhere\.parquet") as caught:
        read_images([ImageSource("nowhere.parquet")], data)
    assert "--data" in caught.value.remedy


@pytest.mark.slow
def test_a_whole_run_gives_weights_that_a_recipe_opens(data, tmp_path):
    recipe = replace(
        recipe_of(0.5, 0.5), units=Units(images=40, steps=(2, 2, 2, 2, 2, 2)), tail=Tail(steps=2, batch_size=2),
    )  # fmt: skip
    phases = []
    weights = train(recipe, data, tmp_path / "run", tmp_path / "features", lambda phase, *_: phases.append(phase))
    assert phases == ["units", "tail"]
    assert {*(path.name for path in (tmp_path / "run").iterdir())} == {
        "encoder.safetensors", "measured.json", "tail.pt", "units.pt"
    }  # fmt: skip
    encoder = open_backbone(Backbone(IMAGIST, str(weights)), data)
    with torch.no_grad():
        assert encoder(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, 4, 1280)
    before = weights.stat().st_mtime_ns
    assert train(recipe, data, tmp_path / "run", tmp_path / "features") == weights
    assert weights.stat().st_mtime_ns == before
