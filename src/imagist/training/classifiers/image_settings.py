"""The TOML table of an image classifier: its network, which layers of it are trained, and how.

`imagist.settings` reads it and reports every fault at once; each field is documented here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from imagist.classifiers.image.network import ViewName
from imagist.errors import SettingError
from imagist.settings import PartialShare, PositiveShare, Share


@dataclass(frozen=True)
class Pretrained:
    """A network with published weights, and how photos are prepared for it.

    Attributes:
        name: Of a timm model (``vgg16``, ``resnet50``, ``inception_v3``, ``mobilenetv2_100``, ``efficientnet_b0``), or
            ``torchvision:alexnet``.
        weights: A safetensors file with those of the whole network; none takes what is published under the name.
        options: Further arguments of the model, such as ``pad_type``.
        side: Photos are made square and so many pixels wide.
        mean: Of the pixels, 0 to 1, a channel; none takes what is published.
        std: The same of their spread.
        features: What a new last layer sees: ``penultimate``, what the network's own last layer saw (of AlexNet and
            VGG after two fully connected layers, 4,096 numbers), or ``pooled``, the mean of the last map (of these
            256 and 512). Networks that end in a pooling give the same for both.
        views: The views of a photo, as `imagist.images.views` names them; their predictions are averaged.
        mirror: Whether the mirror image of each view is a further view.
        device: ``auto``, or as torch names it.
    """

    name: str = "mobilenetv2_100"
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    side: Annotated[int, Field(ge=32)] = 224
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    features: Literal["penultimate", "pooled"] = "penultimate"
    views: ViewName = "square"
    mirror: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class LabelMap:
    """An ImageNet classifier as it is; its labels are summed into categories. Nothing is learnt.

    Attributes:
        taxonomy: Over ImageNet's labels: built-in (``imagenet/photos15``, ``imagenet/sns4``, ``imagenet/social12``), or
            a TOML file.
        kind: Tells this table from those of other classifiers.
        network: Trained on ImageNet-1k.
    """

    taxonomy: str
    kind: Literal["labelmap"] = "labelmap"
    network: Pretrained = field(default_factory=Pretrained)

    def __post_init__(self) -> None:
        if self.network.features != "penultimate":
            raise SettingError(
                "a label map keeps the network's own last layer, which pooled features do not fit",
                item="network",
                remedy='features = "penultimate"',
            )


@dataclass(frozen=True)
class Linear:
    """A new last layer over a frozen network (transfer learning as in Donahue et al. 2014, "DeCAF").

    Attributes:
        kind: Tells this table from those of other classifiers.
        network: Frozen; its features are computed once and kept on disk.
        solver: ``adam`` or ``sgd`` (with momentum 0.9) by steps over small batches, or ``lbfgs``, which finds the
            optimum at once.
        steps: Of ``adam`` and ``sgd``.
        batch_size: Photos a step of theirs.
        learning_rate: Their learning rate; ``sgd`` wants about 0.01.
        eval_every: Steps of theirs that count as an epoch in the history; dev is evaluated after each.
        penalty: Of ``lbfgs``, on the squared weights; none chooses it, and a temperature, by dev's likelihood.
    """

    kind: Literal["linear"] = "linear"
    network: Pretrained = field(default_factory=Pretrained)
    solver: Literal["adam", "sgd", "lbfgs"] = "adam"
    steps: PositiveInt = 3000
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-3
    eval_every: PositiveInt = 100
    penalty: NonNegativeFloat | None = None


@dataclass(frozen=True)
class Finetuned:
    """The whole network, trained further with AdamW on varied views; batch norms keep their statistics.

    Attributes:
        kind: Tells this table from those of other classifiers.
        network: Where it begins, with a new last layer.
        epochs: Most passes over train.
        patience: Epochs without a better dev accuracy (equal ones: loss) after which it ends, with the best weights;
            0, or no dev, goes through all epochs and keeps the last ones.
        batch_size: Photos a step, over all processes.
        learning_rate: Peak learning rate of the last layer; a cosine takes all rates down to a hundredth.
        body_share: Peak learning rate of all other layers as a share of that.
        warmup_share: Share of the steps in which the rates rise.
        weight_decay: Weight decay.
        smoothing: Of the labels (Szegedy et al. 2016).
        mixup: Alpha of the beta distribution that two photos are mixed by (Zhang et al. 2018); 0 mixes none.
        ema_decay: Decay of the moving average of the weights (EMA), which is what dev sees and what is kept.
        clip: Longest gradient.
        min_crop_area: Smallest share of a photo that a crop keeps.
        colour: How far brightness, contrast and saturation may go off, as a share.
    """

    kind: Literal["finetuned"] = "finetuned"
    network: Pretrained = field(default_factory=Pretrained)
    epochs: PositiveInt = 20
    patience: NonNegativeInt = 4
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-3
    body_share: Share = 0.1
    warmup_share: PartialShare = 0.1
    weight_decay: NonNegativeFloat = 1e-2
    smoothing: PartialShare = 0.1
    mixup: NonNegativeFloat = 0.2
    ema_decay: PartialShare = 0.99
    clip: PositiveFloat = 1.0
    min_crop_area: PositiveShare = 0.35
    colour: Share = 0.2
