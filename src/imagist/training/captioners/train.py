"""Recipe: one captioner from captioned photos to a bundle, ``imagist train caption CONFIG.toml``.

Reads top to bottom: data, encoder, features, words, decoder, three phases of training, bundle, what dev says of it.
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
from imagist.captioning.decoding import Decoding
from imagist.datasets.captions import read_all
from imagist.datasets.entries import Record
from imagist.images.photo import photo_of
from imagist.images.views import square
from imagist.metrics.captions import bleu_of_rows, bleu_rows, rouge_l_items
from imagist.metrics.cider import CiderD
from imagist.metrics.significance import Interval, bootstrap_interval, mean_interval
from imagist.training.captioners.concepts import learn_concepts
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.cross_entropy import Learning
from imagist.training.captioners.evaluator import CaptionModel, Judge
from imagist.training.captioners.phases import device_of, learn
from imagist.training.captioners.recipe import Recipe
from imagist.training.captioners.vocabulary import learn_words, tokenised
from imagist.training.encoders.backbone import open_backbone
from imagist.training.encoders.features import Features, Grids, Images
from imagist.training.encoders.grid_cache import cached_grids
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.encoders.views import Views
from imagist.training.export import bundle as assemble
from imagist.training.networks.build import build, published_of

log = logging.getLogger("imagist.training")

SHOWN, PROVEN = 20, 200  # samples for people; photos on which the export is held to the modules
CALIBRATED = 100  # photos of train that show a small bundle the ranges of its activations


@dataclass(frozen=True)
class Sample:
    """One photo of dev, what the captioner says of it and what people said."""

    pixels: Pixels
    name: str
    said: Mapping[str, str]
    references: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a training leaves.

    Attributes:
        folder: Of the run; ``bundle`` in it is the model.
        measured: Figures on dev with their intervals, the export's parity, parameters, minutes.
        samples: The first photos of dev.
    """

    folder: Path
    measured: Mapping[str, Any]
    samples: tuple[Sample, ...]


