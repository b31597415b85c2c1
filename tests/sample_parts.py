"""Small parts of every kind that imagist brings; those of a name differ in a weight or a setting.

Each function takes a folder that it may write to. The parts fit together: classifiers have the labels `LABELS`, and
the image classifier that others need is over the encoder that ships.
"""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np

from imagist import registry
from imagist.bundle import ENCODER, SHIPPED, open_folder
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.classifiers.calibration import Temperature, TemperatureCalibration
from imagist.classifiers.fusion import FeatureFusion, FeedForward, LogitFusion, ScoreFusion, StackedFusion
from imagist.classifiers.image.distilled import DistilledClassifier
from imagist.classifiers.image.labelmap import LabelMapClassifier
from imagist.classifiers.image.linear import LinearClassifier
from imagist.classifiers.matched import zero_shot
from imagist.classifiers.taxonomy import Taxonomy, identity
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.classifiers.uniform import Uniform
from imagist.images.encoder import Encoder
from imagist.matching.prompts import Descriptions
from imagist.pipeline import Pipeline, load
from imagist.protocols import PartOptions
from imagist.records import LabelSet

LABELS = LabelSet(("cat", "dog", "car"))
OTHER = LabelSet(("cat", "dog", "bus"))
FINE = LabelSet(("tabby", "lynx", "beagle", "truck"))
NGRAMS = ("a", "a man", "dog", "in", "is", "man", "of", "on", "the", "white", "woman")
DECODING = Decoding(2, max_length=6)


def pipeline():
    """One of the captioner that ships and small parts, into which others are put."""
    captioner = load(threads=1, encoder="embedded").captioner
    image = linear_over(captioner.encoder, 1)
    return Pipeline(captioner, text_classifier(1), image, identity(LABELS), ScoreFusion(0.25))


def captioners(folder):
    """``{name: several captioners}``."""
    trained = {"attention": "attention-sat", "lstm": "lstm-merge", "naming": "naming", "transformer": "transformer"}
    trained["prefix-gpt2"] = "prefix-gpt2-bpe"
    made = {name: (lambda tiny=tiny: _trained(folder / tiny, tiny)) for name, tiny in trained.items()}
    for name, language in (("blip", ()), ("git", ()), ("blip2", ("opt",))):
        made[name] = lambda name=name, language=language: _published(folder / f"{name}-seeds", name, name, *language)
    made["vlm"] = lambda: _published(folder / "vlm-seeds", "vlm", "qwen2_vl")
    made["endpoint"] = _endpoints
    made["interrogator"] = lambda: [*_interrogators(folder / "interrogators")]
    made["recorded"] = lambda: [
        open_captioner(_table(folder / f"{n}.csv", n), CaptionOptions(), kind="recorded") for n in (1, 2)
    ]
    return made


def _endpoints():
    from chat_servers import ChatServer

    model = ChatServer().__enter__().model  # until the tests end
    changes = [{}, {"prompt": "What is this?"}, {"side": 64}, {"max_tokens": 5}]
    options = CaptionOptions(DECODING)
    return [open_captioner(model, replace(options, settings=each), kind="endpoint") for each in changes]


def _trained(folder, tiny):
    import tiny_bundles

    if not folder.exists():
        tiny_bundles.write(folder, tiny)
    settings = [{}, {"beam": 1}, {"no_repeat_ngram_size": 2}, {"top_p": 0.9}, {"top_p": 0.9, "seed": 1}]
    opened = [open_captioner(folder, CaptionOptions(replace(Decoding(), **each))) for each in settings]
    return [*opened, open_captioner(folder, CaptionOptions(views="letterbox"))]


def _published(folder, kind, network, *language):
    import tiny_checkpoints

    models = [getattr(tiny_checkpoints, network)(folder / str(seed), *language, seed=seed) for seed in (0, 1)]
    opened = [open_captioner(model, CaptionOptions(DECODING), kind=kind) for model in models]
    others = [replace(DECODING, length_penalty=0.0), replace(DECODING, no_repeat_ngram_size=2)]
    return opened + [open_captioner(models[0], CaptionOptions(each), kind=kind) for each in others]


