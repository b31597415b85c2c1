"""What a captioner's TOML file says: data, encoder, decoder, three phases of training, search.

`imagist.settings` reads it and reports every fault at once; each field is documented here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from imagist.captioning.decoding import Decoding
from imagist.datasets.source import Source
from imagist.settings import PartialShare, PositiveShare, Share


@dataclass(frozen=True)
class Data:
    """What to learn from. Paths are looked for in the data folder (``--data``) where they are not absolute.

    Attributes:
        train: Captioned files (see `imagist.datasets.captions.read` for formats).
        dev: Those on which epochs are compared.
        language: ISO 639-1 code of the files' main sentences.
        languages: Further ones, from the files' translations; one decoder learns them all.
        least_count: A word is known from so many occurrences in train on.
        max_length: Sentences are cut to so many words.
    """

    train: tuple[Source, ...]
    dev: tuple[Source, ...]
    language: str = "en"
    languages: tuple[str, ...] = ()
    least_count: PositiveInt = 4
    max_length: PositiveInt = 20


@dataclass(frozen=True)
class Backbone:
    """What turns photos into grids.

    Attributes:
        name: Of a timm model, or ``torchvision:alexnet``.
        weights: A safetensors file; none takes what timm publishes under the name.
        options: Further arguments of the model, such as ``pad_type``.
        side: Photos are made square and so many pixels wide.
        mean: Of the pixels, 0 to 1, a channel; none takes what timm says.
        std: The same of the spread.
        views: V, how many views of each training photo are encoded: the whole, its mirror image, then random crops.
        least_area: Smallest share of the photo that a crop keeps.
        tune: Train the encoder as well; nothing is cached then.
        tune_rate: Its learning rate as a share of the decoder's.
    """

    name: str = "mobilenetv2_100"
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    side: Annotated[int, Field(ge=32)] = 224
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    views: PositiveInt = 6
    least_area: PositiveShare = 0.5
    tune: bool = False
    tune_rate: PositiveFloat = 0.05


@dataclass(frozen=True)
class Words:
    """Phase 1, the next word, by cross-entropy and AdamW.

    Attributes:
        epochs: Most passes over train.
        patience: Looks at dev without a better CIDEr after which the phase ends; 0 never ends it early.
        first_look: Share of the steps before dev is looked at, once an epoch from then on.
        batch: Photos a step, over all processes.
        sentences: Sentences a photo and step; a photo is encoded once for all of them.
        rate: Peak learning rate, after a linear warm-up; a cosine takes it down to a hundredth.
        warm: Steps of the warm-up.
        decay: Weight decay.
        smoothing: Of the labels.
        hidden: Share of the words read that are hidden (word dropout, Bowman et al. 2016), so that more is left to see.
        doubly_stochastic_weight: Weight of the doubly stochastic penalty (Xu et al. 2015, equation 14).
        clip: Longest gradient.
        average: Decay of the moving average of the weights (EMA), which is what dev sees and what is kept.
    """

    epochs: PositiveInt = 12
    patience: NonNegativeInt = 4
    first_look: Share = 0.3
    batch: PositiveInt = 24
    sentences: PositiveInt = 5
    rate: PositiveFloat = 1e-3
    warm: PositiveInt = 200
    decay: NonNegativeFloat = 1e-2
    smoothing: Share = 0.1
    hidden: Share = 0.0
    doubly_stochastic_weight: NonNegativeFloat = 0.0
    clip: PositiveFloat = 1.0
    average: Share = 0.995


@dataclass(frozen=True)
class Critical:
    """Phase 2, self-critical training on CIDEr-D; left out with 0 steps.

    Attributes:
        steps: Steps of the phase.
        batch: Photos a step, over all processes.
        samples: Sentences drawn a photo, at least 2.
        temperature: At which they are drawn and learnt. Smoothed labels leave a flat distribution: its samples at 1
            are so much worse than what a search finds that short sentences win, long before good ones do.
        seen: Share of the cells that a step shows instead of the decoder's; fewer keep photos that phase 1 learnt by
            heart from being recognised, so that what is learnt is what to say when one is not sure.
        rate: Peak learning rate.
        warm: Steps of its warm-up.
        look_every: Steps between looks at dev.
        bleu: Weight of BLEU-4 in the reward, beside CIDEr-D, which alone is for shorter sentences.
        words: Weight of the cross-entropy that goes on beside it.
        clip: Longest gradient.
        average: Decay of the moving average of the weights.
    """

    steps: NonNegativeInt = 0
    batch: PositiveInt = 24
    samples: Annotated[int, Field(ge=2)] = 5
    temperature: PositiveFloat = 1.0
    seen: PositiveShare | None = None
    rate: PositiveFloat = 1e-4
    warm: PositiveInt = 50
    look_every: PositiveInt = 200
    bleu: NonNegativeFloat = 0.0
    words: NonNegativeFloat = 0.0
    clip: PositiveFloat = 1.0
    average: Share = 0.99


@dataclass(frozen=True)
class Detection:
    """Phase 3, a detector of concepts that reranks the hypotheses of ``search.mbr``; left out with 0 epochs.

    Attributes:
        epochs: Passes over train, of one view of each photo, by each member.
        least_count: A phrase is a concept from so many sentences in train on.
        members: Networks, of which the mean counts.
        batch: Photos a step.
        width: Of the layer between grid and concepts.
        dropout: On that layer.
        rate: Peak learning rate.
        decay: Weight decay.
        weight: How many times the expected CIDEr-D counts beside the agreement with other hypotheses.
        power: See `imagist.captioning.reranking.concepts.Concepts`.
    """

    epochs: NonNegativeInt = 0
    least_count: PositiveInt = 25
    members: PositiveInt = 4
    batch: PositiveInt = 128
    width: PositiveInt = 512
    dropout: PartialShare = 0.4
    rate: PositiveFloat = 2e-3
    decay: NonNegativeFloat = 0.1
    weight: NonNegativeFloat = 16.0
    power: Share = 0.5


@dataclass(frozen=True)
class Recipe:
    """One captioner, from data to bundle.

    Attributes:
        name: Of the bundle.
        data: What to learn from.
        backbone: The encoder.
        decoder: ``kind`` (a name of the registry that can be trained), maybe ``preset``, and arguments of its class.
        words: Phase 1.
        critical: Phase 2.
        concepts: Phase 3.
        search: How the bundle will caption; dev too, but for phases 1 and 2 where concepts are still to come.
        seed: Of everything that is drawn.
        device: ``auto``, or as torch names it.
        bf16: Multiply in bfloat16 where that is safe.
        small: The bundle multiplies bytes and stores halves, instead of float32.
    """

    name: str
    data: Data
    backbone: Backbone = field(default_factory=Backbone)
    decoder: Mapping[str, Any] = field(default_factory=lambda: {"kind": "attention"})
    words: Words = field(default_factory=Words)
    critical: Critical = field(default_factory=Critical)
    concepts: Detection = field(default_factory=Detection)
    search: Decoding = field(default_factory=Decoding)
    seed: int = 0
    device: str = "auto"
    bf16: bool = True
    small: bool = False
