"""What is loaded, and what is refused with an error."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers
from safetensors.torch import load_file, save_file

import tiny_checkpoints
from imagist.bundle import hub
from imagist.bundle.checkpoints import load
from imagist.errors import BundleError, BundleNotFound, MissingExtra, UsageError

pytestmark = pytest.mark.torch

BLIP = ("blip", "BlipForConditionalGeneration")


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folder of a checkpoint, by name; written at the first call."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = getattr(tiny_checkpoints, name)(tmp_path_factory.mktemp("tiny") / name)
        return made[name]

    return folder


@pytest.fixture
def copy(folders, tmp_path):
    return shutil.copytree(folders("blip"), tmp_path / "blip")


def test_a_folder_is_loaded_ready_to_run(folders):
    checkpoint = load(str(folders("blip")), *BLIP)
    assert type(checkpoint.model).__name__ == BLIP[1]
    assert not checkpoint.model.training
    assert checkpoint.tokenizer("a dog")["input_ids"]
    assert checkpoint.images is not None
    assert checkpoint.name.startswith("blip-")


def test_the_name_changes_with_the_contents(copy):
    before = load(str(copy), *BLIP).name
    weights = load_file(copy / "model.safetensors")
    weights["vision_model.post_layernorm.bias"] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert load(str(copy), *BLIP).name != before


def test_a_model_of_the_hub_is_named_with_its_commit(folders, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "models--somebody--tiny"
    shutil.copytree(folders("blip"), place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit, "utf-8")
    for module in ("huggingface_hub.constants", "transformers.utils.hub.constants"):
        monkeypatch.setattr(f"{module}.HF_HUB_CACHE", str(tmp_path))
    assert load("somebody/tiny", *BLIP).name == f"somebody/tiny@{commit[:12]}"


@pytest.mark.parametrize("model", ["/no/such/folder", "./none", "a/b/c", "https://example.org/model", ""])
def test_what_can_only_be_a_folder_is_not_looked_for_elsewhere(model, monkeypatch):
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", None)
    with pytest.raises(BundleNotFound, match="no such folder"):
        load(model, *BLIP)


def test_without_a_hub_the_error_names_the_remedy():
    with pytest.raises(BundleNotFound, match="give a folder") as caught:
        load("somebody/tiny", *BLIP)
    assert caught.value.item == "somebody/tiny"


@pytest.mark.parametrize("answers", ["never", "refuses"])
def test_a_hub_that_cannot_be_reached_is_an_error_within_seconds(monkeypatch, answers):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        if answers == "refuses":
            server.close()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(hub, "TIMEOUT", 0.5)
        begin = time.monotonic()
        with pytest.raises(BundleNotFound, match="hub cannot be reached and no copy is on disk"):
            load("somebody/tiny", *BLIP)
    assert time.monotonic() - begin < 2


def test_the_hub_has_seconds_to_answer():
    assert hub.TIMEOUT <= 2


def test_any_kind_is_loaded_where_none_is_named(folders):
    assert load(str(folders("git")), None, "GitForCausalLM").model.config.model_type == "git"


def test_a_model_of_another_kind_is_refused(folders):
    with pytest.raises(UsageError, match="kind git, where one of the kind blip"):
        load(str(folders("git")), *BLIP)


@pytest.mark.parametrize("device", ["cuda:77", "gpu", "meta", "toaster"])
def test_a_device_that_is_not_there_is_refused(folders, device):
    with pytest.raises(UsageError, match="cpu, cuda, mps") as caught:
        load(str(folders("blip")), *BLIP, device=device)
    assert caught.value.item == device


def without(*names):
    def spoil(folder):
        for name in names:
            (folder / name).unlink()

    return spoil


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def torn(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def without_a_decoder(folder):
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("text_decoder")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def of_another_size(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["text_config"]["vocab_size"] += 5
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def overwritten(text):
    return lambda folder: (folder / "config.json").write_text(text, "utf-8")


FAULTS = {
    "no tokenizer": (without("tokenizer.json", "tokenizer_config.json"), "holds no tokenizer"),
    "no image processor": (without("preprocessor_config.json"), "image processor"),
    "no weights": (without("model.safetensors"), "no safetensors weights"),
    "pickled weights": (pickled, "no safetensors weights"),
    "torn weights": (torn, "damaged"),
    "no decoder": (without_a_decoder, "missing or of another shape, such as text_decoder"),
    "another size": (of_another_size, "missing or of another shape"),
    "no usable configuration": (without("config.json"), "no usable configuration"),
    "no JSON": (overwritten("{"), "no usable configuration"),
    "unknown kind": (overwritten('{"model_type": "nonesuch"}'), "nonesuch"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_folder_is_an_error_that_names_it(copy, fault):
    spoil, message = FAULTS[fault]
    spoil(copy)
    with pytest.raises(BundleError, match=message) as caught:
        load(str(copy), *BLIP)
    assert caught.value.item == str(copy)
    assert caught.value.remedy


@pytest.fixture
def words(tmp_path):
    """A BERT for masked words, which is saved without a pooler, and the model itself."""
    torch.manual_seed(0)
    tokenizer = tiny_checkpoints.bert_tokenizer()
    model = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=len(tokenizer), **tiny_checkpoints.SMALL))
    return tiny_checkpoints._saved(tmp_path / "words", model.eval(), tokenizer), model


def test_an_encoder_saved_without_a_pooler_comes_without_one(words):
    folder, model = words
    assert not [name for name in load_file(folder / "model.safetensors") if "pooler" in name]
    checkpoint = load(str(folder), "bert", "AutoModel", images=False)
    assert checkpoint.model.pooler is None
    given = checkpoint.tokenizer(["a dog runs"], return_tensors="pt")
    with torch.no_grad():
        found, expected = checkpoint.model(**given), model.bert(**given)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state)
    assert found.pooler_output is None


def test_a_classifier_of_texts_begins_with_such_an_encoder_and_is_saved_and_loaded(words, tmp_path):
    from imagist.classifiers.text import transformer
    from imagist.protocols import PartOptions
    from imagist.records import LabelSet

    made = transformer.begin(str(words[0]), LabelSet(("dog", "cat")), transformer.Reading())
    before = made.scores(["a dog runs", "two cats"])
    made.save(tmp_path / "saved")
    again = transformer.load(str(tmp_path / "saved"), PartOptions())
    assert again.scores(["a dog runs", "two cats"]) == pytest.approx(before)


def test_a_pooler_that_is_there_is_kept(words, tmp_path):
    model = transformers.BertModel(transformers.BertConfig.from_pretrained(words[0]))
    folder = tiny_checkpoints._saved(tmp_path / "pooled", model, tiny_checkpoints.bert_tokenizer())
    found = load(str(folder), "bert", "AutoModel", images=False).model.pooler
    torch.testing.assert_close(found.dense.weight, model.pooler.dense.weight)


def test_what_else_an_encoder_lacks_is_missing(words):
    folder, _ = words
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1.output.dense" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"2 weights of AutoModel .* such as encoder\.layer\.1\.output\.dense"):
        load(str(folder), "bert", "AutoModel", images=False)


def test_a_pooler_that_a_network_cannot_do_without_is_missing(words, tmp_path):
    tokenizer = tiny_checkpoints.bert_tokenizer()
    config = transformers.SqueezeBertConfig(
        vocab_size=len(tokenizer), embedding_size=32, **tiny_checkpoints.SMALL,
        **{f"{part}_groups": 1 for part in ("q", "k", "v", "post_attention", "intermediate", "output")},
    )  # fmt: skip
    folder = tiny_checkpoints._saved(tmp_path / "squeezed", transformers.SqueezeBertModel(config), tokenizer)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"2 weights of AutoModel .* such as pooler"):
        load(str(folder), "squeezebert", "AutoModel", images=False)


def test_logging_is_left_as_it_was(folders):
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(str(folders("blip")), *BLIP)
    with pytest.raises(UsageError):
        load(str(folders("git")), *BLIP)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


ABSENT = [(f"backends.{module}", "torch") for module in ("blip", "blip2", "git")]


@pytest.mark.parametrize(("module", "absent"), [*ABSENT, ("translation", "transformers")])
def test_without_the_extra_the_error_names_the_remedy(module, absent):
    code = f"""
import sys
sys.modules[{absent!r}] = None
from imagist.errors import MissingExtra
try:
    import imagist.captioning.{module}
except MissingExtra as error:
    assert error.item == {absent!r}, error
    assert "imagist[torch]" in str(error), error
else:
    raise SystemExit("imported all the same")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_that_a_tokenizer_needs_is_named(folders, monkeypatch):
    def fail(*_, **__):
        raise ImportError("MarianTokenizer requires the SentencePiece library")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(MissingExtra, match="SentencePiece"):
        load(str(folders("blip")), *BLIP)