def _interrogators(folder):
    from imagist.captioning.interrogation.interrogator import Interrogator
    from imagist.captioning.interrogation.settings import InterrogationSettings
    from imagist.matching.phrases import PhraseTables

    folder.mkdir(exist_ok=True)
    captioner = open_captioner(_table(folder / "captions.csv", 1), CaptionOptions(), kind="recorded")
    matcher = embedded_matcher(folder / "matcher")
    few = PhraseTables({"flavors": ("red", "a white dog"), "artists": ("by a man",), "negative": ("car",)})
    settings = {mode: InterrogationSettings(mode, min_phrases=1) for mode in ("classic", "best", "tags")}
    for mode, tables in (*((mode, few) for mode in settings), ("classic", PhraseTables({"flavors": ("bus",)}))):
        yield Interrogator(captioner, matcher, tables, settings[mode])


def _table(file, number):
    """Captions of all images of the fixture ``photos``."""
    names = ["noise", "gradient", "disc", "stripes", "panorama", "tower", "black", "dot"]
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["source", "caption"])
        writer.writerows([name, f"a white {name} in a street of {number}"] for name in names)
    return file


def text_classifier(seed, labels=LABELS):
    rng = np.random.default_rng(seed)
    idf = np.linspace(1, 2, len(NGRAMS), dtype=np.float32)
    return TfidfClassifier(labels, NGRAMS, idf, *_layer(rng, len(NGRAMS), len(labels)))


def text_classifiers(folder):
    """``{name: several text classifiers}``."""
    return {
        "matched": lambda: [text for text, _ in _matched(folder)],
        "tfidf": lambda: [text_classifier(1), text_classifier(2), text_classifier(1, OTHER)],
        "transformer": lambda: _transformers(folder),
        "uniform": lambda: [Uniform(LABELS), Uniform(OTHER)],
    }


def _transformers(folder):
    import torch
    import transformers

    import tiny_checkpoints
    from imagist.classifiers.text.transformer import Reading, begin

    tokenizer = tiny_checkpoints.bert_tokenizer()
    torch.manual_seed(1)
    config = transformers.BertConfig(**tiny_checkpoints.SMALL, vocab_size=len(tokenizer), max_position_embeddings=40)
    transformers.BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    made = []
    for seed, labels, reading in (
        (1, LABELS, Reading()),
        (2, LABELS, Reading()),
        (1, OTHER, Reading()),
        (1, LABELS, Reading("cls")),
    ):
        classifier = begin(str(folder / "bert"), labels, reading)
        torch.manual_seed(seed)
        torch.nn.init.normal_(classifier.network.layer.weight)
        made.append(classifier)
    return made


def linear_over(encoder, seed, labels=LABELS, normalised=False):
    return LinearClassifier(labels, encoder, *_layer(np.random.default_rng(seed), 1280, len(labels)), normalised)


def image_classifiers(folder):
    """``{name: several image classifiers}``."""

    def linear():
        encoder = Encoder(open_folder(SHIPPED / "embedded" / ENCODER))
        changes = [(1,), (2,), (1, OTHER), (1, LABELS, True)]
        return [linear_over(encoder, *change) for change in changes]

    def distilled():
        one, other, *_ = linear()
        students = [_network(seed, 1280, 3) for seed in (1, 2)]
        changes = [(LABELS, one, students[0]), (LABELS, one, students[1]), (LABELS, other, students[0])]
        return [DistilledClassifier(*change) for change in [*changes, (OTHER, one, students[0])]]

    def labelmap():
        taxonomies = [
            Taxonomy("pets", LABELS, {"cat": cats, "dog": ("beagle",), "car": ("truck",)})
            for cats in (("tabby", "lynx"), ("tabby",))
        ]
        one, other = (_networks(FINE, seed) for seed in (1, 2))
        return [LabelMapClassifier(network, each) for network in (one, other) for each in taxonomies]

    def network():
        changes = [(LABELS, 1), (LABELS, 2), (OTHER, 1), (LABELS, 1, "crops"), (LABELS, 1, "square", True)]
        return [_networks(*change) for change in changes]

    return {
        "distilled": distilled,
        "labelmap": labelmap,
        "linear": linear,
        "matched": lambda: [image for _, image in _matched(folder)],
        "network": network,
        "uniform": lambda: [Uniform(LABELS), Uniform(OTHER)],
    }


