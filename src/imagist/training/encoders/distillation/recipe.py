"""The settings of a distillation, read from TOML by `imagist.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from imagist.errors import UsageError
from imagist.settings import PartialShare, PositiveShare, Share
from imagist.training.image_rows import ImageSource

Side = Annotated[int, Field(ge=32, multiple_of=32)]
"""Height and width of a square input, in pixels."""

Sides = Annotated[tuple[Side, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Corpus:
    """One set of training images.

    Attributes:
        sources: Its files.
        share: Share of the images of a batch that come from this corpus. The shares of all corpora sum to 1.
        side: Its images are kept in memory at this height and width, in pixels; by default the recipe's image_size.
    """

    sources: tuple[ImageSource, ...]
    share: PositiveShare = 1.0
    side: PositiveInt | None = None


@dataclass(frozen=True)
class Data:
    """The images.

    Attributes:
        train: The corpora.
        dev: Images on which the student's last map is compared with the teacher's.
        dev_images: At most so many of them, evenly spaced.
        classes: Images with their number among ImageNet's classes in the column ``index``, on which accuracy is
            measured; there need be none.
    """

    train: tuple[Corpus, ...]
    dev: tuple[ImageSource, ...]
    dev_images: PositiveInt = 200
    classes: tuple[ImageSource, ...] = ()

    def __post_init__(self) -> None:
        total = sum(corpus.share for corpus in self.train)
        if abs(total - 1) > 1e-6:
            raise UsageError(f"the shares of the corpora sum to {total:g}, not to 1", item="train")


@dataclass(frozen=True)
class Augmentation:
    """How the images of a batch are changed. Colours change, too, and half of the images are mirrored.

    Attributes:
        whole: Share of images that are not cropped.
        min_crop_area: Smallest crop, as a share of the image's area.
        mixup: Share of images that another one is mixed into.
        cutmix: Share of images in which a square of another one replaces a part; with ``mixup`` at most 1.
    """

    whole: Share = 0.25
    min_crop_area: PositiveShare = 0.15
    mixup: Share = 0.35
    cutmix: Share = 0.2

    def __post_init__(self) -> None:
        if self.mixup + self.cutmix > 1:
            raise UsageError(f"with mixup {self.mixup + self.cutmix:g}, more than 1", item="cutmix")


@dataclass(frozen=True)
class Phase:
    """A phase; these are the defaults of phase 1, *stages*.

    The error of a map is in units of the variance of the teacher's map. A divergence is the Kullback-Leibler divergence
    of the student's class probabilities from the teacher's, in nats.

    Attributes:
        steps: Steps of the phase.
        image_sizes: Sides of the input; each serves an equal part of the steps, in this order.
        map_weights: Weight of the errors of all maps but the last: at first, from where it decreases linearly, and at
            least.
        last_map_weight: Weight of the error of the last map.
        class_weight: Weight of the divergence by the student's own head.
        teacher_head_weight: Weight of the divergence by the teacher's head over the student's last map.
    """

    steps: PositiveInt = 1600
    image_sizes: Sides = (160,)
    map_weights: tuple[NonNegativeFloat, NonNegativeFloat] = (1.0, 1.0)
    last_map_weight: NonNegativeFloat = 1.0
    class_weight: NonNegativeFloat = 0.2
    teacher_head_weight: NonNegativeFloat = 0.0


@dataclass(frozen=True)
class Whole(Phase):
    """Phase 2, with the attributes of `Phase`."""

    steps: PositiveInt = 2600
    image_sizes: Sides = (160, 160, 224)
    map_weights: tuple[NonNegativeFloat, NonNegativeFloat] = (0.5, 0.05)
    last_map_weight: NonNegativeFloat = 1.5
    class_weight: NonNegativeFloat = 0.5
    teacher_head_weight: NonNegativeFloat = 0.5


@dataclass(frozen=True)
class Optimization:
    """Of both phases, each with an AdamW and a schedule of its own.

    Attributes:
        batch_size: Images a step.
        learning_rate: Peak, after a linear warm-up; a cosine takes it down to a hundredth.
        warmup_steps: Steps of the warm-up.
        weight_decay: Of matrices and kernels.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Decay of the moving average of the weights, which is the result.
        save_every: Steps between checkpoints.
    """

    batch_size: Annotated[int, Field(ge=2)] = 256
    learning_rate: PositiveFloat = 2e-3
    warmup_steps: PositiveInt = 200
    weight_decay: NonNegativeFloat = 1e-4
    max_grad_norm: PositiveFloat = 5.0
    ema_decay: PartialShare = 0.998
    save_every: PositiveInt = 200


@dataclass(frozen=True)
class DistillationRecipe:
    """An encoder, from images and a teacher to its weights.

    Attributes:
        name: Of the encoder.
        data: The images.
        teacher: A safetensors file with the weights of timm's ``tf_efficientnet_lite0``; a relative path is looked for
            in the data folder.
        image_size: Side at which images are kept in memory and the encoder is measured.
        augmentation: How images are changed.
        stages: Phase 1.
        whole: Phase 2.
        optimization: Of both phases.
        device: ``auto``, or a torch device.
        seed: Of the weights, the choice of images and their changes.
    """

    name: str
    data: Data
    teacher: str
    image_size: Side = 224
    augmentation: Augmentation = field(default_factory=Augmentation)
    stages: Phase = field(default_factory=Phase)
    whole: Whole = field(default_factory=Whole)
    optimization: Optimization = field(default_factory=Optimization)
    device: str = "auto"
    seed: int = 0
