"""What every captioner must do, whatever it is made of."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from imagist import registry
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions
from imagist.errors import UnknownName, UsageError
from imagist.protocols import Captioner

DECODINGS = {
    "beams": Decoding(3, 3, 20, 0.7),
    "greedy": Decoding(1, 1, 20, 0.0),
    "drawn": Decoding(2, 2, 12, 0.7, top_p=0.9, seed=3),
}


def shipped(folder, photos):
    return "embedded"


def bundle(name, folder, photos):
    pytest.importorskip("onnxscript")
    pytest.importorskip("transformers")
    import tiny_bundles

    return folder / name if (folder / name).exists() else tiny_bundles.write(folder / name, name)


def checkpoint(name, folder, photos):
    pytest.importorskip("transformers")
    import tiny_checkpoints

    network, _, language = name.partition("-")
    return getattr(tiny_checkpoints, network)(folder / name, *([language] if language else []))


def table(folder, photos):
    """What some captioner said of the photos, as ``imagist caption --out`` writes it."""
    file = folder / "captions.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["source", "caption", "caption_logprob", "nbest"])
        for i, photo in enumerate(photos):
            texts = [f"{article} {photo.source} on the street" for article in ("a", "the", "one")]
            nbest = [{"text": text, "logprob": -1.5 - i - rank} for rank, text in enumerate(texts)]
            writer.writerow([photo.source, texts[0], -1.5 - i, json.dumps(nbest)])
    return file


def chat_server(folder, photos):
    """The address of a server that runs until the tests end."""
    from chat_servers import ChatServer

    return ChatServer().__enter__().model


def interrogated(folder, photos):
    """A model with a tiny matcher."""
    pytest.importorskip("onnx")
    import tiny_matchers

    return tiny_matchers.model(folder / "interrogated")


@dataclass(frozen=True)
class Kind:
    """A captioner of the registry over a model that is made for the test.

    Attributes:
        name: In the registry.
        model: Makes it in a folder, for photos; gives what names it.
        whole: Its vocabulary is of whole words: none follows itself, and ranks can be had from the text.
        looks: Whether it has attention.
        writes: Languages beside its own; None where a language is not its to choose.
        adds: Words that it may add to those that are decoded.
    """

    name: str
    model: object
    whole: bool = True
    looks: bool = False
    writes: tuple[str, ...] | None = ()
    adds: int = 0


KINDS = {
    "embedded": Kind("naming", shipped, looks=True),
    "attention-sat": Kind("attention", partial(bundle, "attention-sat"), looks=True, writes=("de",)),
    "attention-tutorial": Kind("attention", partial(bundle, "attention-tutorial"), looks=True, writes=("de",)),
    "naming": Kind("naming", partial(bundle, "naming"), looks=True, writes=("de",)),
    "transformer": Kind("transformer", partial(bundle, "transformer"), looks=True, writes=("de",)),
    "lstm-inject": Kind("lstm", partial(bundle, "lstm-inject"), writes=("de",)),
    "lstm-merge": Kind("lstm", partial(bundle, "lstm-merge"), writes=("de",)),
    "prefix-gpt2": Kind("prefix-gpt2", partial(bundle, "prefix-gpt2"), writes=("de",)),
    "prefix-gpt2-bpe": Kind("prefix-gpt2", partial(bundle, "prefix-gpt2-bpe"), whole=False),
    "blip": Kind("blip", partial(checkpoint, "blip"), whole=False),
    "git": Kind("git", partial(checkpoint, "git"), whole=False),
    "blip2-opt": Kind("blip2", partial(checkpoint, "blip2-opt"), whole=False),
    "blip2-t5": Kind("blip2", partial(checkpoint, "blip2-t5"), whole=False),
    "vlm": Kind("vlm", partial(checkpoint, "qwen2_vl"), whole=False),
    "endpoint": Kind("endpoint", chat_server, whole=False),
    "interrogator": Kind("interrogator", interrogated, whole=False, adds=12),
    "recorded": Kind("recorded", table, whole=False, writes=None),
}


def test_every_captioner_that_imagist_brings_is_here():
    assert {kind.name for kind in KINDS.values()} == {*registry.BUILT_IN["captioners"]}


@pytest.fixture(scope="module")
def models(models_folder, photos):
    """The model of a kind, made when first asked for."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = str(KINDS[name].model(models_folder, photos))
        return made[name]

    return of


@pytest.fixture(scope="module", params=[(n, d) for n in KINDS for d in DECODINGS], ids=" ".join)
def setting(request):
    """A kind and how it is to search; BPE tokens by their sum, as a text does not show how many there are."""
    name, decoding = request.param
    power = {} if KINDS[name].whole else {"length_penalty": 0.0}
    return name, replace(DECODINGS[decoding], **power)


@pytest.fixture(scope="module")
def kind(setting):
    return KINDS[setting[0]]


