"""The attention captioner, beyond what all captioners do."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.bundle import open_bundle
from imagist.captioners.attention import from_bundle
from imagist.decoding import END, START, Decoding
from imagist.encoder import Encoder
from imagist.records import Photo

DEFAULT = Decoding()


def make(decoding=DEFAULT, views="square"):
    bundle = open_bundle("embedded")
    return from_bundle(bundle, Encoder(bundle, views=views), decoding)


def test_the_id_names_the_model_and_every_setting():
    bundle = open_bundle("embedded")
    captioners = [
        make(),
        make(Decoding(beam=2)),
        make(Decoding(nbest=2)),
        make(Decoding(length_power=0.1)),
        make(Decoding(longest=7)),
        make(views="letterbox"),
    ]
    assert len({captioner.id for captioner in captioners}) == len(captioners)
    assert all(captioner.id.startswith(f"embedded-{bundle.version}/attention(") for captioner in captioners)
    assert make().id == make().id


def test_maps_cover_the_square_grid_of_the_encoder(photos):
    captioner = make()
    (caption,) = captioner.caption(photos[:1])
    cells = captioner._encoder.grids(photos[:1])[0].shape[1]
    side = round(cells**0.5)
    assert caption.attention.shape == (len(caption.tokens), side, side)


def test_the_log_probability_is_that_of_the_words_said_one_by_one(photos):
    captioner, words = make(Decoding(beam=3, nbest=3)), open_bundle("embedded").lines("vocabulary.txt")
    for photo, caption in zip(photos, captioner.caption(photos), strict=True):
        for hypothesis in caption.nbest:
            values, keys, state, cell = captioner._first(captioner._encoder.grids([photo])[0])
            state, cell, said, total = state[:, None], cell[:, None], START, 0.0
            ids_said = [*map(words.index, hypothesis.text.split())]
            for word in ids_said + [END] * (len(ids_said) < Decoding().longest):
                logprobs, ids, _, state, cell = captioner._next(
                    np.array([[said]]), len(words), values, keys, state, cell
                )
                total += float(logprobs[0, 0, ids[0, 0] == word][0])
                said = word
            assert hypothesis.logprob == pytest.approx(total, abs=1e-3)


def test_sentences_stop_at_the_longest(photos):
    for caption in make(Decoding(longest=3)).caption(photos[:4]):
        assert 1 <= len(caption.tokens) <= 3


def test_of_several_views_the_whole_is_described():
    wide = Photo(np.random.default_rng(0).integers(0, 256, (50, 240, 3), np.uint8))
    (one,), (several,) = make().caption([wide]), make(views="crops").caption([wide])
    assert one.text == several.text
    assert one.logprob == pytest.approx(several.logprob, abs=1e-3)


def test_a_wider_beam_finds_sentences_at_least_as_likely(photos):
    """Holds for most photos and on average, not for each: beam search is no exact search."""
    by_sum = [make(Decoding(beam, 1, 20, 0.0)).caption(photos) for beam in (1, 5)]
    greedy, wide = (np.mean([caption.logprob for caption in captions]) for captions in by_sum)
    assert wide >= greedy - 1e-4
