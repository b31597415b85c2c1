"""The recipe from captioned photos to a bundle, on squares of three colours and a network of 0.4 million weights."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("onnxscript")
from safetensors.torch import save_file

from imagist import open_captioner, settings
from imagist.bundle import trained_on
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions
from imagist.errors import DataError, UsageError
from imagist.records import Photo
from imagist.training.captioners import train as recipes
from imagist.training.captioners.recipe import Backbone, Recipe
from imagist.training.encoders.backbone import open_backbone
from imagist.training.encoders.grid_cache import cached_grids
from imagist.training.encoders.views import Views

pytestmark = [pytest.mark.torch, pytest.mark.slow]

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}
GERMAN = {"red": "rotes", "green": "grünes", "blue": "blaues"}


def image(colour, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 30, (64, 64, 3)) + np.array(COLOURS[colour]) * 0.9
    content = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "png")
    return content.getvalue()


def table(path, number, first):
    rows = []
    for i in range(number):
        colour = [*COLOURS][i % 3]
        said = [f"a {colour} square", f"the picture shows a {colour} square", f"one square that is {colour}"]
        rows.append({
            "image": {"bytes": image(colour, first + i), "path": f"{first + i}.png"}, "captions": said,
            "de": f"ein {GERMAN[colour]} Quadrat",
        })  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    table(folder / "train.parquet", 24, 0)
    table(folder / "dev.parquet", 6, 100)
    torch.manual_seed(0)
    network = timm.create_model("test_efficientnet", pretrained=False)
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder


def recipe(*changes, **more):
    toml = {
        "name": "squares",
        "data": {"train": [{"path": "train.parquet"}], "dev": [{"path": "dev.parquet"}], "min_count": 1,
                 "max_length": 8},
        "backbone": {"name": "test_efficientnet", "weights": "weights.safetensors", "image_size": 64, "views": 2},
        "decoder": {"kind": "attention", "hidden_size": 24, "embedding_size": 16, "attention_size": 16, "dropout": 0.0},
        "cross_entropy": {"epochs": 40, "batch_size": 12, "captions_per_image": 3, "learning_rate": 2e-2,
                          "warmup_steps": 5, "ema_decay": 0.9, "patience": 0,
                  "first_eval": 0.99},
        "search": {"beam": 2, "max_length": 8},
    } | more  # fmt: skip
    made = settings.from_table(toml, Recipe, "squares")
    return made if not changes else changes[0](made)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    told = []
    outcome = recipes.train(recipe(), data, folder / "squares", data / "features", lambda *of: told.append(of))
    return outcome, told, folder


def test_it_learns_what_it_is_shown(trained):
    outcome, told, _ = trained
    captioner = open_captioner(outcome.folder / "bundle")
    for colour in COLOURS:
        photo = Photo(np.asarray(Image.open(io.BytesIO(image(colour, 999))).convert("RGB")), colour)
        assert colour in captioner.caption([photo])[0].text.split()
    assert {phase for phase, _, _ in told} == {"cross_entropy"}
    assert len(trained_on(outcome.folder / "bundle")) > 2
    assert outcome.measured["dev"]["en"]["CIDEr"].value > 1


def test_the_export_says_what_the_modules_say(trained):
    parity = trained[0].measured["parity"]
    assert parity["images"] == 6
    assert parity["equal_captions"] == 1
    assert parity["logprobs"] < 1e-4


def test_the_run_leaves_figures_and_samples(trained):
    outcome, _, folder = trained
    written = json.loads((folder / "squares" / "measured.json").read_text())
    assert written["dev"]["en"]["BLEU-4"]["value"] == pytest.approx(outcome.measured["dev"]["en"]["BLEU-4"].value)
    assert written["parameters"]["decoder"] > 1000
    assert len(outcome.samples) == 6
    assert outcome.samples[0].references[0] == "a red square"


def test_a_second_call_trains_nothing_and_ends_the_same(trained, data, monkeypatch):
    outcome, _, folder = trained
    monkeypatch.setattr(
        "imagist.training.captioners.phases.train_cross_entropy", lambda *_: pytest.fail("trained again")
    )
    before = (outcome.folder / "bundle" / "card.toml").read_text()
    again = recipes.train(recipe(), data, folder / "squares", data / "features")
    assert (again.folder / "bundle" / "card.toml").read_text() == before


def test_one_decoder_writes_two_languages(data, tmp_path):
    asked = recipe(data={"train": [{"path": "train.parquet"}], "dev": [{"path": "dev.parquet"}], "languages": ["de"],
                         "min_count": 1, "max_length": 8})  # fmt: skip
    outcome = recipes.train(asked, data, tmp_path / "two", data / "features")
    photo = Photo(np.asarray(Image.open(io.BytesIO(image("green", 5))).convert("RGB")), "green")
    said = {
        code: open_captioner(tmp_path / "two" / "bundle", CaptionOptions(language=code)).caption([photo])[0].text
        for code in ("en", "de")
    }
    assert "green" in said["en"].split()
    assert said["de"] == "ein grünes quadrat"
    assert {"en", "de", "en, one reference"} == set(outcome.measured["dev"])
    with pytest.raises(UsageError, match="'fr'") as caught:
        open_captioner(tmp_path / "two" / "bundle", CaptionOptions(language="fr"))
    assert "en, de" in caught.value.remedy


def test_a_published_language_model_is_begun_from(data, tmp_path):
    pytest.importorskip("transformers")
    import tiny_checkpoints

    name = str(tiny_checkpoints.gpt2(tmp_path / "gpt2"))
    words = {"epochs": 40, "batch_size": 12, "captions_per_image": 3, "learning_rate": 1e-2, "warmup_steps": 5,
             "ema_decay": 0.8, "patience": 0,
             "first_eval": 0.99}  # fmt: skip
    decoder = {"kind": "prefix-gpt2", "prefix_length": 4, "dropout": 0.0, "language_model": {"name": name}}
    asked = recipe(decoder=decoder, cross_entropy=words, search={"beam": 1, "max_length": 12})
    outcome = recipes.train(asked, data, tmp_path / "run", data / "features")
    captioner = open_captioner(outcome.folder / "bundle", CaptionOptions(Decoding(1)))
    for colour in ("red", "blue"):
        photo = Photo(np.asarray(Image.open(io.BytesIO(image(colour, 999))).convert("RGB")), colour)
        assert colour in captioner.caption([photo])[0].text.split()
    assert outcome.measured["parity"]["equal_captions"] == 1
    several = {"train": [{"path": "train.parquet"}], "dev": [{"path": "dev.parquet"}], "languages": ["de"]}
    with pytest.raises(UsageError, match="one language"):
        recipes.train(recipe(decoder=decoder, data=several), data, tmp_path / "two", data / "features")


@pytest.mark.parametrize("tune", [False, True])
def test_concepts_rank_what_a_consensus_finds(data, tmp_path, tune):
    backbone = {
        "name": "test_efficientnet",
        "weights": "weights.safetensors",
        "image_size": 64,
        "views": 2,
        "finetune": tune,
    }
    words = {
        "epochs": 4,
        "batch_size": 12,
        "captions_per_image": 3,
        "learning_rate": 2e-2,
        "warmup_steps": 2,
        "first_eval": 0.9,
    }
    concepts = {
        "epochs": 20,
        "min_count": 3,
        "members": 2,
        "batch_size": 12,
        "hidden_size": 16,
        "dropout": 0.2,
        "learning_rate": 1e-2,
    }
    search = {"beam": 4, "max_length": 8, "mbr": True}
    chosen = recipe(backbone=backbone, cross_entropy=words, concepts=concepts, search=search)
    outcome = recipes.train(chosen, data, tmp_path / "run", data / "features")
    assert outcome.measured["parity"]["equal_captions"] == 1
    captioner = open_captioner(outcome.folder / "bundle")
    assert "concepts=16^0.5" in captioner.id
    plain = open_captioner(outcome.folder / "bundle", CaptionOptions(Decoding(4)))
    photo = Photo(np.asarray(Image.open(io.BytesIO(image("red", 999))).convert("RGB")), "red")
    assert captioner.caption([photo])[0].text
    assert plain.id != captioner.id
    if tune:  # all phases are done: nothing is learnt again, and the bundle is the same
        before = (outcome.folder / "bundle" / "card.toml").read_text()
        recipes.train(chosen, data, tmp_path / "run", data / "features")
        assert (outcome.folder / "bundle" / "card.toml").read_text() == before


def test_the_encoder_can_be_tuned(data, tmp_path):
    words = {
        "epochs": 2,
        "batch_size": 6,
        "captions_per_image": 3,
        "learning_rate": 1e-2,
        "warmup_steps": 1,
        "first_eval": 0.9,
    }
    backbone = {"name": "test_efficientnet", "weights": "weights.safetensors", "image_size": 64, "finetune": True}
    outcome = recipes.train(
        recipe(cross_entropy=words, backbone=backbone), data, tmp_path / "tuned", tmp_path / "features"
    )
    before = open_backbone(Backbone(**backbone), data).state_dict()
    after = torch.load(tmp_path / "tuned" / "captioner.pt", weights_only=True)["weights"]
    changed = [name for name, weight in before.items() if not torch.equal(weight, after[f"encoder.{name}"])]
    assert any(name.endswith("weight") for name in changed)
    assert not [name for name in changed if "running" in name]
    assert outcome.measured["parity"]["equal_captions"] == 1
    assert not list((tmp_path / "features").glob("*.npy"))


NAMING = {"kind": "naming", "width": 24, "heads": 2, "layers": 1, "dropout": 0.0}


def naming(data, **changes):
    """A recipe with everything that a naming decoder learns from."""
    torch.manual_seed(1)
    save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), data / "other.safetensors")
    (data / "text.txt").write_text("a dog lies on the grass\nthere is a horse in the field\n", "utf-8")
    table(data / "unlabelled.parquet", 6, 50)
    names = {
        "groups": {"dog": "151-268", "horse": "339"}, "kinds": {"animal": "0-397"}, "exchanged": ["animal"],
        "frames": {"animal": ["{a}", "{a} in the wild"], "thing": ["a photo of {a}"]},
    }  # fmt: skip
    return recipe(
        data={
            "train": [{"path": "train.parquet"}], "dev": [{"path": "dev.parquet"}], "min_count": 1, "max_length": 8,
            "nobody": [{"path": "unlabelled.parquet"}], "nobody_images": 4,
            "unlabelled": [{"sources": [{"path": "unlabelled.parquet"}], "share": 0.5, "least_worth": -1.0}],
            "sentences": {"sources": ["text.txt"], "min_count": 1, "framed": 1, "exchanged": 1}, "class_names": names,
        },
        backbone={
            "name": "test_efficientnet", "weights": "weights.safetensors", "image_size": 64, "views": 2,
            "alternatives": [{"name": "test_efficientnet", "weights": "other.safetensors"}],
        },
        **({
            "decoder": NAMING,
            "cross_entropy": {"epochs": 20, "batch_size": 12, "captions_per_image": 1, "learning_rate": 1e-2,
                              "warmup_steps": 5, "ema_decay": 0.9, "patience": 0, "first_eval": 0.99},
            "self_critical": {"steps": 2, "batch_size": 4, "cross_entropy_weight": 0.4, "patch_keep_rate": 0.5,
                              "weights": {"named": 0.6},
                              "naming": {"share": 0.5}},
        } | changes),
    )  # fmt: skip


@pytest.mark.parametrize("quantize", [False, True])
def test_a_decoder_that_names_learns_from_images_sentences_and_several_encoders(data, tmp_path, quantize):
    outcome = recipes.train(naming(data, quantize=quantize), data, tmp_path / "run", data / "features")
    parity = outcome.measured["parity"]
    assert parity["equal_captions"] == 1
    assert parity["logprobs"] < (0.3 if quantize else 1e-3)
    captioner = open_captioner(outcome.folder / "bundle")
    photo = Photo(np.asarray(Image.open(io.BytesIO(image("red", 999))).convert("RGB")), "red")
    (caption,) = captioner.caption([photo])
    assert {"square", "dog"} & {*caption.text.split()}  # of its captions, or of unlabelled squares
    words = (outcome.folder / "bundle" / "captioner" / "vocabulary.txt").read_text("utf-8").splitlines()
    assert {"schnauzer", "grass", "wild", "red"} <= {*words}
    assert len(words) > 1500


def test_settings_that_do_not_go_together_with_naming_are_reported(data, tmp_path):
    plain = {"kind": "transformer", "width": 24, "heads": 2, "layers": 1}
    faults = {
        "data.sentences: needs a decoder of the kind naming": plain,
        "decoder.classes: is 10, but the encoder has 1,000 classes": NAMING | {"classes": 10},
    }
    for fault, decoder in faults.items():
        with pytest.raises(UsageError, match=fault):
            recipes.train(naming(data, decoder=decoder), data, tmp_path / "run", data / "features")


def test_a_reward_for_names_needs_names_and_hedging_an_encoder_with_classes(data, tmp_path):
    with pytest.raises(UsageError, match="hedging: needs an encoder that has classes in the bundle"):
        recipes.train(naming(data, hedging={}), data, tmp_path / "run", data / "features")
    asked = recipe(self_critical={"steps": 2, "naming": {"share": 0.5}})
    with pytest.raises(UsageError, match=r"self_critical\.naming: needs data\.class_names"):
        recipes.train(asked, data, tmp_path / "run", data / "features")


def test_a_network_of_attention_is_not_quantized(data, tmp_path):
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), tmp_path / "w.safetensors")
    backbone = {"name": "test_vit", "weights": str(tmp_path / "w.safetensors"), "image_size": 160}
    with pytest.raises(UsageError, match="quantize: is for encoders of convolutions, and test_vit has matrices"):
        recipes.train(recipe(backbone=backbone, quantize=True), data, tmp_path / "run", data / "features")


def test_every_fault_of_the_data_is_reported_at_once(data, tmp_path):
    rows = pq.read_table(data / "train.parquet").to_pylist()
    rows[0]["captions"] = ["", "a square"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    pq.write_table(pa.Table.from_pylist(rows[3:6]), tmp_path / "dev.parquet")
    with pytest.raises(DataError) as caught:
        recipes.train(recipe(), tmp_path, tmp_path / "run", tmp_path / "features")
    assert "empty" in str(caught.value)
    assert all(f"{i}.png" in str(caught.value) for i in (0, 3, 4, 5))


def test_grids_are_computed_once_for_weights_photos_and_views(data, tmp_path, monkeypatch):
    from imagist.datasets.captions import read

    encoder = open_backbone(Backbone("test_efficientnet", "weights.safetensors", image_size=64), data)
    records = read(data / "dev.parquet")
    made = cached_grids(encoder, records, Views(64, 3), tmp_path, torch.device("cpu"))
    assert made.shape[:2] == (6, 3)
    with torch.no_grad():
        whole = encoder(torch.from_numpy(Views(64, 1).of(records[2], 2)))
        mirrored = encoder(torch.from_numpy(Views(64, 1).of(records[2], 2)[:, :, ::-1].copy()))
    np.testing.assert_allclose(made[2, 0], whole[0], atol=2e-3)
    np.testing.assert_allclose(made[2, 1], mirrored[0], atol=2e-3)
    assert not np.allclose(made[2, 2], whole[0], atol=2e-3)
    monkeypatch.setattr(
        "imagist.training.encoders.runtimes.on_cpu", lambda *_: lambda pixels: pytest.fail("encoded again")
    )
    assert np.array_equal(cached_grids(encoder, records, Views(64, 3), tmp_path, torch.device("cpu")), made)
    with pytest.raises(pytest.fail.Exception, match="encoded again"):
        cached_grids(encoder, records[::-1], Views(64, 3), tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet"])
def test_any_network_of_timm_gives_a_grid(tmp_path, name):
    side = timm.create_model(name, pretrained=False).pretrained_cfg["input_size"][1]
    save_file(timm.create_model(name, pretrained=False).state_dict(), tmp_path / "w.safetensors")
    encoder = open_backbone(Backbone(name, "w.safetensors", image_size=side), tmp_path)
    with torch.no_grad():
        grid = encoder(torch.zeros(2, side, side, 3, dtype=torch.uint8))
    assert grid.shape[0] == 2
    assert grid.shape[2] == encoder.channels
    assert grid.shape[1] > 1


def test_alexnet_comes_from_torchvision(tmp_path):
    models = pytest.importorskip("torchvision.models")
    save_file(models.alexnet().state_dict(), tmp_path / "w.safetensors")
    encoder = open_backbone(Backbone("torchvision:alexnet", "w.safetensors"), tmp_path)
    with torch.no_grad():
        assert encoder(torch.zeros(1, 224, 224, 3, dtype=torch.uint8)).shape == (1, 36, 256)


def test_wrong_names_and_weights_are_reported(data, tmp_path):
    with pytest.raises(UsageError, match="no network"):
        open_backbone(Backbone("mobilnet"), tmp_path)
    with pytest.raises(UsageError, match="no network"):
        open_backbone(Backbone("torchvision:alexnett"), tmp_path)
    (tmp_path / "bad.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(DataError, match=r"bad\.safetensors"):
        open_backbone(Backbone("test_efficientnet", "bad.safetensors"), tmp_path)
    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="not weights of this network"):
        open_backbone(Backbone("test_efficientnet", "other.safetensors"), tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        open_backbone(Backbone("test_efficientnet", "none.safetensors"), tmp_path)
