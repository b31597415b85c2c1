"""The distillation of an encoder: images, losses, measures, and whole runs on a few images of 32 and 64 pixels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import load_file, save_file
from tiny_images import record
from torch import nn

from imagist.errors import DataError, UsageError
from imagist.images.photo import as_photo
from imagist.images.views import square
from imagist.records import Row
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders.backbone import IMAGIST, open_backbone
from imagist.training.encoders.distillation import train as training
from imagist.training.encoders.distillation.images import (
    Draw,
    Pool,
    cropped,
    mixed,
    normalised,
    read_classes,
    read_pixels,
    recoloured,
)
from imagist.training.encoders.distillation.measure import accuracy, fidelity, r_squared
from imagist.training.encoders.distillation.recipe import (
    Augmentation,
    Corpus,
    Data,
    DistillationRecipe,
    Optimization,
    Phase,
    Whole,
)
from imagist.training.encoders.distillation.teacher import losses, map_error, open_teacher, weighted
from imagist.training.encoders.distillation.train import Networks, make_optimizer, train
from imagist.training.image_rows import ImageSource
from imagist.training.networks.efficientnet_lite import EfficientNetLite, maps

pytestmark = pytest.mark.torch

SOURCE = ImageSource("images.parquet")
CPU = torch.device("cpu")


def recipe_of(*corpora, **settings):
    data = Data(corpora or (Corpus((SOURCE,)),), (SOURCE,), classes=(SOURCE,))
    tiny = DistillationRecipe(
        "tiny", data, "teacher.safetensors", 64, stages=Phase(3, (32,)), whole=Whole(4, (32, 64)),
        optimization=Optimization(batch_size=3, warmup_steps=2, save_every=2), device="cpu",
    )  # fmt: skip
    return replace(tiny, **settings)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve images with a split and a class, and a teacher with random weights."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {"image": {"bytes": record(i).content, "path": f"{i}.png"}, "split": "ab"[i % 2], "index": 7 * i}
        for i in range(12)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "images.parquet")
    torch.manual_seed(1)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).train()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.momentum = None
    with torch.no_grad():
        network(torch.randn(8, 3, 64, 64))  # sets the statistics of the norms, so that maps vary
    save_file(network.state_dict(), folder / "teacher.safetensors")
    return folder


@pytest.fixture(scope="module")
def teacher(data):
    return open_teacher(data / "teacher.safetensors")


@torch.no_grad()
def test_the_teacher_is_timm_s_network(teacher, data):
    published = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    published.load_state_dict(load_file(data / "teacher.safetensors"))
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(teacher(x), published.forward_features(x), atol=1e-4, rtol=1e-4)
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_weights_of_another_network_are_named(data, tmp_path):
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"other\.safetensors") as caught:
        open_teacher(tmp_path / "other.safetensors")
    assert caught.value.remedy == "see teacher.weights"


def test_pixels_are_those_of_the_whole_image_at_one_side():
    rows = [Row(record(i).image, record(i).content) for i in range(3)]
    pixels = read_pixels(rows, 48)
    assert (pixels.shape, pixels.dtype) == ((3, 3, 48, 48), torch.uint8)
    np.testing.assert_array_equal(pixels[2].permute(1, 2, 0).numpy(), square(as_photo(rows[2]).pixels, 48)[0])
    assert normalised(torch.tensor([0, 255]).view(1, 1, 1, 2)).flatten().tolist() == [-1, 1]


def test_classes_are_a_column_of_numbers():
    assert read_classes([Row("a", columns={"index": 3}), Row("b", columns={"index": "40"})]).tolist() == [3, 40]
    assert read_classes([]).tolist() == []
    for columns in ({}, {"index": "cat"}, {"index": None}):
        with pytest.raises(DataError, match="number of a class") as caught:
            read_classes([Row("a", columns=columns)])
        assert "index" in caught.value.remedy


def test_a_batch_has_the_shares_of_its_corpora_and_depends_on_its_seed_alone():
    corpora = tuple(torch.full((5, 3, side, side), value, dtype=torch.uint8) for side, value in ((32, 40), (16, 200)))
    pool = Pool(corpora, (0.75, 0.25), 32)
    x = pool.batch(200, 32, Augmentation(mixup=0, cutmix=0), (0, 1, 2))
    assert x.shape == (200, 3, 32, 32)
    assert 125 < (x.mean((1, 2, 3)) < 0).sum() < 175
    torch.testing.assert_close(x, pool.batch(200, 32, Augmentation(mixup=0, cutmix=0), (0, 1, 2)), rtol=0, atol=0)
    assert not torch.equal(x, pool.batch(200, 32, Augmentation(mixup=0, cutmix=0), (0, 1, 3)))


def test_whole_images_are_at_most_mirrored():
    x = torch.rand(20, 3, 16, 16) * 2 - 1
    found = cropped(x, 16, Augmentation(whole=1), Draw(CPU, 0))
    mirrored = [torch.allclose(a, b.flip(2), atol=1e-4) for a, b in zip(found, x, strict=True)]
    as_they_are = [torch.allclose(a, b, atol=1e-4) for a, b in zip(found, x, strict=True)]
    assert all(a != b for a, b in zip(mirrored, as_they_are, strict=True))
    assert 0 < sum(mirrored) < 20


def test_crops_lie_within_the_image_and_keep_their_share_of_it():
    ramp = torch.linspace(-1, 1, 64)
    x = torch.stack([ramp.expand(64, 64), ramp[:, None].expand(64, 64), torch.zeros(64, 64)]).expand(200, 3, 64, 64)
    found = cropped(x, 32, Augmentation(whole=0, min_crop_area=0.3), Draw(CPU, 0))
    width, height = ((found[:, c].amax((1, 2)) - found[:, c].amin((1, 2))) / 2 * 32 / 31 for c in (0, 1))
    area = width * height
    assert 0.27 < area.min() < 0.4
    assert 0.9 < area.max() <= 1.06
    assert (width / height).log().abs().max() < 0.42
    assert found.abs().max() <= 1


def test_colours_change_within_bounds_and_the_image_stays():
    x = torch.rand(50, 3, 8, 8) * 1.2 - 0.6
    found = recoloured(x, Draw(CPU, 0))
    assert found.abs().max() <= 1
    assert ((found - x).abs().amax((1, 2, 3)) > 0.01).all()
    alike = [np.corrcoef(a.mean(0).flatten(), b.mean(0).flatten())[0, 1] for a, b in zip(found, x, strict=True)]
    assert min(alike) > 0.95


@pytest.mark.parametrize(("mixup", "cutmix"), [(1, 0), (0, 1), (0, 0)])
def test_another_image_is_blended_in_or_fills_a_square(mixup, cutmix):
    x = torch.arange(30.0).view(30, 1, 1, 1).expand(30, 3, 20, 20)
    found = mixed(x, Augmentation(mixup=mixup, cutmix=cutmix), Draw(CPU, 0))
    changed = (found != x)[:, 0].float()
    flat = torch.tensor([len(image.unique()) == 1 for image in found])
    if mixup:
        assert flat.all()
        assert (changed.mean((1, 2)) > 0.5).sum() > 20
        assert (found - x).abs().max() <= 15
    elif cutmix:
        share = changed.mean((1, 2))[~flat]
        assert len(share) > 20
        assert share.min() > 0.05
        assert share.max() < 0.55
        assert all(len(image.unique()) <= 2 for image in found)
    else:
        torch.testing.assert_close(found, x)


def test_an_error_of_a_map_is_in_units_of_its_variance():
    wanted = torch.tensor([2.0, 5.0]).view(1, 2, 1, 1) * torch.randn(8, 2, 20, 20)
    assert map_error(wanted, wanted) == 0
    assert float(map_error(torch.zeros_like(wanted), wanted)) == pytest.approx(1, rel=0.05)


def test_a_copy_of_the_teacher_has_no_loss(teacher):
    x = torch.randn(2, 3, 32, 32)
    for by_stage in (True, False):
        parts = losses(teacher, teacher, x, by_stage=by_stage)
        assert parts.keys() == {"maps", "last_map", "classes", "teacher_head"}
        torch.testing.assert_close(torch.stack([*parts.values()]), torch.zeros(4), atol=1e-5, rtol=0)


def test_by_stage_an_early_fault_stays_in_its_stage(teacher):
    student, x = EfficientNetLite().eval(), torch.randn(2, 3, 64, 64)
    student.load_state_dict(teacher.state_dict())
    nn.init.normal_(student.stages[0][0].conv.weight)
    with torch.no_grad():
        wanted, first = maps(teacher.stages, x), student.stages[0](x)
        by_stage, as_a_whole = (losses(student, teacher, x, by_stage=each) for each in (True, False))
    torch.testing.assert_close(by_stage["maps"], map_error(first, wanted[0]))
    assert by_stage["last_map"] == 0
    assert as_a_whole["last_map"] > 0


def test_the_weight_of_inner_maps_decreases_to_its_least():
    phase = Whole(map_weights=(0.5, 0.05), last_map_weight=1.5, class_weight=0.5, teacher_head_weight=0.25)
    parts = {name: torch.tensor(value) for name, value in
             (("maps", 100.0), ("last_map", 10.0), ("classes", 2.0), ("teacher_head", 4.0))}  # fmt: skip
    found = [float(weighted(parts, phase, progress)) - 17 for progress in (0, 0.5, 0.95)]
    assert found == pytest.approx([50, 25, 5])
    assert float(weighted(parts, Phase(), 0.9)) == pytest.approx(110.4)


def test_norms_and_biases_are_not_decayed():
    student = EfficientNetLite()
    decayed, not_decayed = make_optimizer(student, 0.1).param_groups
    assert (decayed["weight_decay"], not_decayed["weight_decay"]) == (0.1, 0)
    assert {p.ndim for p in not_decayed["params"]} == {1}
    assert len(decayed["params"]) + len(not_decayed["params"]) == len([*student.parameters()])


def test_r_squared():
    wanted = torch.randn(20, 3, 4, 4)
    means = wanted.mean((0, 2, 3), keepdim=True).expand_as(wanted)
    assert r_squared(wanted, wanted) == 1
    assert r_squared(means, wanted) == pytest.approx(0, abs=1e-5)
    assert r_squared(-wanted, wanted) < -1


def test_the_fidelity_of_a_copy_is_perfect(teacher):
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert fidelity(teacher, teacher, images) == {"r2": pytest.approx(1), "cosine": pytest.approx(1)}


def test_accuracy_counts_the_first_choice_and_the_first_five(teacher):
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        ranked = teacher.head(teacher(normalised(images)).mean((2, 3))).argsort(descending=True)
    places = torch.tensor([0, 4, 5, 0])
    classes = ranked[torch.arange(4), places]
    assert accuracy(teacher, images, classes) == {"top1": 0.5, "top5": 0.75}


def test_contradictions_of_a_recipe_are_faults():
    with pytest.raises(UsageError, match=r"sum to 0\.9"):
        recipe_of(Corpus((SOURCE,), 0.5), Corpus((SOURCE,), 0.4))
    with pytest.raises(UsageError, match="more than 1"):
        Augmentation(mixup=0.6, cutmix=0.5)


def test_images_without_a_class_are_named_before_training(data, tmp_path):
    pq.write_table(pq.read_table(data / "images.parquet").drop(["index"]), tmp_path / "images.parquet")
    (tmp_path / "teacher.safetensors").symlink_to(data / "teacher.safetensors")
    with pytest.raises(DataError, match="number of a class"):
        train(recipe_of(), tmp_path, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("saves", [1, 2, 3], ids=["within a phase", "between the phases", "within the next"])
def test_a_killed_run_resumes_and_ends_the_same(data, tmp_path, monkeypatch, saves, unbroken):
    weights, measured, _ = unbroken
    save, written = training.checkpoint.save, []

    def killed(path, state):
        save(path, state)
        written.append(path.name)
        if len(written) == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe_of(), data, tmp_path / "run")
    assert not (tmp_path / "run" / "encoder.safetensors").exists()
    path = train(recipe_of(), data, tmp_path / "run")
    assert written == ["stages.pt", "stages.pt", "whole.pt", "whole.pt"]
    resumed = load_file(path)
    assert resumed.keys() == weights.keys()
    assert [name for name, weight in weights.items() if not torch.equal(weight, resumed[name])] == []
    assert json.loads((tmp_path / "run" / "measured.json").read_text("utf-8")) == measured


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    """The weights and figures of a run that nobody stopped, and what it told of itself."""
    folder, told = tmp_path_factory.mktemp("unbroken"), []
    path = train(recipe_of(), data, folder, lambda phase, step, figures: told.append((phase, step, {*figures})))
    return load_file(path), json.loads((folder / "measured.json").read_text("utf-8")), told


@pytest.mark.slow
def test_a_run_measures_each_phase_and_gives_weights_that_a_recipe_opens(data, unbroken, tmp_path):
    weights, measured, told = unbroken
    figures = {"r2", "cosine", "top1", "top5"}
    assert {phase: {*found} for phase, found in measured.items()} == {"stages": figures, "whole": figures}
    parts = {"maps", "last_map", "classes", "teacher_head"}
    expected = [("stages", 2, parts), ("stages", 3, parts), ("stages", 3, figures)]
    assert told == [*expected, ("whole", 2, parts), ("whole", 4, parts), ("whole", 4, figures)]
    save_file(weights, tmp_path / "encoder.safetensors")
    encoder = open_backbone(Backbone(IMAGIST, str(tmp_path / "encoder.safetensors"), image_size=64), data)
    with torch.no_grad():
        assert encoder(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, 4, 1280)


def test_a_finished_run_is_not_made_again(tmp_path):
    (tmp_path / "encoder.safetensors").write_bytes(b"")
    assert train(recipe_of(), tmp_path / "nowhere", tmp_path) == tmp_path / "encoder.safetensors"


@pytest.mark.slow
def test_a_student_learns_from_its_teacher(data, teacher):
    """More steps, less error on images of the training, by the statistics of their batch."""
    recipe = recipe_of(optimization=Optimization(batch_size=12, warmup_steps=2))
    pool = Pool.read(recipe, data, CPU)

    def error(steps):
        torch.manual_seed(0)
        networks = Networks(EfficientNetLite(), teacher, 0.9, CPU)
        phase = Phase(steps, (32,))
        path = data / f"after-{steps}.pt"
        training.train_phase(training.STAGES, phase, networks, pool, recipe, path, lambda *told: None)
        x = pool.batch(8, 32, recipe.augmentation, (9,))
        with torch.no_grad():
            return float(losses(networks.student.train(), teacher, x, by_stage=True)["maps"])

    assert error(20) < 0.9 * error(1)
