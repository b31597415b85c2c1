"""The settings of a distillation, read from TOML by `imagist.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from imagist.errors import UsageError
from imagist.settings import PartialShare, PositiveShare, Share
from imagist.training.image_rows import ImageSource


@dataclass(frozen=True)
class Corpus:
    """One set of training images.

    Attributes:
        sources: Its files.
        share: Chance that an image of a batch comes from this corpus. The shares of all corpora sum to 1.
        views: V, how many views of each image the tail phase uses: the whole image and random crops.
    """

    sources: tuple[ImageSource, ...]
    share: PositiveShare = 1.0
    views: PositiveInt = 3


@dataclass(frozen=True)
class Data:
    """The images.

    Attributes:
        train: The corpora.
        dev: Images on which the student is compared with the teacher.
        dev_images: At most so many of them, evenly spaced.
        min_crop_area: Smallest crop, as a share of the image's area.
        coarse: Share of crops that are first reduced to 64-128 pixels, of images that are larger.
    """

    train: tuple[Corpus, ...]
    dev: tuple[ImageSource, ...]
    dev_images: PositiveInt = 200
    min_crop_area: PositiveShare = 0.35
    coarse: Share = 0.25

    def __post_init__(self) -> None:
        total = sum(corpus.share for corpus in self.train)
        if abs(total - 1) > 1e-6:
            raise UsageError(f"the shares of the corpora sum to {total:g}, not to 1", item="train")


@dataclass(frozen=True)
class Units:
    """The units phase.

    Attributes:
        images: Images that it uses, drawn from the corpora by their shares.
        steps: Steps for a unit, by the side of its input: the image's, its half, quarter, 8th, 16th and 32nd.
        batch_size: Images a step.
        learning_rate: Peak, after a linear warm-up; a cosine takes it down to a hundredth.
        warmup_steps: Steps of the warm-up.
        weight_decay: Weight decay of AdamW.
    """

    images: Annotated[int, Field(ge=20)] = 2000
    steps: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (
        1000, 700, 800, 1000, 1500, 1500,
    )  # fmt: skip
    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat = 5e-3
    warmup_steps: PositiveInt = 20
    weight_decay: NonNegativeFloat = 1e-4


@dataclass(frozen=True)
class Tail:
    """The tail phase.

    Attributes:
        steps: Steps of the phase.
        batch_size: Views a step.
        learning_rate: Peak, after a linear warm-up; a cosine takes it down to a hundredth.
        warmup_steps: Steps of the warm-up.
        weight_decay: Weight decay of AdamW.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Decay of the moving average of the weights, which is the result.
        class_weight: Weight of the divergence between the class probabilities of student and teacher, beside the
            squared error of the last map.
        save_every: Steps between checkpoints.
    """

    steps: PositiveInt = 2000
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 2e-3
    warmup_steps: PositiveInt = 200
    weight_decay: NonNegativeFloat = 1e-2
    max_grad_norm: PositiveFloat = 5.0
    ema_decay: PartialShare = 0.998
    class_weight: NonNegativeFloat = 0.2
    save_every: PositiveInt = 250


@dataclass(frozen=True)
class DistillationRecipe:
    """An encoder, from images and a teacher to its weights.

    Attributes:
        name: Of the encoder.
        data: The images.
        teacher: A safetensors file with the weights of timm's ``mobilenetv2_100``; a relative path is looked for in
            the data folder.
        image_size: S, height and width of the square input in pixels.
        units: The units phase.
        tail: The tail phase.
        seed: Of the weights, the order of the images and their crops.
    """

    name: str
    data: Data
    teacher: str
    image_size: Annotated[int, Field(ge=64, multiple_of=32)] = 224
    units: Units = field(default_factory=Units)
    tail: Tail = field(default_factory=Tail)
    seed: int = 0
