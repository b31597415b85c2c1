"""BERT-family classifiers against transformers' own forward pass, and their attributions against a plain sum."""

from __future__ import annotations

import contextlib
import io
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import tiny_checkpoints
from imagist import settings
from imagist.bundle import CARD, open_folder
from imagist.classifiers.text import transformer
from imagist.classifiers.text.transformer import HEAD, Reading, begin
from imagist.errors import BundleError, BundleNotFound, BundleTampered, OutputError, UsageError
from imagist.protocols import PartOptions, TextClassifier
from imagist.records import LabelSet

pytestmark = pytest.mark.torch

LABELS = LabelSet(("dog", "street", "water"))
SMALL = {**tiny_checkpoints.SMALL, "max_position_embeddings": 40, "pad_token_id": 0}
KINDS = {
    "bert": lambda size: transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=size)),
    "electra": lambda size: transformers.ElectraModel(
        transformers.ElectraConfig(**SMALL, vocab_size=size, embedding_size=16)
    ),
    "distilbert": lambda size: transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=size, dim=32, hidden_dim=48, n_layers=2, n_heads=4, max_position_embeddings=40
        )
    ),
}
TEXTS = [
    "a small dog runs on the grass",
    "",
    "water",
    "two men, three dogs and a ball. the woman jumps in the red water with the child on the street",
    "the image of a blue street",
]
texts_of_words = st.lists(st.lists(st.sampled_from([*tiny_checkpoints.WORDS, "dogs.", "?!"]), max_size=12), max_size=6)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A saved encoder of each kind with random weights that spread states out."""
    made, tokenizer = {}, tiny_checkpoints.bert_tokenizer()
    for kind, build in KINDS.items():
        torch.manual_seed(1)
        model = build(len(tokenizer)).eval()
        for parameter in model.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.25)
        made[kind] = tmp_path_factory.mktemp("encoders") / kind
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars
            model.save_pretrained(made[kind])
            tokenizer.save_pretrained(made[kind])
    return made


def load(folder):
    return transformer.load(str(folder), PartOptions())


def opened(folder, reading=None):
    """A classifier that is of two minds about TEXTS on the whole, and not about each."""
    made = begin(str(folder), LABELS, reading or Reading())
    torch.manual_seed(2)
    layer = made.network.layer
    torch.nn.init.normal_(layer.weight, std=0.5)
    with torch.no_grad():
        layer.bias.copy_(-layer.weight @ torch.from_numpy(made.hidden(TEXTS).mean(0)))
    return made


@pytest.fixture(scope="module", params=KINDS)
def classifier(request, folders):
    return opened(folders[request.param])


@pytest.fixture(scope="module")
def bert(folders):
    return opened(folders["bert"])


def test_it_is_a_text_classifier(classifier):
    assert isinstance(classifier, TextClassifier)
    assert classifier.labels == LABELS


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_transformers_pooled_by_hand(folders, kind, pooling, normalise):
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[kind])
    ours = opened(folders[kind], Reading(pooling, normalise)).hidden(TEXTS)
    for text, found in zip(TEXTS, ours, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        expected = states.mean(0) if pooling == "mean" else states[0]
        np.testing.assert_allclose(found, expected / (np.linalg.norm(expected) if normalise else 1), atol=1e-5)


def test_scores_are_the_softmax_of_the_layer_over_hidden_states(classifier):
    layer = classifier.network.layer
    logits = classifier.hidden(TEXTS) @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    powers = np.exp(logits - logits.max(1, keepdims=True))
    scores = classifier.scores(TEXTS)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, powers / powers.sum(1, keepdims=True), atol=1e-5)
    assert np.ptp(scores, axis=0).max() > 0.2  # they do depend on the text


@hypothesis_settings(max_examples=25)
@given(lists=texts_of_words, seed=st.integers(0, 100))
def test_company_and_order_do_not_matter(bert, lists, seed):
    texts = [" ".join(words) for words in lists]
    order = np.random.default_rng(seed).permutation(len(texts))
    scores = bert.scores(texts)
    assert scores.shape == (len(texts), 3)
    np.testing.assert_allclose(bert.scores([texts[i] for i in order]), scores[order], atol=1e-5)
    for text, row in zip(texts, scores, strict=True):
        np.testing.assert_allclose(bert.scores([text])[0], row, atol=1e-5)


def test_more_texts_than_are_read_at_a_time_keep_their_order(bert):
    texts = [" ".join(tiny_checkpoints.WORDS[i % 7 : i % 7 + i % 11]) for i in range(75)]
    one_by_one = np.concatenate([bert.scores([text]) for text in texts])
    np.testing.assert_allclose(bert.scores(texts), one_by_one, atol=1e-5)


def test_no_texts_give_no_rows(classifier):
    assert classifier.scores([]).shape == (0, 3)
    assert classifier.hidden([]).shape == (0, 32)
    assert classifier.attributions([], np.zeros(0, int)) == []


def test_what_is_too_long_is_cut(folders):
    short = opened(folders["bert"], Reading(max_length=5))  # three words between [CLS] and [SEP]
    long, cut = "a dog runs on the red street", "a dog runs"
    np.testing.assert_allclose(short.scores([long]), short.scores([cut]), atol=1e-6)
    shares = dict(short.attributions([long], np.array([0]))[0])
    assert [word for word, share in shares.items() if share] == ["a", "dog", "runs"]
    everything = opened(folders["bert"], Reading(max_length=400))  # the network has 40 places
    assert np.isfinite(everything.scores(["dog " * 100])).all()


def baseline(classifier, text):
    """The probabilities ``[C]`` of a text of nothing but padding, as long as this one."""
    tokens = classifier.tokenizer([text], return_tensors="pt")
    inner = tokens["input_ids"][0, 1:-1]
    inner[:] = classifier.tokenizer.pad_token_id
    with torch.no_grad():
        return torch.softmax(classifier.network(dict(tokens)), -1)[0].numpy()


def test_attributions_are_complete(classifier):
    """They sum to the difference of the probability between the text and the baseline (their axiom)."""
    for target in range(3):
        found = classifier.attributions(TEXTS, np.full(len(TEXTS), target))
        scores = classifier.scores(TEXTS)[:, target]
        for text, words, score in zip(TEXTS, found, scores, strict=True):
            assert [word for word, _ in words] == text.split()
            total = sum(share for _, share in words)
            assert total == pytest.approx(score - baseline(classifier, text)[target], abs=5e-3)


def test_attributions_of_all_classes_cancel(bert):
    found = [bert.attributions(TEXTS[:1], np.array([target]))[0] for target in range(3)]
    sums = np.sum([[share for _, share in words] for words in found], 0)
    np.testing.assert_allclose(sums, 0, atol=1e-5)


def test_attributions_are_a_plain_riemann_sum_of_gradients_over_pieces(bert):
    text, target = "the dogs runs, child.", 1
    tokens = bert.tokenizer(text, return_tensors="pt")
    pieces = bert.tokenizer.convert_ids_to_tokens(tokens["input_ids"][0])
    assert pieces == ["[CLS]", "the", "dog", "##s", "runs", ",", "child", ".", "[SEP]"]
    embed = bert.network.encoder.get_input_embeddings().weight.detach()
    whole = embed[tokens["input_ids"][0]]
    nothing = whole.clone()
    nothing[1:-1] = embed[0]
    shares, steps = torch.zeros(len(pieces)), 100
    for step in range(steps):
        point = (nothing + (step + 0.5) / steps * (whole - nothing)).requires_grad_()
        mask = tokens["attention_mask"]
        states = bert.network.encoder(inputs_embeds=point[None], attention_mask=mask).last_hidden_state
        probability = torch.softmax(bert.network.layer(states.mean(1)), -1)[0, target]
        shares += ((whole - nothing) * torch.autograd.grad(probability, point)[0]).sum(-1) / steps
    expected = [
        ("the", shares[1]),
        ("dogs", shares[2:4].sum()),
        ("runs,", shares[4:6].sum()),
        ("child.", shares[6:8].sum()),
    ]
    found = bert.attributions([text], np.array([target]))[0]
    for (word, share), (same, wanted) in zip(found, expected, strict=True):
        assert word == same
        assert share == pytest.approx(float(wanted), abs=1e-3)


def test_attributions_leave_no_gradients_behind(bert):
    bert.attributions(TEXTS[:1], np.array([0]))
    assert all(parameter.grad is None for parameter in bert.network.parameters())


def test_a_saved_classifier_gives_the_same_probabilities(classifier, tmp_path):
    classifier.save(tmp_path / "kept")
    again = load(tmp_path / "kept")
    assert (again.labels, again.id) == (LABELS, classifier.id)
    assert again.network.reading == classifier.network.reading
    np.testing.assert_array_equal(again.scores(TEXTS), classifier.scores(TEXTS))


def test_saving_over_another_one_replaces_it(folders, tmp_path):
    opened(folders["bert"]).save(tmp_path)
    other = opened(folders["distilbert"], Reading("cls", True, 9))
    other.save(tmp_path)
    np.testing.assert_array_equal(load(tmp_path).scores(TEXTS), other.scores(TEXTS))
    assert load(tmp_path).network.reading == Reading("cls", True, 9)


def test_a_saved_classifier_is_a_plain_folder_of_transformers(bert, tmp_path):
    bert.save(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path)
    theirs, ours = model.state_dict(), bert.network.encoder.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items())
    assert transformers.AutoTokenizer.from_pretrained(tmp_path)("a dog")["input_ids"] == [2, 5, 8, 3]
    assert {file.suffix for file in tmp_path.iterdir()} <= {".json", ".safetensors", ".txt", ".toml"}


def test_a_folder_that_cannot_be_written_is_an_error(bert, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(OutputError):
        bert.save(tmp_path / "file" / "inside")


def another_card(**changes):
    def spoil(folder):
        (folder / CARD).write_text(settings.to_toml({**open_folder(folder).card, **changes}), "utf-8")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: (folder / CARD).unlink(), BundleNotFound),
        (lambda folder: (folder / CARD).write_text("{", "utf-8"), BundleError),
        (lambda folder: (folder / CARD).write_text('kind = "transformer"\n', "utf-8"), BundleError),
        (lambda folder: (folder / HEAD).write_bytes(b"torn"), BundleTampered),
        (lambda folder: (folder / "model.safetensors").unlink(), BundleError),
        (another_card(labels=["dog", "dog"]), BundleError),
        (another_card(labels=["dog", "cat"]), BundleError),
    ],
)
def test_a_damaged_folder_is_refused(bert, tmp_path, spoil, error):
    bert.save(tmp_path / "kept")
    spoil(tmp_path / "kept")
    with pytest.raises(error) as caught:
        load(tmp_path / "kept")
    assert caught.value.item.startswith(str(tmp_path / "kept"))


def test_a_folder_inside_an_installed_package(folders, tmp_path, monkeypatch):
    package = tmp_path / "a_package_of_models"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('is not to be run')", "utf-8")
    (package / "model").symlink_to(folders["bert"])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = opened("package:a_package_of_models/model")
    np.testing.assert_array_equal(found.scores(TEXTS), opened(folders["bert"]).scores(TEXTS))
    with pytest.raises(BundleNotFound, match="no installed package"):
        begin("package:a_package_of_models/other", LABELS, Reading())


@pytest.mark.parametrize("name", ["package:there_is_no_such/model", "package:", "package:../x"])
def test_a_package_that_is_not_installed_is_named(name):
    with pytest.raises(BundleNotFound, match="no installed package") as caught:
        begin(name, LABELS, Reading())
    assert caught.value.item == name
    assert "pip install" in caught.value.remedy


@pytest.mark.parametrize("name", ["bert-base-uncased-of-nobody", "somebody/tiny", "/no/such/folder", ""])
def test_a_model_that_is_neither_local_nor_on_the_hub_is_an_error_with_a_remedy(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BundleNotFound) as caught:
        begin(name, LABELS, Reading())
    assert "folder" in caught.value.remedy


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match="configuration"):
        begin(str(tmp_path), LABELS, Reading())


def test_a_model_that_is_no_encoder_of_texts_is_refused(tmp_path):
    with pytest.raises((UsageError, BundleError)):
        begin(str(tiny_checkpoints.blip(tmp_path / "blip")), LABELS, Reading())
