"""Trains a captioner from a recipe: ``imagist train caption CONFIG.toml``.

`train` reads top to bottom: data, encoder, features, vocabulary, decoder, training phases, bundle, evaluation on dev.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from imagist.arrays import Pixels
from imagist.bundle import trained_on, write_trained_on
from imagist.captioning.decoding import Decoding
from imagist.datasets.captions import read_all
from imagist.datasets.entries import Record
from imagist.datasets.near_duplicates import hashes
from imagist.errors import UsageError
from imagist.images.photo import photo_of
from imagist.images.views import square
from imagist.metrics.captions import bleu_of_rows, bleu_rows, rouge_l_items
from imagist.metrics.cider import CiderD
from imagist.metrics.significance import Interval, bootstrap_interval, mean_interval
from imagist.training.captioners.class_sentences import NamesOfClasses
from imagist.training.captioners.concepts import Reranker, train_concepts
from imagist.training.captioners.context import LogMetrics, TrainingContext, ignore_metrics
from imagist.training.captioners.corpora import (
    Encoding,
    corpus_of,
    grid_shape,
    learnt_images,
    named_corpora,
    open_encoding,
)
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.evaluator import CaptionEvaluator, CaptionModel
from imagist.training.captioners.hedging_files import hedging_files
from imagist.training.captioners.naming_reward import judged_images
from imagist.training.captioners.persons import PersonDetector, person_detector
from imagist.training.captioners.phases import train_phases
from imagist.training.captioners.recipe import Data, Recipe
from imagist.training.captioners.texts import Texts, read_texts
from imagist.training.captioners.vocabulary import Vocabulary, WordVocabulary, build_vocabulary
from imagist.training.devices import device_of
from imagist.training.encoders.backbone import open_class_head
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.export import bundle as assemble
from imagist.training.networks.build import build, published_of
from imagist.training.networks.decoder import CaptionDecoder
from imagist.training.networks.naming import NamingDecoder

log = logging.getLogger("imagist.training")

SAMPLES = 20  # dev images in the report
PARITY = 200  # dev images on which the export is compared with the torch modules
CALIBRATION = 100  # train images on which a quantized bundle's activations are measured


@dataclass(frozen=True)
class Sample:
    """An image of dev with its references, and the captioner's caption in each language."""

    pixels: Pixels
    name: str
    captions: Mapping[str, str]
    references: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """The result of a training.

    Attributes:
        folder: Folder of the run; its subfolder ``bundle`` is the model.
        measured: Metrics on dev with intervals, parity of the export, parameters, minutes.
        samples: The first images of dev.
    """

    folder: Path
    measured: Mapping[str, Any]
    samples: tuple[Sample, ...]


