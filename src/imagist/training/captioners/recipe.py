"""The recipe of a captioner, as its TOML file holds it: data, backbone, decoder, training phases, search.

`imagist.settings.read` validates the file. See ``configs/captioners`` for complete recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from imagist.captioning.decoding import Decoding
from imagist.datasets.source import Source
from imagist.errors import UsageError
from imagist.settings import PartialShare, PositiveShare, Share
from imagist.training.captioners.class_names import ClassNames
from imagist.training.captioners.label_sentences import LabelSentences
from imagist.training.image_rows import ImageSource


@dataclass(frozen=True)
class LabelledCorpus:
    """Images that have a label instead of captions; a caption is sampled from the label at each step.

    Attributes:
        sources: Labelled files.
        share: Images of this corpus in a batch, relative to those of ``train``.
        views: V, views of each image.
    """

    sources: tuple[Source, ...]
    share: PositiveFloat = 1.0
    views: PositiveInt = 1


@dataclass(frozen=True)
class UnlabelledCorpus:
    """Images without captions and labels, named by the encoders' own classes.

    An image is named by the class or the everyday word that is `worth` most
    (`imagist.captioning.hedging`). Images for which nothing is worth enough are left out.

    Attributes:
        sources: Tables, folders or shards of images.
        share: Images of this corpus in a batch, relative to those of ``train``.
        views: V, views of each image.
        wrong: What is lost where a word is wrong. The more, the sooner a general word is preferred.
        least_worth: Of the word that names an image, up to 1.
    """

    sources: tuple[ImageSource, ...]
    share: PositiveFloat = 1.0
    views: PositiveInt = 1
    wrong: NonNegativeFloat = 0.2
    least_worth: float = 0.1


@dataclass(frozen=True)
class TextCorpus:
    """Sentences without images, in which the names of classes are looked for; needs a decoder of the kind ``naming``.

    Attributes:
        sources: Text files of a sentence a line, or JSON files as COCO's captions (``annotations[].caption``).
        share: Sentences in a batch, relative to the images of ``train``.
        min_count: Words that occur this often in them are in the vocabulary.
        min_words: Sentences of fewer words are left out.
        max_words: Sentences of more words are left out.
        persons: Share of the sentences with persons that are kept: captions of images speak enough of them.
        repeats: Times that a sentence without persons is taken, each time with other classes.
        specific: Share of the everyday words, such as dog, that are replaced by the name of a class.
        framed: Sentences made of each class's names.
        exchanged: Sentences about another class of the same kind in which each class takes its place.
    """

    sources: tuple[str, ...]
    share: PositiveFloat = 1.0
    min_count: PositiveInt = 12
    min_words: PositiveInt = 5
    max_words: PositiveInt = 18
    persons: Share = 0.4
    repeats: PositiveInt = 2
    specific: Share = 0.6
    framed: NonNegativeInt = 24
    exchanged: NonNegativeInt = 16


@dataclass(frozen=True)
class Data:
    """Training data. Relative paths are resolved in the data folder (``--data``).

    Attributes:
        train: Files of captions to train on (see `imagist.datasets.captions.read` for formats).
        labelled: Further corpora, of images with labels instead of captions.
        label_sentences: Makes captions from their labels.
        unlabelled: Further corpora, of images without captions and labels.
        sentences: Text without images.
        class_names: Names of the classes in sentences, and of those that an encoder recognises in unlabelled images.
        nobody: Images without persons. From them, from labels and from what captions speak of it is learnt where
            somebody is to be seen.
        nobody_images: At most so many of each source, evenly spaced.
        dev: Files of captions for evaluation during training.
        language: ISO 639-1 code of the captions.
        languages: Further languages, from the files' translations; one decoder is trained for all of them.
        min_count: Words that occur less often in train are unknown.
        max_length: Captions are cut to this number of words.
    """

    train: tuple[Source, ...]
    dev: tuple[Source, ...]
    language: str = "en"
    languages: tuple[str, ...] = ()
    labelled: tuple[LabelledCorpus, ...] = ()
    label_sentences: LabelSentences | None = None
    unlabelled: tuple[UnlabelledCorpus, ...] = ()
    sentences: TextCorpus | None = None
    class_names: ClassNames | None = None
    nobody: tuple[ImageSource, ...] = ()
    nobody_images: PositiveInt = 3500
    min_count: PositiveInt = 4
    max_length: PositiveInt = 20

    def __post_init__(self) -> None:
        if self.labelled and self.label_sentences is None:
            raise UsageError("missing; labelled corpora need it", item="label_sentences")
        if (self.unlabelled or self.sentences) and self.class_names is None:
            raise UsageError("missing; unlabelled corpora and sentences need it", item="class_names")

    def shares(self) -> tuple[float, ...]:
        """Images of each corpus in a batch, relative to those of ``train``: of it, the labelled and the unlabelled."""
        return 1.0, *(each.share for each in self.labelled), *(each.share for each in self.unlabelled)


@dataclass(frozen=True)
class Alternative:
    """Another encoder of the same feature space.

    Attributes:
        name: As of `Backbone`, for this and what follows.
        weights: Its weights.
        options: Of its class.
        mean: Of each channel, subtracted from pixels of 0 to 1.
        std: Of each channel, which pixels are divided by.
    """

    name: str
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Backbone:
    """The encoder, and the views of each image that it encodes.

    Attributes:
        name: A timm model, ``torchvision:alexnet``, or ``imagist:efficientnet-lite0``, which ``imagist train encoder``
            trains.
        weights: A safetensors file; by default the weights that timm publishes.
        options: Further arguments of the model, such as ``pad_type``.
        image_size: Height and width of the square input, in pixels.
        mean: Mean of the pixels per channel, 0 to 1; by default timm's.
        std: Standard deviation of the pixels per channel; by default timm's.
        views: V, views of each training image: the whole image, its mirror image, then random crops.
        mirror: Make the mirror image the second view.
        min_crop_area: Smallest crop, as a share of the image's area.
        coarse: Share of crops that are first reduced to 64-128 pixels, of images that are larger. It makes corpora of
            different sharpness alike.
        finetune: Train the encoder too. Its features are then not cached.
        learning_rate_factor: The encoder's learning rate, as a multiple of the decoder's.
        alternatives: Further encoders of its feature space. At each step the features of an image come from one of all
            encoders, drawn at random, so that the captioner works with any of them. The bundle has the first.
    """

    name: str = "mobilenetv2_100"
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    image_size: Annotated[int, Field(ge=32)] = 224
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    views: PositiveInt = 6
    mirror: bool = True
    min_crop_area: PositiveShare = 0.5
    coarse: Share = 0.0
    finetune: bool = False
    learning_rate_factor: PositiveFloat = 0.05
    alternatives: tuple[Alternative, ...] = ()

    def __post_init__(self) -> None:
        if self.alternatives and self.finetune:
            raise UsageError("goes with one encoder alone", item="finetune", remedy="leave out alternatives")

    def every(self) -> tuple[Backbone, ...]:
        """Each encoder with the same views: this one, then the alternatives."""
        return (
            replace(self, alternatives=()),
            *(replace(self, **vars(each), alternatives=()) for each in self.alternatives),
        )


@dataclass(frozen=True)
class CorpusWeights:
    """Weights of the cross-entropy of each kind of corpus in a loss.

    Attributes:
        captioned: Of the captions of ``train``.
        named: Of labelled and unlabelled images, all of them together.
        text: Of sentences without images.
    """

    captioned: NonNegativeFloat = 1.0
    named: NonNegativeFloat = 0.5
    text: NonNegativeFloat = 0.5


@dataclass(frozen=True)
class CrossEntropy:
    """Phase 1: predict the next word (teacher forcing), with AdamW.

    Attributes:
        epochs: Maximum number of passes over train.
        patience: Stop after this number of evaluations without a better CIDEr on dev; 0 never stops early.
        first_eval: Share of the steps before the first evaluation on dev; then one follows each epoch.
        batch_size: Images per step, over all processes.
        captions_per_image: Captions of each image per step; the image is encoded once for all of them.
        learning_rate: Peak learning rate, after a linear warm-up; a cosine decreases it to a hundredth.
        warmup_steps: Steps of the warm-up.
        weight_decay: Weight decay.
        label_smoothing: Share of the target that is spread over all words (Szegedy et al. 2016).
        word_dropout: Share of the input words that are replaced by the unknown word (Bowman et al. 2016).
        doubly_stochastic_weight: Weight of the doubly stochastic attention penalty (Xu et al. 2015, equation 14).
        weights: Weights of the corpora.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Decay of the exponential moving average of the weights, which is evaluated and kept.
    """

    epochs: PositiveInt = 12
    patience: NonNegativeInt = 4
    first_eval: Share = 0.3
    batch_size: PositiveInt = 24
    captions_per_image: PositiveInt = 5
    learning_rate: PositiveFloat = 1e-3
    warmup_steps: PositiveInt = 200
    weight_decay: NonNegativeFloat = 1e-2
    label_smoothing: Share = 0.1
    word_dropout: Share = 0.0
    doubly_stochastic_weight: NonNegativeFloat = 0.0
    weights: CorpusWeights = CorpusWeights()
    max_grad_norm: PositiveFloat = 1.0
    ema_decay: Share = 0.995


@dataclass(frozen=True)
class NamingReward:
    """Reward in phase 2 of captions that have no references: of the labelled and the unlabelled images.

    A caption is worth what the best of its names and everyday words is `worth`, by the encoders' class probabilities.

    Attributes:
        share: Images in a step, relative to ``batch_size``; 0 leaves the reward out.
        weight: Of the loss.
        temperature: As of phase 2, for these images.
        wrong: As of `UnlabelledCorpus`.
        unseen: What is lost for each name of which no part of the image shows anything.
        invented: What is lost for words for persons where nobody is to be seen.
        person: Specificity of words for persons, 0 to 1.
        unfinished: What is lost where a caption is too long or ends like *a photo of a*.
    """

    share: NonNegativeFloat = 0.0
    weight: NonNegativeFloat = 2.0
    temperature: PositiveFloat = 0.8
    wrong: NonNegativeFloat = 0.2
    unseen: NonNegativeFloat = 0.15
    invented: NonNegativeFloat = 0.6
    person: Share = 0.35
    unfinished: NonNegativeFloat = 0.6


@dataclass(frozen=True)
class HedgingSettings:
    """How the captioner says less where its encoder is not sure; see `imagist.captioning.hedging`.

    Attributes:
        margin: By how much a general word must be `worth` more than the name of a class.
        wrong: As of `UnlabelledCorpus`.
        invented: What a hypothesis about persons loses, as log-probability per word, where nobody is to be seen.
    """

    margin: NonNegativeFloat = 0.09
    wrong: NonNegativeFloat = 0.2
    invented: NonNegativeFloat = 0.9


@dataclass(frozen=True)
class SelfCritical:
    """Phase 2: self-critical sequence training on CIDEr-D.

    Attributes:
        steps: Number of steps; 0 skips the phase.
        batch_size: Images per step, over all processes.
        samples_per_image: Captions sampled for each image.
        temperature: Of the sampling and of the policy that is trained. Training with label smoothing leaves a flat
            distribution: at temperature 1 its samples are much worse than the captions of a search, and the reward
            first shortens the captions.
        patch_keep_rate: Replaces the decoder's ``patch_keep_rate`` in this phase. With fewer cells the decoder cannot
            recognise training images that it memorised in phase 1.
        learning_rate: Peak learning rate.
        warmup_steps: Steps of the warm-up.
        eval_every: Steps between evaluations on dev.
        bleu_weight: Weight of BLEU-4 in the reward; CIDEr-D alone favours short captions.
        cross_entropy_weight: Weight of the cross-entropy loss of phase 1, which is added to the loss.
        weights: Weights of the corpora in that loss.
        naming: Reward of the captions of further images.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Decay of the moving average of the weights.
    """

    steps: NonNegativeInt = 0
    batch_size: PositiveInt = 24
    samples_per_image: Annotated[int, Field(ge=2)] = 5
    temperature: PositiveFloat = 1.0
    patch_keep_rate: PositiveShare | None = None
    learning_rate: PositiveFloat = 1e-4
    warmup_steps: PositiveInt = 50
    eval_every: PositiveInt = 200
    bleu_weight: NonNegativeFloat = 0.0
    cross_entropy_weight: NonNegativeFloat = 0.0
    weights: CorpusWeights = CorpusWeights()
    naming: NamingReward = NamingReward()
    max_grad_norm: PositiveFloat = 1.0
    ema_decay: Share = 0.99


@dataclass(frozen=True)
class ConceptDetection:
    """Phase 3: an ensemble that detects concepts in an image, to rerank caption hypotheses (``search.mbr``).

    Attributes:
        epochs: Passes of each member over train; 0 skips the phase.
        min_count: A phrase is a concept if it occurs in this number of train captions.
        members: Networks in the ensemble; their mean is used.
        batch_size: Images per step.
        hidden_size: Units of the hidden layer.
        dropout: On the hidden layer.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay.
        weight: Weight of the expected CIDEr-D relative to the similarity to other hypotheses.
        power: See `imagist.captioning.reranking.concepts.Concepts`.
    """

    epochs: NonNegativeInt = 0
    min_count: PositiveInt = 25
    members: PositiveInt = 4
    batch_size: PositiveInt = 128
    hidden_size: PositiveInt = 512
    dropout: PartialShare = 0.4
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.1
    weight: NonNegativeFloat = 16.0
    power: Share = 0.5


@dataclass(frozen=True)
class Recipe:
    """A captioner, from data to bundle.

    Attributes:
        name: Name of the bundle.
        data: Training data.
        backbone: The encoder.
        decoder: ``kind`` (a trainable captioner of the registry), optional ``preset``, and arguments of its class.
        cross_entropy: Phase 1.
        self_critical: Phase 2.
        concepts: Phase 3.
        hedging: How the bundle says less where its encoder is not sure; needs `Data.class_names` and an encoder with
            classes. Without it the captioner says what it found.
        search: How the bundle decodes captions; evaluations on dev use it too, except that those of phases 1 and 2
            use a plain search where phase 3 follows.
        seed: Seed of all random numbers.
        device: ``auto``, or a torch device.
        bf16: Compute matrix products in bfloat16 where that is safe.
        quantize: Store the bundle in int8 and float16 instead of float32; the encoder must be one of convolutions.
    """

    name: str
    data: Data
    backbone: Backbone = field(default_factory=Backbone)
    decoder: Mapping[str, Any] = field(default_factory=lambda: {"kind": "attention"})
    cross_entropy: CrossEntropy = field(default_factory=CrossEntropy)
    self_critical: SelfCritical = field(default_factory=SelfCritical)
    concepts: ConceptDetection = field(default_factory=ConceptDetection)
    hedging: HedgingSettings | None = None
    search: Decoding = field(default_factory=Decoding)
    seed: int = 0
    device: str = "auto"
    bf16: bool = True
    quantize: bool = False