def _networks(labels, seed, views="square", mirror=False):
    import torch

    from imagist.classifiers.image.network import Architecture, NetworkClassifier, untrained

    torch.manual_seed(seed)
    network = untrained(Architecture("test_resnet", side=48), len(labels))
    torch.nn.init.normal_(network.last.weight)
    return NetworkClassifier(network, labels, views=views, mirror=mirror)


def fusions(folder):
    """``{name: several fusions}``."""

    def stacking():
        one, other = (_layer(np.random.default_rng(seed), 6, 3) for seed in (1, 2))
        return [StackedFusion(*one), StackedFusion(*other), StackedFusion(*one, LABELS)]

    def features():
        return [FeatureFusion(_network(seed, 1280 + len(NGRAMS), 3), 1280, LABELS) for seed in (1, 2)]

    return {
        "features": features,
        "logit": lambda: [LogitFusion(0.5, 1.25), LogitFusion(0.5, 0.25), LogitFusion(0.25, 1.25)],
        "score": lambda: [ScoreFusion(0.3, (0.1, 0.5)), ScoreFusion(0.4)],
        "stacking": stacking,
    }


def calibrations(folder):
    """``{name: several calibrations}``."""
    one, other = Temperature(0.7), Temperature(1.4)
    return {
        "temperature": lambda: [
            TemperatureCalibration(one, other, one),
            TemperatureCalibration(other, other, one),
            TemperatureCalibration(one, one, one),
            TemperatureCalibration(one, other, other),
        ]
    }


def matchers(folder):
    """``{name: several matchers}``."""

    def published(kind):
        import tiny_matchers

        models = [getattr(tiny_matchers, kind)(folder / f"matcher-{kind}{seed}", seed=seed) for seed in (0, 1)]
        return [registry.find("matchers", kind)(str(model), PartOptions()) for model in models]

    return {
        "clip": lambda: published("clip"),
        "embedded": lambda: [embedded_matcher(folder / f"matcher{seed}", seed) for seed in (0, 1)],
        "open_clip": lambda: published("open_clip"),
    }


def embedded_matcher(folder, seed=0, *, views="square", long_texts="window", **card):
    """A small one over the encoder that ships."""
    import tiny_matchers
    from imagist.matching.backends.embedded import EmbeddedMatcher

    part = open_folder(tiny_matchers.embedded(folder, seed, **card))
    return EmbeddedMatcher(
        part, Encoder(open_folder(SHIPPED / "embedded" / ENCODER), views=views), long_texts=long_texts
    )


def matched_pipeline(matcher, labels=LABELS):
    """One of the captioner that ships and classifiers of categories by name."""
    text, image = zero_shot(matcher, Descriptions(labels))
    captioner = load(threads=1).captioner
    return Pipeline(captioner, text, image, identity(text.labels), ScoreFusion(0.25), matcher=matcher)


def _matched(folder):
    changes = [(0, LABELS, {}), (1, LABELS, {}), (0, OTHER, {}), (0, LABELS, {"dog": ("a big white dog",)})]
    for number, (seed, labels, told) in enumerate(changes):
        matcher = embedded_matcher(folder / f"matched{number}", seed)
        yield zero_shot(matcher, Descriptions(labels, told))


KINDS = {
    "captioners": captioners,
    "text_classifiers": text_classifiers,
    "image_classifiers": image_classifiers,
    "fusions": fusions,
    "calibrations": calibrations,
    "matchers": matchers,
}
NEED_TORCH = {
    "attention",
    "blip",
    "blip2",
    "clip",
    "embedded",
    "git",
    "labelmap",
    "interrogator",
    "lstm",
    "matched",
    "naming",
    "network",
    "vlm",
}
NEED_TORCH |= {"open_clip", "prefix-gpt2", "transformer"}


def _layer(rng, inputs, outputs):
    matrix = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
    return matrix.astype(np.float32), rng.normal(size=outputs).astype(np.float32)


def _network(seed, inputs, classes):
    rng = np.random.default_rng(seed)
    return FeedForward((_layer(rng, inputs, 4), _layer(rng, 4, classes)))
