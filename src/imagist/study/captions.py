"""Captions of a study's images by each captioner, computed once for all trials."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from imagist import settings
from imagist.captioning.loading import default_decoding, open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.protocols import Captioner
from imagist.study.config import CaptionerChoice
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset
from imagist.study.store import Store, key_of
from imagist.training.progress import Progress

AT_ONCE = 32  # photos


@dataclass(frozen=True)
class Paths:
    """Where a study reads and writes.

    Attributes:
        data: Relative paths of data and weights are resolved against this folder.
        config: The study's file; paths of recipes and label maps are relative to its folder.
        folder: Receives the results and the store.
        runs: Captioners that are trained from recipes, shared with ``imagist train caption``.
        features: Cache of features of frozen networks, shared with all studies.
    """

    data: Path
    config: Path
    folder: Path
    runs: Path = Path("runs")
    features: Path = Path("runs/features")


def captions_of(
    choice: CaptionerChoice, data: Dataset, store: Store, paths: Paths, contents: Contents
) -> tuple[str, ...]:
    """Returns the N captions of one captioner, from the store if they are there.

    The key contains the hash of the captioner's files, and then the captioner is not opened if the captions are there;
    a published captioner is opened for its id.

    Raises:
        UsageError: Settings that the captioner does not take.
        BundleError: The model cannot be downloaded or used.
        ItemError: An image cannot be decoded.
    """
    model = captioner_model(choice, paths)
    named = (
        [each.image for each in data.examples] if choice.kind == "recorded" else []
    )  # it looks captions up by image name
    options = caption_options(choice)
    with ExitStack() as closing:

        @cache
        def opened() -> Captioner:
            file = None if choice.kind == "recorded" else paths.folder / "captions.sqlite"
            made = open_captioner(model, options, kind=choice.kind, cache=file)
            if isinstance(made, AbstractContextManager):
                closing.enter_context(made)
            return made

        settings = [dict(choice.settings)] if choice.settings else []
        named_by = [choice.kind, choice.beam, contents.of(model), *settings]
        by_files = Path(model).exists() and choice.kind != "interrogator"  # whose file names other models
        captioner = named_by if by_files else opened().id
        key = key_of("captions", captioner, data.digest, named)
        kept = store.of(key, lambda: {"captions": np.array(_caption(opened(), choice.name, data), dtype=np.str_)})
    return tuple(kept["captions"].tolist())


def caption_options(choice: CaptionerChoice) -> CaptionOptions:
    """How a study's captioner is opened."""
    decoding = replace(default_decoding(choice.kind), beam=choice.beam)
    return CaptionOptions(decoding, settings=choice.settings)


def captioner_model(choice: CaptionerChoice, paths: Paths) -> str:
    """What a study's captioner is opened from: its model, or the bundle of its recipe, trained if it does not exist."""
    return choice.model if choice.model is not None else str(_trained(str(choice.recipe), paths))


def _caption(captioner: Captioner, name: str, data: Dataset) -> list[str]:
    """Captions all N examples."""
    progress = Progress(f"captions by {name}", len(data.examples))
    texts: list[str] = []
    for start in range(0, len(data.examples), AT_ONCE):
        photos = data.photos(range(start, min(start + AT_ONCE, len(data.examples))))
        texts += [caption.text for caption in captioner.caption(photos)]
        for _ in photos:
            progress.step(1)
    return texts


def _trained(name: str, paths: Paths) -> Path:
    """The bundle of a recipe, trained now if it does not exist yet."""
    from imagist.training.captioners.recipe import Recipe
    from imagist.training.captioners.train import train

    recipe = settings.read(paths.config.parent / name, Recipe)
    folder = paths.runs / recipe.name
    if not (folder / "measured.json").exists():
        train(recipe, paths.data, folder, paths.features)
    return folder / "bundle"