def train(recipe: Recipe, data: Path, folder: Path, features: Path, curves: Any = None) -> Outcome | None:
    """Trains a captioner, or goes on where ``folder`` says an earlier run stood.

    Args:
        recipe: What to train on what, and how.
        data: Folder in which the recipe's relative paths are looked for.
        folder: Receives checkpoints and the bundle.
        features: Cache of what frozen encoders make of photos, shared by recipes.
        curves: Called with phase, step and figures as training goes on.

    Returns:
        None in every process but the first of several.

    Raises:
        DataError: Faults of the data, all of them at once.
        UsageError: Settings that cannot be.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    device = device_of(recipe.device)
    accelerator = Accelerator(cpu=device.type == "cpu")

    photos = read_all(
        {
            "train": [source.within(data) for source in recipe.data.train],
            "dev": [source.within(data) for source in recipe.data.dev],
        },
        languages=recipe.data.languages,
    )
    encoder = open_backbone(recipe.backbone, data)
    with accelerator.main_process_first():
        train_features = _features(recipe, encoder, photos["train"], features, recipe.backbone.views, device)
        dev_features = _features(recipe, encoder, photos["dev"], features, 1, device)
    corpus, dev = _corpus(recipe, photos["train"], train_features), _corpus(recipe, photos["dev"], dev_features)

    said = (text for of in corpus.said for _, text in of)
    languages = (recipe.data.language, *recipe.data.languages)
    begun = published_of(recipe.decoder, languages)
    vocabulary = begun.vocabulary if begun else learn_words(said, languages, recipe.data.least_count)
    with torch.no_grad():
        side = recipe.backbone.side
        cells, channels = encoder(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape[1:]
    decoder = build(
        recipe.decoder, words=len(vocabulary.lines), channels=channels, cells=cells, max_length=recipe.data.max_length,
        language_model=begun,
    )  # fmt: skip
    tuned = recipe.backbone.tune
    model = CaptionModel(encoder if tuned else nn.Identity(), decoder).to(accelerator.device)
    judge = Judge(dev, vocabulary, _while_training(recipe))
    learning = Learning(
        [corpus], vocabulary, recipe.data.max_length, judge, folder, accelerator, seed=recipe.seed,
        encoder_rate=recipe.backbone.tune_rate, bf16=recipe.bf16,
        **({} if curves is None else {"told": curves}),
    )  # fmt: skip
    learn(model, learning, recipe.words, recipe.critical)
    if not accelerator.is_main_process:
        return None

    reranker = None
    if recipe.concepts.epochs:
        reranker = learn_concepts(
            corpus, model.encoder, recipe.data.language, recipe.concepts, folder / "concepts.pt", seed=recipe.seed,
            device=accelerator.device,
        )  # fmt: skip
    parts = assemble.Parts(
        recipe.name, f"{recipe.decoder['kind']} captions over {recipe.backbone.name}", str(recipe.decoder["kind"]),
        (model.encoder if tuned else encoder).cpu(), side, decoder.cpu(), vocabulary, recipe.search,
        reranker=reranker,
    )  # fmt: skip
    seen = dev_pixels(photos["dev"][:PROVEN], side)
    assemble.export_bundle(parts, folder / "bundle", _seen(recipe, parts, photos["train"]) if recipe.small else None)
    model.cpu()
    captions = {language: judge.captions(model, recipe.search, language, reranker) for language in vocabulary.starts}
    measured: dict[str, Any] = {
        "parity": assemble.parity(parts, folder / "bundle", seen),
        "dev": _figures(dev, captions),
        "parameters": {
            "encoder": _size(encoder),
            "decoder": _size(decoder) + (_size(reranker.detector) if reranker else 0),
        },
        "words": len(vocabulary.lines),
        "minutes_this_session": (time.monotonic() - began) / 60,
        "recipe": json.loads(json.dumps(asdict(recipe), default=str)),
    }
    (folder / "measured.json").write_text(json.dumps(measured, indent=1, default=vars), "utf-8")
    return Outcome(folder, measured, _samples(captions, photos["dev"], seen))


def _features(
    recipe: Recipe, encoder: GridEncoder, records: Sequence[Record], folder: Path, number: int, device: torch.device
) -> Features:
    views = Views(recipe.backbone.side, number, recipe.backbone.least_area)
    if recipe.backbone.tune:
        return Images(records, views)
    return Grids(cached_grids(encoder, records, views, folder, device))


def _corpus(recipe: Recipe, records: Sequence[Record], features: Features) -> Corpus:
    """The photos with their sentences in every language."""
    said = []
    for record in records:
        own = [(recipe.data.language, text) for text in tokenised(record.captions)]
        more = [(code, t) for code in recipe.data.languages for t in tokenised(record.translations.get(code, ()))]
        said.append(own + more)
    return Corpus(features, said)


def dev_pixels(records: Sequence[Record], side: int) -> Pixels:
    """uint8 ``[N, S, S, 3]``, as they are served."""
    return np.concatenate([square(photo_of(record).pixels, side) for record in records])


def _seen(recipe: Recipe, parts: assemble.Parts, records: Sequence[Record]) -> Any:
    chosen = records[:: max(1, len(records) // CALIBRATED)]
    with torch.no_grad():
        return parts.encoder(torch.from_numpy(dev_pixels(chosen, recipe.backbone.side))).numpy()


def _while_training(recipe: Recipe) -> Decoding:
    """The search by which dev is captioned in phases 1 and 2: a plain one where a consensus would lack its concepts."""
    return replace(recipe.search, beam=Decoding.beam, mbr=False) if recipe.concepts.epochs else recipe.search


def _figures(dev: Corpus, said: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Interval]]:
    """For each language BLEU-1..4, ROUGE-L and CIDEr with bootstrap intervals over the photos of dev.

    Further languages have one reference a photo; the main one is therefore also told with its first reference alone.
    """
    found = {}
    for number, (language, captions) in enumerate(said.items()):
        references = dev.references(language)
        found[language] = _scores(captions, references)
        if not number and len(said) > 1:
            found[f"{language}, one reference"] = _scores(captions, [of[:1] for of in references])
    return found


def _scores(said: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Interval]:
    pairs = [(text, list(of)) for text, of in zip(said, references, strict=True) if of]
    texts, kept = [text for text, _ in pairs], [of for _, of in pairs]
    rows = bleu_rows(texts, kept)
    scores = {f"BLEU-{n}": bootstrap_interval(lambda r, n=n: bleu_of_rows(r)[n - 1], rows) for n in (1, 2, 3, 4)}  # type: ignore[misc]
    return scores | {
        "ROUGE-L": mean_interval(rouge_l_items(texts, kept)),
        "CIDEr": mean_interval(CiderD(kept).scores(texts)),
    }


def _samples(said: Mapping[str, Sequence[str]], records: Sequence[Record], pixels: Pixels) -> tuple[Sample, ...]:
    return tuple(
        Sample(pixels[i], records[i].image, {code: texts[i] for code, texts in said.items()}, records[i].captions)
        for i in range(min(SHOWN, len(records)))
    )


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
