"""A GPT-2 of our own, and one from a folder as published ones lie in it, by the same path."""

from __future__ import annotations

import contextlib
import io
import json
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.decoding import END, START
from imagist.captioning.vocabulary import BpeTokens, symbols
from imagist.errors import BundleError, BundleNotFound, DataError, MissingExtra, UsageError
from imagist.training.captioners.gpt2 import BpeVocabulary, published, small_gpt2
from imagist.training.networks.prefix import PrefixDecoder

pytestmark = pytest.mark.torch

MERGED = ("Ġa", "Ġd", "Ġdo", "Ġdog", "Ġr", "Ġru", "Ġrun", "Ġruns", "Ã©")
PARTS = [
    ("Ġ", "a"),
    ("Ġ", "d"),
    ("Ġd", "o"),
    ("Ġdo", "g"),
    ("Ġ", "r"),
    ("Ġr", "u"),
    ("Ġru", "n"),
    ("Ġrun", "s"),
    ("Ã", "©"),
]
EOS = 256 + len(MERGED)
PLACES_LEFT = 3  # vocabularies are padded to round numbers


@cache
def _tokenizer():
    vocabulary = {token: i for i, token in enumerate([*symbols().values(), *MERGED, "<|endoftext|>"])}
    return transformers.GPT2Tokenizer(vocab=vocabulary, merges=PARTS)


def _model(network="GPT2LMHeadModel", **settings):
    settings = {"bos_token_id": EOS, "eos_token_id": EOS} | settings
    config = transformers.GPT2Config(
        vocab_size=EOS + 1 + PLACES_LEFT, n_positions=40, n_embd=16, n_layer=2, n_head=2, **settings
    )
    torch.manual_seed(0)
    return getattr(transformers, network)(config).eval()


def _saved(folder, *parts):
    with contextlib.redirect_stderr(io.StringIO()):  # progress bars
        for part in parts:
            part.save_pretrained(folder)
    return folder


@cache
def _vocabulary():
    return BpeVocabulary(_tokenizer(), EOS + 1 + PLACES_LEFT, start=EOS, end=EOS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return _saved(tmp_path_factory.mktemp("gpt2"), _model(), _tokenizer())


@pytest.fixture(scope="module")
def found(folder):
    return published(str(folder))


def test_a_small_one_is_over_words_of_our_own():
    model = small_gpt2(11, width=12, layers=3, heads=2, positions=20, dropout=0.0)
    assert (model.config.bos_token_id, model.config.eos_token_id) == (START, END)
    assert len(model.transformer.h) == 3
    assert model.lm_head.weight is model.transformer.wte.weight
    assert model.lm_head.weight.shape == (11, 12)
    with pytest.raises(UsageError, match="5 heads"):
        small_gpt2(11, width=12, heads=5)


def test_without_transformers_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    for ask in (lambda: small_gpt2(11), lambda: published("openai-community/gpt2")):
        with pytest.raises(MissingExtra, match=r"imagist\[torch\]"):
            ask()


def test_a_folder_gives_its_weights_and_its_tokens(found):
    for name, weight in _model().named_parameters():
        assert torch.equal(weight, found.model.get_parameter(name)), name
    vocabulary = found.vocabulary
    assert len(vocabulary.lines) == found.model.config.vocab_size
    assert vocabulary.lines[: 256 + len(MERGED)] == (*symbols().values(), *MERGED)
    assert (vocabulary.starts, vocabulary.end, vocabulary.unknown, vocabulary.tokens) == (
        {"en": EOS}, EOS, None, "bpe"
    )  # fmt: skip
    assert vocabulary.suppressed_tokens == (EOS + 1, EOS + 2, EOS + 3)  # ids without a token


def test_it_has_the_layout_of_the_published_files(tmp_path, folder):
    """The hub's file has the bare names of GPT-2 without a head, and masks that are no weights any more."""
    from safetensors.torch import load_file, save_file

    _saved(tmp_path, _model("GPT2Model"), _tokenizer())
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    assert "wte.weight" in weights
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 40, 40) for i in range(2)}
    save_file(weights | masks, file, metadata={"format": "pt"})
    expected = _model("GPT2Model")
    for name, weight in published(str(tmp_path)).model.transformer.named_parameters():
        assert torch.equal(weight, expected.get_parameter(name)), name


