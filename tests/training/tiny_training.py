"""Sets and networks so small that a step takes no time: for tests, and for the processes that a test starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator

from imagist.captioning.decoding import Decoding
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.cross_entropy import Learning
from imagist.training.captioners.evaluator import CaptionModel, Judge
from imagist.training.captioners.recipe import Critical, Words
from imagist.training.captioners.vocabulary import learn_words
from imagist.training.embedded.sentences import LabelSentences
from imagist.training.encoders.features import Grids
from imagist.training.networks.attention import AttentionDecoder

CELLS, CHANNELS, LONGEST = 4, 6, 12
SAID = ("a dog runs on the grass", "a brown dog is running", "the dog runs", "a dog outside", "one dog on green grass")
WORDS = Words(epochs=6, patience=0, first_look=0.3, batch=4, sentences=3, rate=1e-3, warm=5)
CRITICAL = Critical(steps=4, batch=4, samples=3, rate=1e-3, warm=2, look_every=2, words=0.3)


def grids(number, seed, views=2):
    """float16 ``[number, views, 4, 6]``."""
    drawn = np.random.default_rng(seed).normal(size=(number, views, CELLS, CHANNELS))
    return Grids(drawn.astype(np.float16))


def said(number, language="en", sentences=SAID):
    """The same sentences of every photo."""
    return [[(language, text) for text in sentences]] * number


def labelled(seed, *labels):
    """A set that has nothing but labels."""
    return Corpus(grids(len(labels), seed), labels=labels, drawn=LabelSentences({*labels}))


class Tiny:
    """A captioned set, two labelled ones, a dev set, the words of all, settings, and what trains with them."""

    max_length, words, critical = LONGEST, WORDS, CRITICAL

    def __init__(self):
        self.corpora = [
            Corpus(grids(9, 3), said(9)),
            labelled(4, "cat", "dog", "cat", "car"),
            labelled(5, "banana", "bee", "barn"),
        ]
        self.dev = Corpus(grids(3, 6, views=1), said(3))
        drawn = [text for corpus in self.corpora[1:] for text in corpus.drawn.all()]
        self.vocabulary = learn_words(SAID, ["en"], 1, drawn)
        self.judge = Judge(self.dev, self.vocabulary, Decoding(beam=2, max_length=LONGEST))

    def model(self, dropout=0.2, seed=9, **settings):
        """A captioner that fits, always the same for a seed."""
        torch.manual_seed(seed)
        sizes = {"hidden": 8, "embedding": 8, "attention": 5} | settings
        decoder = AttentionDecoder(len(self.vocabulary.lines), CHANNELS, dropout=dropout, **sizes)
        return CaptionModel(torch.nn.Identity(), decoder)

    def learning(self, folder, **changes):
        """What both phases share, in this process, with float32 products."""
        learning = Learning(
            self.corpora, self.vocabulary, self.max_length, self.judge, folder, Accelerator(cpu=True), (1.0, 0.5, 0.5),
            bf16=False,
        )  # fmt: skip
        return replace(learning, **changes)