def train(
    recipe: Recipe, data: Path, folder: Path, features: Path, log_metrics: LogMetrics = ignore_metrics
) -> Outcome | None:
    """Trains a captioner, or resumes from the checkpoints in ``folder``.

    Args:
        recipe: Data, networks and settings.
        data: Folder in which the recipe's relative paths are resolved.
        folder: Receives checkpoints and the bundle.
        features: Cache of frozen encoders' features, shared by recipes.
        log_metrics: Receives phase, step and metrics during the training.

    Returns:
        The result; None in every process but the first.

    Raises:
        DataError: The data has faults; the message lists all of them.
        UsageError: The recipe's settings contradict each other or the data.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    device = device_of(recipe.device)
    accelerator = Accelerator(cpu=device.type == "cpu")

    named_sources = {"train": recipe.data.train, "dev": recipe.data.dev}
    splits = {split: [source.within(data) for source in sources] for split, sources in named_sources.items()}
    records = read_all(splits, languages=recipe.data.languages)
    encoding = open_encoding(recipe.backbone, data, features, device)
    encoder = encoding.encoders[0]
    if recipe.quantize:
        _check_convolutions(encoder, recipe.backbone.name)
    with accelerator.main_process_first():
        corpus = corpus_of(recipe.data, records["train"], encoding.features(records["train"], recipe.backbone.views))
        dev = corpus_of(recipe.data, records["dev"], encoding.whole(records["dev"]))
        named = named_corpora(recipe, encoding)
        detector = person_detector(recipe, encoding, [corpus, *named[: len(recipe.data.labelled)]])
        judged = judged_images(recipe, encoding, detector)
    texts = read_texts(recipe.data, data, recipe.seed)

    vocabulary, decoder = build_decoder(recipe, [corpus, *named], texts, encoding)
    texts = texts.known_to(vocabulary) if texts else None
    model = CaptionModel(encoder if recipe.backbone.finetune else nn.Identity(), decoder).to(accelerator.device)
    evaluator = CaptionEvaluator(dev, vocabulary, _search_in_training(recipe))
    context = TrainingContext(
        [corpus, *named], vocabulary, recipe.data.max_length, evaluator, folder, accelerator,
        recipe.data.shares(), texts, recipe.data.sentences.share if recipe.data.sentences else 0.0, judged,
        recipe.seed, recipe.backbone.learning_rate_factor, recipe.bf16, log_metrics,
    )  # fmt: skip
    train_phases(model, context, recipe.cross_entropy, recipe.self_critical)
    if not accelerator.is_main_process:
        return None

    reranker = None
    if recipe.concepts.epochs:
        reranker = train_concepts(
            corpus, model.encoder, recipe.data.language, recipe.concepts, folder / "concepts.pt", seed=recipe.seed,
            device=accelerator.device,
        )  # fmt: skip
    return _finish(recipe, model, encoder, evaluator, reranker, detector, records, data, folder, began)


def _check_convolutions(encoder: GridEncoder, name: str) -> None:
    """Refuses networks with matrices before the class head, such as those of attention: sums of these lose too much."""
    found = [getattr(module, "get_classifier", None) for module in encoder.modules()]  # of timm
    heads = [head for of in found if callable(of) and isinstance(head := of(), nn.Module)]
    apart = {id(weight) for head in heads for weight in head.parameters()}
    matrices = [of for of, weight in encoder.named_parameters() if weight.ndim == 2 and id(weight) not in apart]
    if matrices:
        raise UsageError(
            f"is for encoders of convolutions, and {name} has matrices, {matrices[0]} first",
            item="quantize", remedy="leave it out; weights are float32 then",
        )  # fmt: skip


def _finish(
    recipe: Recipe, model: CaptionModel, encoder: GridEncoder, evaluator: CaptionEvaluator, reranker: Reranker | None,
    detector: PersonDetector | None, records: Mapping[str, Sequence[Record]], data: Path, folder: Path, began: float,
) -> Outcome:  # fmt: skip
    """Writes the bundle, compares it with the torch modules and evaluates it on dev."""
    kind, size, vocabulary = str(recipe.decoder["kind"]), recipe.backbone.image_size, evaluator.vocabulary
    whole = (model.encoder if recipe.backbone.finetune else encoder).cpu()
    parts = assemble.Parts(
        recipe.name, f"{kind} captions over {recipe.backbone.name}", kind, whole, size, model.decoder.cpu(), vocabulary,
        recipe.search, reranker, encoder.space, _hedging(recipe, detector),
    )  # fmt: skip
    every = max(1, len(records["train"]) // CALIBRATION)
    calibration = square_pixels(records["train"][::every], size) if recipe.quantize else None
    assemble.export_bundle(parts, folder / "bundle", calibration)
    weights = [trained_on(data / each.weights) for each in recipe.backbone.every() if each.weights]
    write_trained_on(folder / "bundle", hashes(learnt_images(recipe, records["train"], data)), *weights)
    model.cpu()
    captions = {code: evaluator.captions(model, recipe.search, code, reranker) for code in vocabulary.starts}
    pixels = square_pixels(records["dev"][:PARITY], size)
    measured: dict[str, Any] = {
        "parity": assemble.parity(parts, folder / "bundle", pixels),
        "dev": caption_metrics(evaluator.dev, captions),
        "parameters": {
            "encoder": _parameters(encoder),
            "decoder": _parameters(model.decoder) + (_parameters(reranker.detector) if reranker else 0),
        },
        "words": len(vocabulary.lines),
        "minutes_this_session": (time.monotonic() - began) / 60,
        "recipe": json.loads(json.dumps(asdict(recipe), default=str)),
    }
    (folder / "measured.json").write_text(json.dumps(measured, indent=1, default=vars), "utf-8")
    return Outcome(folder, measured, _samples(captions, records["dev"], pixels))


def _hedging(recipe: Recipe, detector: PersonDetector | None) -> Mapping[str, bytes]:
    """The files by which the captioner says less where its encoder is not sure; none where the recipe asks for none."""
    if recipe.hedging is None or detector is None or recipe.data.class_names is None:
        return {}
    return hedging_files(recipe.data.class_names, detector, recipe.hedging)


def build_decoder(
    recipe: Recipe, corpora: Sequence[Corpus], texts: Texts | None, encoding: Encoding
) -> tuple[Vocabulary, CaptionDecoder]:
    """The vocabulary of the training captions, or of the recipe's published language model; the decoder over it.

    Raises:
        UsageError: The decoder's settings are wrong, or it cannot learn from sentences without images or read classes.
    """
    languages = (recipe.data.language, *recipe.data.languages)
    published = published_of(recipe.decoder, languages)
    vocabulary = published.vocabulary if published else vocabulary_of(recipe.data, corpora, texts)
    cells, channels = grid_shape(encoding.encoders[0], recipe.backbone.image_size)
    decoder = build(
        recipe.decoder, words=len(vocabulary.lines), channels=channels, cells=cells, max_length=recipe.data.max_length,
        language_model=published,
    )  # fmt: skip
    if isinstance(decoder, NamingDecoder):
        fill_head(decoder, open_class_head(recipe.backbone, encoding.data))
    if texts is not None and not (isinstance(decoder, NamingDecoder) and decoder.head.out_features == texts.classes):
        raise UsageError(
            f"needs a decoder of the kind naming with {texts.classes:,} classes", item="data.sentences",
            remedy="set decoder.kind, or leave the sentences out",
        )  # fmt: skip
    return vocabulary, decoder


def vocabulary_of(data: Data, corpora: Sequence[Corpus], texts: Texts | None) -> WordVocabulary:
    """The words of captions, of sentences about labels and, as often as a recipe asks for, of texts without images."""
    captions = (text for corpus in corpora for captions in corpus.captions for _, text in captions)
    always = [text for each in corpora if each.label_sentences for text in each.label_sentences.all(each.labels)]
    if texts is not None and data.class_names is not None:
        names = data.class_names
        always += NamesOfClasses(names).all([*map(str, range(len(names))), *names.everyday])
    further, least = (texts.words, data.sentences.min_count) if texts and data.sentences else ((), 1)
    return build_vocabulary(captions, (data.language, *data.languages), data.min_count, always, further, least)


def fill_head(decoder: NamingDecoder, head: nn.Linear) -> None:
    """Gives a decoder the class head of its encoder.

    Raises:
        UsageError: The numbers of classes differ.
    """
    if head.weight.shape != decoder.head.weight.shape:
        message = f"is {decoder.head.out_features:,}, but the encoder has {head.out_features:,} classes"
        raise UsageError(message, item="decoder.classes", remedy=f"set it to {head.out_features}")
    decoder.head.load_state_dict(head.state_dict())


def square_pixels(records: Sequence[Record], size: int) -> Pixels:
    """Pixels as a bundle takes them: uint8 ``[N, S, S, 3]``."""
    return np.concatenate([square(photo_of(record).pixels, size) for record in records])


def _search_in_training(recipe: Recipe) -> Decoding:
    """The search of phases 1 and 2: without reranking if its concepts are only trained in phase 3."""
    return replace(recipe.search, beam=Decoding.beam, mbr=False) if recipe.concepts.epochs else recipe.search


def caption_metrics(dev: Corpus, captions: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Interval]]:
    """BLEU-1 to 4, ROUGE-L and CIDEr of each language, with bootstrap intervals over the images of dev.

    Further languages have one reference per image. To compare them, the main language is also evaluated with its first
    reference alone.

    Args:
        dev: N images with references.
        captions: For each language, N captions.
    """
    metrics = {}
    for number, (language, texts) in enumerate(captions.items()):
        references = dev.references(language)
        metrics[language] = _scores(texts, references)
        if not number and len(captions) > 1:
            metrics[f"{language}, one reference"] = _scores(texts, [own[:1] for own in references])
    return metrics


def _scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Interval]:
    pairs = [(text, list(own)) for text, own in zip(captions, references, strict=True) if own]
    texts, kept = [text for text, _ in pairs], [own for _, own in pairs]
    rows = bleu_rows(texts, kept)
    scores = {f"BLEU-{n}": bootstrap_interval(lambda r, n=n: bleu_of_rows(r)[n - 1], rows) for n in (1, 2, 3, 4)}  # type: ignore[misc]
    return scores | {
        "ROUGE-L": mean_interval(rouge_l_items(texts, kept)),
        "CIDEr": mean_interval(CiderD(kept).scores(texts)),
    }


def _samples(captions: Mapping[str, Sequence[str]], records: Sequence[Record], pixels: Pixels) -> tuple[Sample, ...]:
    return tuple(
        Sample(pixels[i], records[i].image, {code: texts[i] for code, texts in captions.items()}, records[i].captions)
        for i in range(min(SAMPLES, len(records)))
    )


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