def test_a_decoder_takes_it_as_it_takes_a_small_one(found):
    decoder = PrefixDecoder(found.model, 6, cells=4, prefix_length=4, max_length=12).eval()
    assert (decoder.start, decoder.end, decoder.suppressed_tokens, decoder.words) == (
        EOS,
        EOS,
        (),
        EOS + 1 + PLACES_LEFT,
    )
    words = torch.from_numpy(found.vocabulary.encode("a dog runs", 12))[None, None]
    with torch.no_grad():
        logits = decoder(torch.randn(1, 4, 6), words)[0]
    assert logits.shape == (1, 1, 14, EOS + 1 + PLACES_LEFT)
    assert logits.isfinite().all()


def test_sentences_become_tokens_and_come_back(found):
    vocabulary = found.vocabulary
    ids = vocabulary.encode("a dog runs", 6)
    assert ids.dtype == np.int64
    assert [vocabulary.lines[i] for i in ids[1:4]] == ["a", "Ġdog", "Ġruns"]
    assert ids.tolist() == [EOS, *ids[1:4], *[EOS] * 4]
    assert vocabulary.decode(ids[1:]) == "a dog runs"
    assert vocabulary.encode("a dog runs", 2).tolist() == [EOS, *ids[1:3], EOS]
    assert vocabulary.encode("a dog runs", 6, "en").tolist() == ids.tolist()
    with pytest.raises(DataError, match=r"de: .*language"):
        vocabulary.encode("ein hund", 6, "de")


def test_a_text_that_spells_a_special_token_ends_nothing(found):
    ids = found.vocabulary.encode("a<|endoftext|>dog", 30)
    assert EOS not in ids[1 : list(ids[1:]).index(EOS) + 1]
    assert found.vocabulary.decode(ids[1:]) == "a<|endoftext|>dog"


@given(st.text(max_size=30))
def test_any_sentence_comes_back(text):
    vocabulary = _vocabulary()
    text = text.encode("utf-8", "ignore").decode()
    assert vocabulary.decode(vocabulary.encode(text, 200)[1:]) == " ".join(text.split())


@given(st.lists(st.integers(0, EOS - 1), max_size=20))
def test_tokens_read_as_the_tokenizer_reads_them(ids):
    said = _tokenizer().decode(ids, clean_up_tokenization_spaces=False)
    if "\ufffd" not in said:  # of half a letter ours says nothing
        assert BpeTokens(_vocabulary().lines).text(ids) == " ".join(said.split())


def test_a_full_stop_may_end_a_sentence(folder):
    found = published(str(folder), end=".")
    stop = found.vocabulary.lines.index(".")
    ids = found.vocabulary.encode("a dog", 4)
    assert found.vocabulary.end == stop
    assert ids.tolist() == [EOS, *ids[1:3], stop, stop, stop]
    assert EOS in found.vocabulary.suppressed_tokens  # it only begins sentences now
    decoder = PrefixDecoder(
        found.model, 6, end=found.vocabulary.end, suppressed_tokens=found.vocabulary.suppressed_tokens, max_length=12
    )
    assert (decoder.end, decoder.suppressed_tokens) == (stop, found.vocabulary.suppressed_tokens)
    with pytest.raises(UsageError, match=r"'\.\.' ?: .* 2"):
        published(str(folder), end="..")


def test_what_cannot_be_used_is_named(tmp_path, folder):
    with pytest.raises(BundleNotFound, match="nowhere"):
        published(str(tmp_path / "nowhere"))
    other = tmp_path / "other"
    _saved(other, _model(), _tokenizer())
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"eos_token_id": None, "bos_token_id": None}))
    with pytest.raises(BundleError, match="lacks a start or an end"):
        published(str(other))
    (other / "config.json").write_text(json.dumps(config | {"model_type": "opt"}))
    with pytest.raises(UsageError, match="opt"):
        published(str(other))
    (other / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
    with pytest.raises(BundleError, match="missing"):
        published(str(other))
