"""`embedded`: two small networks in ONNX, over the grids of the model's encoder and over word pieces.

A folder with

- ``image.onnx``: ``grid`` float32 ``[N, L, E]``, and ``classes`` float32 ``[N, K]`` where it takes them, to
  ``embedding`` float32 ``[N, D]``;
- ``text.onnx``: ``ids`` int64 ``[P, T]``, padded with 0, and ``mask`` float32 ``[P, T]``, 1 at pieces and 0 at padding,
  to ``embedding`` float32 ``[P, D]``;
- ``vocabulary.txt``: a word piece a line, see `imagist.matching.wordpiece`;
- ``background.npz``, if any, see `imagist.matching.background`;
- ``negatives.npz``, if any, with the table ``[negatives]`` of the card, see `imagist.matching.negatives`;
- a card with the encoder or its space, ``max_tokens``, ``scale`` and, if any, the table ``[zero_shot]``, see
  `imagist.matching.zero_shot`.

Shapes: N photos or views; L cells; E channels of the grid; K classes that the encoder knows; P texts; T pieces of the
longest text of a batch; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import Array, unit, unit_sums
from imagist.bundle import Folder, copy_part, open_part
from imagist.errors import BundleError
from imagist.images.encoder import Encoder, encoder_of
from imagist.matching.background import Background, background_of
from imagist.matching.confidence import Confidence, confidence_of
from imagist.matching.long_texts import check_long_texts, embed_texts
from imagist.matching.negatives import Negatives, negatives_of
from imagist.matching.opening import MATCHER
from imagist.matching.wordpiece import PAD, UNKNOWN, WordPieces
from imagist.matching.zero_shot import ZeroShot, zero_shot_of
from imagist.protocols import PartOptions
from imagist.records import Photo

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

KIND = "embedded"
IMAGE, TEXT, VOCABULARY = "image.onnx", "text.onnx", "vocabulary.txt"
_VIEWS, _TEXTS = 32, 64  # in one run of a network


class EmbeddedMatcher:
    """Implements `imagist.protocols.Matcher`.

    Args:
        folder: The part; see the module.
        encoder: Of the model, shared with captioner and image classifier.
        threads: Threads within one run.
        long_texts: What happens to texts over ``max_tokens``: ``window`` or ``refuse``.

    Raises:
        BundleError: The card cannot be understood.
        SettingError: No such way to read long texts.
    """

    concurrent = True

    def __init__(self, folder: Folder, encoder: Encoder, *, threads: int = 1, long_texts: str = "window") -> None:
        self._folder, self._threads = folder, threads
        self.encoder = encoder
        self.scale = float(folder.card["scale"])
        self.zero_shot: ZeroShot = zero_shot_of(folder)
        self.background: Background | None = background_of(folder)
        self.negatives: Negatives | None = negatives_of(folder)
        self.confidence: Confidence | None = confidence_of(folder)
        self.max_tokens = int(folder.card["max_tokens"])
        self._long_texts = check_long_texts(long_texts)

    @property
    def id(self) -> str:
        """Changes with networks, settings, encoder and views."""
        return f"{KIND}-{self._folder.version}(encoder={self.encoder.id},views={self.encoder.views})"

    def images(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, D]``, rows of length 1: the mean over each photo's views."""
        if not photos:
            return np.zeros((0, self._width), np.float32)
        grids = self.encoder.grids(photos)
        views = np.concatenate(grids)
        batches = [views[start : start + _VIEWS] for start in range(0, len(views), _VIEWS)]
        found = unit(np.concatenate([self._image_session.run(None, self._seen(batch))[0] for batch in batches]))
        return unit_sums(found, grids)

    def texts(self, texts: Sequence[str]) -> Array:
        """float32 ``[M, D]``, rows of length 1.

        Raises:
            UsageError: A text has more than ``max_tokens`` pieces, and long texts are to be refused.
        """
        if not texts:
            return np.zeros((0, self._width), np.float32)
        return embed_texts(texts, self._read, self.token_count, self.max_tokens, self._long_texts)

    def token_count(self, text: str) -> int:
        """The number of word pieces of a text."""
        return len(self._pieces.ids(text))

    def save(self, folder: Path) -> None:
        """Copies the part; the encoder is a part of the model for itself."""
        copy_part(self._folder)(folder)

    def _seen(self, grids: Array) -> dict[str, Array]:
        """What the image network takes of grids ``[N, L, E]``."""
        if "classes" not in {each.name for each in self._image_session.get_inputs()}:
            return {"grid": grids}
        if not self.encoder.has_classes:
            raise BundleError("the matcher needs an encoder with a class head", item=str(self._folder.path))
        return {"grid": grids, "classes": self.encoder.classes(grids)}

    def _read(self, texts: Sequence[str]) -> Array:
        """Texts within the limit to ``[P, D]``; those of about the same length are read together."""
        pieces = [self._pieces.ids(text) or [UNKNOWN] for text in texts]
        order = sorted(range(len(pieces)), key=lambda i: len(pieces[i]))
        found = np.empty((len(texts), self._width), np.float32)
        for start in range(0, len(order), _TEXTS):
            rows = order[start : start + _TEXTS]
            ids = np.full((len(rows), len(pieces[rows[-1]])), PAD, np.int64)
            for row, i in enumerate(rows):
                ids[row, : len(pieces[i])] = pieces[i]
            mask = (np.arange(ids.shape[1]) < np.array([[len(pieces[i])] for i in rows])).astype(np.float32)
            found[rows] = self._text_session.run(None, {"ids": ids, "mask": mask})[0]
        return found

    @property
    def _width(self) -> int:
        return int(self._text_session.get_outputs()[0].shape[1])

    @cached_property
    def _pieces(self) -> WordPieces:
        return WordPieces(self._folder.lines(VOCABULARY))

    @cached_property
    def _image_session(self) -> InferenceSession:
        return self._folder.session(IMAGE, self._threads)

    @cached_property
    def _text_session(self) -> InferenceSession:
        return self._folder.session(TEXT, self._threads)


def load(model: str, options: PartOptions) -> EmbeddedMatcher:
    """Loads a saved matcher, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged, or its encoder is not there.
    """
    folder = open_part(model, MATCHER)
    encoder = encoder_of(folder, options)
    return EmbeddedMatcher(folder, encoder, threads=options.threads, long_texts=options.long_texts)
