"""The folder of a trained matcher: its graphs, its vocabulary, and how its cosines become probabilities.

Shapes: N images; M texts; D width of the matcher's embeddings.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from imagist.arrays import Array, unit
from imagist.bundle import SPACE, write_part
from imagist.captioning.loading import open_captioner
from imagist.errors import DataError
from imagist.images.photo import as_photo
from imagist.matching import background, negatives
from imagist.matching.backends.embedded import IMAGE, KIND, TEXT, VOCABULARY
from imagist.matching.negatives import Negatives
from imagist.matching.phrases import open_tables
from imagist.matching.prompts import label_vectors, sentences
from imagist.matching.wordpiece import PAD, WordPieces
from imagist.matching.zero_shot import TEMPLATES
from imagist.records import LabelSet, Row
from imagist.storage import digest_of, write_json
from imagist.training.classifiers.zero_shot import FittedZeroShot, fit_zero_shot
from imagist.training.export import graphs as export
from imagist.training.image_rows import read_rows
from imagist.training.matchers.images import Encoders, records, some_rows
from imagist.training.matchers.recipe import Calibration, MatcherRecipe
from imagist.training.matchers.texts import padded
from imagist.training.matchers.towers import ImageGraph, TextGraph
from imagist.training.progress import Progress

log = logging.getLogger("imagist.training")

CAPTIONED = 32  # images that are captioned together
NEGATIVES, WEIGHT, SHARPNESS, LEVEL = 400, 0.6, 80.0, 0.04  # the commonest phrases, and how they count
_READ = 64  # texts that are read together


@dataclass(frozen=True, eq=False)
class TrainedMatcher:
    """Both graphs and the vocabulary.

    Attributes:
        image: From grids and classes to embeddings.
        text: From word pieces to embeddings.
        vocabulary: The word pieces in the order of their ids.
        max_tokens: Most pieces of a text.
    """

    image: ImageGraph
    text: TextGraph
    vocabulary: Sequence[str]
    max_tokens: int

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Array:
        """float32 ``[M, D]``, rows of length 1; longer texts are cut."""
        pieces, found = WordPieces(self.vocabulary), []
        for start in range(0, len(texts), _READ):
            ids = torch.from_numpy(padded(pieces, texts[start : start + _READ], self.max_tokens))
            found.append(self.text(ids, (ids != PAD).float()))
        return unit(torch.cat(found).numpy())

    @torch.no_grad()
    def images(self, means: Array, encoders: Encoders, encoder: int) -> Array:
        """float32 ``[N, D]``, rows of length 1, of the means of the grids of one of some encoders, ``[N, E]``."""
        given = torch.from_numpy(means)
        classes = encoders.classes(encoder, given.to(encoders.device)).cpu()
        return unit(self.image(given[:, None], classes).numpy())


def write_matcher(
    folder: Path, matcher: TrainedMatcher, recipe: MatcherRecipe, space: str, fitted: FittedZeroShot | None, cells: int
) -> None:
    """Writes the folder of the matcher, whole or not at all.

    Args:
        folder: Replaced where it exists.
        matcher: What to write; matrices are stored as 8-bit integers, other large weights as float16.
        recipe: Of the training.
        space: Of the encoder's features.
        fitted: Background and settings; None writes neither.
        cells: L, of the grids.

    Raises:
        OutputError: The folder cannot be written to.
    """
    channels, classes = matcher.image.tower.norm.normalized_shape[0], len(matcher.image.tower.class_vectors)
    grid, shares = torch.rand(2, cells, channels), torch.softmax(torch.randn(2, classes), 1)
    ids = torch.randint(1, len(matcher.vocabulary), (3, 7))
    graphs = {
        IMAGE: export.Graph(matcher.image, [("grid", grid, {0: "n"}), ("classes", shares, {0: "n"})], ["embedding"]),
        TEXT: export.Graph(
            matcher.text, [("ids", ids, {0: "n", 1: "t"}), ("mask", torch.ones(3, 7), {0: "n", 1: "t"})], ["embedding"]
        ),
    }

    def fill(path: Path) -> None:
        for name, graph in graphs.items():
            model = export.halved(export.in_bytes(export.to_onnx(graph)))
            (path / name).write_bytes(model.SerializeToString())
        (path / VOCABULARY).write_text("\n".join(matcher.vocabulary) + "\n", "utf-8")
        if fitted and fitted.background:
            (path / background.FILE).write_bytes(fitted.background.content())
        if fitted and fitted.negatives:
            (path / negatives.FILE).write_bytes(fitted.negatives.content())

    settings = fitted.settings.on_card() if fitted else {}
    if fitted and fitted.negatives:
        settings |= fitted.negatives.on_card()
    card = {SPACE: space, "max_tokens": matcher.max_tokens, "scale": recipe.scale, **settings}
    write_part(folder, KIND, card, fill)


def fit_calibration(
    config: Calibration, matcher: TrainedMatcher, encoders: Encoders, data: Path, folder: Path, seed: int
) -> FittedZeroShot:
    """Fits the background and the settings for categories by names, to the images as every encoder sees them.

    Args:
        config: The images.
        matcher: The trained matcher.
        encoders: Of the recipe.
        data: Folder of relative paths.
        folder: Receives the captions.
        seed: Of the choice of images and of sets of names.

    Raises:
        DataError: The images cannot be read, or have fewer than four names.
    """
    rows = some_rows(read_rows(config.sources, data), config.images, seed)
    given = [str(row.columns.get(config.names) or "") for row in rows]
    known = sorted({name for name in given if name})
    if not known:
        raise DataError("no image has a name", item=f"data.calibration.names = {config.names}")
    vectors = label_vectors(matcher.texts, sentences(LabelSet(tuple(known)), {}, TEMPLATES))
    names = np.array([known.index(name) if name else -1 for name in given])
    captions = matcher.texts(captions_of(rows, config.captioner, folder))
    windows = encoders.windows(records(rows), 1)
    images = [matcher.images(means[:, 0].astype(np.float32), encoders, number) for number, means in enumerate(windows)]
    every = len(images)
    found = fit_zero_shot(
        np.concatenate(images), np.tile(captions, (every, 1)), np.tile(names, every), vectors,
        standardised=config.standardised, seed=seed,
        negatives=None if config.standardised else common_negatives(matcher.texts, matcher.text.turn.out_features),
    )  # fmt: skip
    log.info(
        "names: %.3f right, %.3f rejected, %.3f of others passed", found.accuracy, found.rejected, found.passed
    )  # fmt: skip
    return found


def common_negatives(
    embed: Callable[[Sequence[str]], Array], width: int, templates: Sequence[str] = TEMPLATES
) -> Negatives:
    """The commonest phrases of the table that ships, as negatives.

    Args:
        embed: Texts to float32 ``[M, D + C]``.
        width: D, of the part that is compared. The classes are left out: they tell things apart that are far from the
            categories anyway, and would be three quarters of the file.
        templates: The sentences about a category.
    """
    phrases = LabelSet(open_tables().of("flavors")[:NEGATIVES])
    vectors = label_vectors(embed, sentences(phrases, {}, templates))[:, :width]
    return Negatives(vectors.astype(np.float16).astype(np.float32), WEIGHT, SHARPNESS, LEVEL)


def captions_of(rows: Sequence[Row], captioner: str, folder: Path) -> list[str]:
    """The caption of each image by the captioner of a model, kept in ``folder``; a killed run goes on where it stopped.

    Raises:
        BundleError: The model cannot be used.
        ItemError: An image cannot be read.
    """
    writer = open_captioner(captioner)
    path = folder / f"captions-{digest_of(writer.id, [row.source for row in rows])}.json"
    found: list[str] = json.loads(path.read_text("utf-8")) if path.exists() else []
    progress = Progress("captions", len(rows), len(found))
    for start in range(len(found), len(rows), CAPTIONED):
        some = rows[start : start + CAPTIONED]
        found += [caption.text for caption in writer.caption([as_photo(row) for row in some])]
        write_json(path, found)
        for _ in some:
            progress.step(1)
    return found
