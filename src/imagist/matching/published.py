"""What matchers over published checkpoints have in common: batches, long texts, and a folder that names the checkpoint.

Shapes: N photos; M texts; n of either in one run of a network; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from imagist.arrays import Array
from imagist.bundle import CARD, open_part, write_part
from imagist.bundle.checkpoints import quiet, torch_threads
from imagist.matching.background import FILE, Background, background_of
from imagist.matching.long_texts import check_long_texts, embed_texts
from imagist.matching.opening import MATCHER
from imagist.matching.zero_shot import ZeroShot, zero_shot_of
from imagist.protocols import PartOptions
from imagist.records import Photo

_AT_ONCE = 32  # texts, or photos, in one run of a network


class PublishedMatcher:
    """Implements `imagist.protocols.Matcher` but for its ``id``; a subclass runs the networks.

    Args:
        model: How the checkpoint was asked for, for the card.
        options: Threads, and how long texts are read.
        zero_shot: Settings for categories by name.
        background: Mean and covariance of its embeddings, if they are known.

    Attributes:
        kind: The matcher's name in the registry.
        scale: What cosines are multiplied by, as the network was trained.
        max_tokens: Most tokens of a text, those that it begins and ends with included.

    Raises:
        SettingError: No such way to read long texts.
    """

    concurrent = False  # torch already uses every core
    kind: str
    scale: float
    max_tokens: int

    def __init__(
        self, model: str, options: PartOptions, zero_shot: ZeroShot | None = None, background: Background | None = None
    ) -> None:
        self.model, self.zero_shot, self.background = model, zero_shot or ZeroShot(), background
        self._threads, self._long_texts = options.threads, check_long_texts(options.long_texts)

    def images(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, D]``, rows of length 1."""
        if not photos:
            return np.zeros((0, self._width), np.float32)
        with torch_threads(self._threads), torch.inference_mode(), quiet():
            return np.concatenate([self._see(photos[at : at + _AT_ONCE]) for at in range(0, len(photos), _AT_ONCE)])

    def texts(self, texts: Sequence[str]) -> Array:
        """float32 ``[M, D]``, rows of length 1.

        Raises:
            UsageError: A text has more tokens than the model reads, and long texts are to be refused.
        """
        if not texts:
            return np.zeros((0, self._width), np.float32)
        with torch_threads(self._threads), torch.inference_mode(), quiet():
            return embed_texts(texts, self._read_all, self.token_count, self.max_tokens, self._long_texts)

    def save(self, folder: Path) -> None:
        """Writes a card that names the checkpoint, which is not copied.

        Raises:
            OutputError: The folder cannot be written to.
        """
        write_matcher(folder, self.kind, self.model, self.zero_shot, self.background)

    def token_count(self, text: str) -> int:
        """The number of tokens of a text, those that it begins and ends with included."""
        raise NotImplementedError

    def _see(self, photos: Sequence[Photo]) -> Array:
        """One run of the network for images: ``[n, D]``, rows of length 1."""
        raise NotImplementedError

    def _read(self, texts: list[str]) -> Array:
        """One run of the network for texts within the limit: ``[n, D]``, rows of length 1."""
        raise NotImplementedError

    def _read_all(self, texts: Sequence[str]) -> Array:
        return np.concatenate([self._read(list(texts[at : at + _AT_ONCE])) for at in range(0, len(texts), _AT_ONCE)])

    @cached_property
    def _width(self) -> int:
        return int(self.texts([""]).shape[1])


def write_matcher(folder: Path, kind: str, model: str, zero_shot: ZeroShot, background: Background | None) -> None:
    """Writes the folder; the checkpoint is not copied.

    Args:
        folder: Where to.
        kind: Of the matcher.
        model: The checkpoint, by its name or the path of its folder.
        zero_shot: Settings for categories by name.
        background: Mean and covariance of its embeddings, if they are known.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def fill(draft: Path) -> None:
        if background:
            (draft / FILE).write_bytes(background.content())

    write_part(folder, kind, {"model": model, **zero_shot.on_card()}, fill)


def read_matcher(model: str) -> tuple[str, ZeroShot, Background | None]:
    """The checkpoint, the settings and the background of a saved matcher, or of a checkpoint as it was published.

    Args:
        model: The folder of a saved matcher, a model that has one, or a checkpoint by its name or folder.

    Raises:
        BundleError: The folder cannot be understood.
    """
    if (Path(model) / CARD).is_file():
        folder = open_part(model, MATCHER)
        return str(folder.card["model"]), zero_shot_of(folder), background_of(folder)
    return str(Path(model).resolve()) if Path(model).is_dir() else model, ZeroShot(), None
