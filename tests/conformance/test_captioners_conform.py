"""What every captioner must do, whatever it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from imagist import registry
from imagist.bundle import open_bundle
from imagist.decoding import Decoding
from imagist.encoder import Encoder
from imagist.protocols import Captioner

DECODINGS = {"beam 3": Decoding(3, 3, 20, 0.7), "greedy": Decoding(1, 1, 20, 0.0)}


@pytest.fixture(scope="module", params=[(n, d) for n in registry.names("captioners") for d in DECODINGS], ids=" ".join)
def setting(request):
    name, decoding = request.param
    return name, DECODINGS[decoding]


@pytest.fixture(scope="module")
def make(setting):
    """Makes the captioner anew, with an encoder that remembers nothing."""
    name, decoding = setting
    bundle = open_bundle("embedded")
    return lambda: registry.find("captioners", name)(bundle, Encoder(bundle), decoding)


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


def test_captions_are_sentences(captions):
    for caption in captions:
        assert caption.text == " ".join(caption.tokens) != ""
        assert len(caption.tokens) <= 20
        assert all(a != b for a, b in zip(caption.tokens, caption.tokens[1:], strict=False))
        assert not any(token.startswith("<") for token in caption.tokens)
        assert caption.logprob <= 0


def test_the_n_best_are_ranked_and_the_first_is_the_caption(captions, setting):
    decoding = setting[1]
    for caption in captions:
        assert 1 <= len(caption.nbest) <= decoding.nbest
        assert (caption.nbest[0].text, caption.nbest[0].logprob) == (caption.text, caption.logprob)
        assert len({h.text for h in caption.nbest}) == len(caption.nbest)
        ranks = [h.logprob / len(h.text.split()) ** decoding.length_power for h in caption.nbest]
        assert ranks == sorted(ranks, reverse=True)


def test_attention_has_a_map_that_sums_to_one_for_each_word(captions):
    for caption in captions:
        if caption.attention is None:
            continue
        assert caption.attention.dtype == np.float32
        assert caption.attention.ndim == 3
        assert len(caption.attention) == len(caption.tokens)
        assert (caption.attention >= 0).all()
        np.testing.assert_allclose(caption.attention.sum((1, 2)), 1, atol=1e-4)