@pytest.fixture(scope="module")
def make(setting, kind, models):
    """Makes the captioner anew, with an encoder that remembers nothing; ``make(language=...)``."""
    name, decoding = setting
    model = models(name)
    return lambda **options: registry.find("captioners", kind.name)(model, CaptionOptions(decoding, **options))


@pytest.fixture(scope="module")
def captioner(make):
    return make()


@pytest.fixture(scope="module")
def captions(captioner, photos):
    return captioner.caption(photos)


def assert_same(one, other):
    assert one.text == other.text
    assert one.tokens == other.tokens
    assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
    assert [h.text for h in one.nbest] == [h.text for h in other.nbest]
    assert [h.logprob for h in one.nbest] == pytest.approx([h.logprob for h in other.nbest], abs=1e-4)
    assert (one.attention is None) is (other.attention is None)
    if one.attention is not None:
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


def test_it_is_a_captioner(captioner):
    assert isinstance(captioner, Captioner)
    assert captioner.id.strip() == captioner.id != ""


def test_an_empty_batch_gives_nothing(captioner):
    assert captioner.caption([]) == []


def test_a_batch_says_what_single_photos_say(make, photos, captions):
    alone = make()
    for photo, caption in zip(photos, captions, strict=True):
        assert_same(caption, alone.caption([photo])[0])


def test_another_order_gives_the_same_captions_in_that_order(make, photos, captions):
    order = np.random.default_rng(1).permutation(len(photos))
    for i, caption in zip(order, make().caption([photos[i] for i in order]), strict=True):
        assert_same(captions[i], caption)


def test_a_photo_given_twice_is_captioned_twice(captioner, photos, captions):
    for caption in captioner.caption([photos[0], photos[1], photos[0]])[::2]:
        assert_same(captions[0], caption)


def test_it_repeats_itself_exactly(captioner, photos, captions):
    for one, other in zip(captions, captioner.caption(photos), strict=True):
        assert (one.text, one.logprob, one.nbest) == (other.text, other.logprob, other.nbest)
        assert (one.attention is None) or np.array_equal(one.attention, other.attention)


def test_it_tells_photos_apart(captions):
    assert len({caption.text for caption in captions}) > 1


def test_captions_are_sentences(captions, kind, setting):
    for caption in captions:
        assert caption.text == " ".join(caption.tokens) != ""
        assert len(caption.tokens) <= setting[1].max_length + kind.adds
        assert not any(token.startswith("<") for token in caption.tokens)
        assert caption.logprob <= 0
        if kind.whole:
            assert all(a != b for a, b in zip(caption.tokens, caption.tokens[1:], strict=False))


def test_the_n_best_are_ranked_and_the_first_is_the_caption(captions, setting, kind):
    decoding = setting[1]
    for caption in captions:
        assert 1 <= len(caption.nbest) <= decoding.nbest
        assert (caption.nbest[0].text, caption.nbest[0].logprob) == (caption.text, caption.logprob)
        assert len({h.text for h in caption.nbest}) == len(caption.nbest)
        assert all(h.text for h in caption.nbest)
        ranks = [h.logprob / len(h.text.split()) ** decoding.length_penalty for h in caption.nbest]
        assert kind.adds or ranks == sorted(ranks, reverse=True)  # words that are added do not count
    if decoding.nbest > 1:
        assert max(len(caption.nbest) for caption in captions) == decoding.nbest


def test_attention_has_a_map_that_sums_to_one_for_each_word(captions, kind):
    for caption in captions:
        assert (caption.attention is not None) is kind.looks
        if caption.attention is None:
            continue
        assert caption.attention.dtype == np.float32
        assert caption.attention.ndim == 3
        assert len(caption.attention) == len(caption.tokens)
        assert (caption.attention >= 0).all()
        np.testing.assert_allclose(caption.attention.sum((1, 2)), 1, atol=1e-4)


def test_settings_that_make_a_difference_are_in_its_id(make, captioner, setting, kind, models):
    assert make().id == captioner.id
    decoding = setting[1]
    for other in (replace(decoding, beam=4, nbest=4), replace(decoding, nbest=1, beam=5, max_length=9)):
        made = registry.find("captioners", kind.name)(models(setting[0]), CaptionOptions(other))
        assert (made.id == captioner.id) is (kind.writes is None and other.nbest == decoding.nbest)


def test_a_language_that_it_does_not_write_is_refused_with_those_that_it_does(make, kind):
    if kind.writes is None:
        assert make(language="qq").id == make().id
        return
    with pytest.raises((UsageError, UnknownName)) as caught:
        make(language="qq")
    assert "qq" in str(caught.value)
    assert "en" in caught.value.remedy
    for language in kind.writes:
        assert make(language=language).id != make(language="en").id


def test_further_languages_are_written_from_their_own_start(make, kind, photos, captions):
    for language in kind.writes or ():
        others = make(language=language).caption(photos)
        assert [c.text for c in others] != [c.text for c in captions]
        assert all(caption.tokens for caption in others)
