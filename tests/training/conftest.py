"""Sets and networks so small that a step takes no time; one thread, so that two runs give the same bits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

CELLS, CHANNELS = 4, 6
SAID = ("a dog runs on the grass", "a brown dog is running", "the dog runs", "a dog outside", "one dog on green grass")


@pytest.fixture(autouse=True)
def _one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny():
    """A captioned set, two labelled ones and a dev set, with their sentences, settings and a decoder that fits."""
    from imagist.training.captioning import CaptionConfig, Captioned, Sentences
    from imagist.training.networks import Decoder
    from imagist.training.photographs import PhotoSet

    rng = np.random.default_rng(3)

    def captioned(name, number, **known):
        photos = PhotoSet(name, rng.integers(0, 256, (number, 8, 8, 3), np.uint8), **known)
        return Captioned(photos, rng.normal(size=(number, 2, CELLS, CHANNELS)).astype(np.float16))

    sets = [
        captioned("flickr8k/train", 4, captions=(SAID,) * 4),
        captioned("photos15/train", 4, labels=("cat", "dog", "cat", "car")),
        captioned("tiny_imagenet/train", 3, labels=("banana", "bee", "barn")),
    ]
    config = CaptionConfig(
        least_count=1, longest=12, epochs=6, batch=(4, 2, 2), sentences=3, hidden=8, embedding=8, attention=5,
        dropout=0.0, critical_steps=3, critical_samples=3, critical_rate=1e-3,
    )  # fmt: skip
    sentences = Sentences(sets, config)

    def decoder():
        widths = config.hidden, config.embedding, config.attention
        return Decoder(len(sentences.words), CHANNELS, *widths, config.dropout)

    dev = captioned("flickr8k/dev", 3, captions=(SAID,) * 3)
    return SimpleNamespace(sets=sets, dev=dev, config=config, sentences=sentences, decoder=decoder)
