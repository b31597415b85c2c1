"""What each captioner says of a study's images, once for all trials."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from imagist import settings
from imagist.captioning.decoding import Decoding
from imagist.captioning.opening import open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.protocols import Captioner
from imagist.study.config import CaptionerChoice
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset
from imagist.study.store import Store, key_of
from imagist.training.progress import Progress

AT_ONCE = 32  # photos


@dataclass(frozen=True)
class Places:
    """Where a study looks and writes.

    Attributes:
        data: In which relative paths of data and weights are looked for.
        config: The study's file, beside which recipes and tables are looked for.
        folder: Receives all that the study makes.
        runs: Captioners that recipes make, shared with ``imagist train caption``.
        features: Cache of what frozen networks make of photos, shared likewise.
    """

    data: Path
    config: Path
    folder: Path
    runs: Path = Path("runs")
    features: Path = Path("runs/features")


def captions_of(
    choice: CaptionerChoice, data: Dataset, store: Store, places: Places, contents: Contents
) -> tuple[str, ...]:
    """The N captions of one captioner, from the store where they are there.

    A captioner of files goes by what these hold, and is not even opened where all is said; another by its id.

    Raises:
        UsageError: Settings that the captioner does not take.
        BundleError: The model cannot be had or used.
        ItemError: An image cannot be decoded.
    """
    model = choice.model if choice.recipe is None else str(_trained(choice.recipe, places))
    assert model is not None
    named = [each.image for each in data.examples] if choice.kind == "recorded" else []  # it goes by names, not pixels
    with ExitStack() as closing:

        @cache
        def opened() -> Captioner:
            remembered = None if choice.kind == "recorded" else places.folder / "captions.sqlite"
            made = open_captioner(model, CaptionOptions(Decoding(choice.beam)), kind=choice.kind, cache=remembered)
            if isinstance(made, AbstractContextManager):
                closing.enter_context(made)
            return made

        who = [choice.kind, choice.beam, contents.of(model)] if Path(model).exists() else opened().id
        key = key_of("captions", who, data.digest, named)
        found = store.of(key, lambda: {"captions": np.array(_said(opened(), choice.name, data), dtype=np.str_)})
    return tuple(found["captions"].tolist())


def _said(captioner: Captioner, name: str, data: Dataset) -> list[str]:
    """What a captioner says of all N examples."""
    progress = Progress(f"captions by {name}", len(data.examples))
    said: list[str] = []
    for start in range(0, len(data.examples), AT_ONCE):
        photos = data.photos(range(start, min(start + AT_ONCE, len(data.examples))))
        said += [caption.text for caption in captioner.caption(photos)]
        for _ in photos:
            progress.step(1)
    return said


def _trained(name: str, places: Places) -> Path:
    """The bundle of a recipe, trained now where that has not been done."""
    from imagist.training.captioners.recipe import Recipe
    from imagist.training.captioners.train import train

    recipe = settings.read(places.config.parent / name, Recipe)
    folder = places.runs / recipe.name
    if not (folder / "measured.json").exists():
        train(recipe, places.data, folder, places.features)
    return folder / "bundle"
