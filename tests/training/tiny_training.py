"""Tiny sets and networks, for tests and for the processes that a test starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator

from imagist.captioning.decoding import Decoding
from imagist.training.captioners.class_sentences import ClassSentence
from imagist.training.captioners.context import TrainingContext
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.evaluator import CaptionEvaluator, CaptionModel
from imagist.training.captioners.label_sentences import LabelNames, LabelSentences
from imagist.training.captioners.recipe import CrossEntropy, SelfCritical
from imagist.training.captioners.texts import Texts
from imagist.training.captioners.vocabulary import build_vocabulary
from imagist.training.encoders.features import Grids
from imagist.training.networks.attention import AttentionDecoder
from imagist.training.networks.naming import NamingDecoder

CELLS, CHANNELS, LONGEST = 4, 6, 12
SAID = ("a dog runs on the grass", "a brown dog is running", "the dog runs", "a dog outside", "one dog on green grass")
CROSS_ENTROPY = CrossEntropy(
    epochs=6, patience=0, first_eval=0.3, batch_size=4, captions_per_image=3, learning_rate=1e-3, warmup_steps=5
)
SELF_CRITICAL = SelfCritical(
    steps=4,
    batch_size=4,
    samples_per_image=3,
    learning_rate=1e-3,
    warmup_steps=2,
    eval_every=2,
    cross_entropy_weight=0.3,
)


SENTENCES = LabelSentences(
    {"thing": ("{a}", "a photo of {a}", "there is {a}", "{a} seen up close", "the image shows {a}")},
    {
        name: LabelNames(("thing",), (f"a {name}", f"one {name}"))
        for name in ("cat", "dog", "car", "banana", "bee", "barn")
    },
)

CLASSES = 12
TEXTS = Texts(
    [
        ClassSentence("a photo of a bee", (2,)),
        ClassSentence("there is a barn", (5,)),
        ClassSentence("one banana seen up close", (7,)),
        ClassSentence("a cat on the grass", (9,)),
    ],
    CLASSES,
)


def grids(number, seed, views=2):
    """float16 ``[number, views, 4, 6]``."""
    drawn = np.random.default_rng(seed).normal(size=(number, views, CELLS, CHANNELS))
    return Grids(drawn.astype(np.float16))


def said(number, language="en", sentences=SAID):
    """The same sentences of every photo."""
    return [[(language, text) for text in sentences]] * number


def labelled(seed, *labels):
    """A set that has nothing but labels."""
    return Corpus(grids(len(labels), seed), labels=labels, label_sentences=SENTENCES)


class Tiny:
    """A captioned set, two labelled ones, a dev set, the words of all, settings, and what trains with them."""

    max_length, cross_entropy, self_critical = LONGEST, CROSS_ENTROPY, SELF_CRITICAL

    def __init__(self):
        self.corpora = [
            Corpus(grids(9, 3), said(9)),
            labelled(4, "cat", "dog", "cat", "car"),
            labelled(5, "banana", "bee", "barn"),
        ]
        self.dev = Corpus(grids(3, 6, views=1), said(3))
        drawn = [text for corpus in self.corpora[1:] for text in SENTENCES.all(corpus.labels)]
        self.vocabulary = build_vocabulary(SAID, ["en"], 1, drawn)
        self.evaluator = CaptionEvaluator(self.dev, self.vocabulary, Decoding(beam=2, max_length=LONGEST))

    def model(self, dropout=0.2, seed=9, **settings):
        """A captioner that fits, always the same for a seed."""
        torch.manual_seed(seed)
        sizes = {"hidden_size": 8, "embedding_size": 8, "attention_size": 5} | settings
        decoder = AttentionDecoder(len(self.vocabulary.lines), CHANNELS, dropout=dropout, **sizes)
        return CaptionModel(torch.nn.Identity(), decoder)

    def naming(self, dropout=0.2, seed=9):
        """The same with a decoder that reads classes."""
        torch.manual_seed(seed)
        decoder = NamingDecoder(
            len(self.vocabulary.lines), CHANNELS, classes=CLASSES, recognised=4, cells=CELLS, width=12, layers=1,
            heads=2, max_length=LONGEST, dropout=dropout,
        )  # fmt: skip
        return CaptionModel(torch.nn.Identity(), decoder)

    def context(self, folder, **changes):
        """The context of both phases, in this process, with float32 products."""
        context = TrainingContext(
            self.corpora, self.vocabulary, self.max_length, self.evaluator, folder, Accelerator(cpu=True),
            (1.0, 0.5, 0.5), bf16=False,
        )  # fmt: skip
        return replace(context, **changes)
