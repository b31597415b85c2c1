"""Photos to grids: the network that captioner and image classifier share, run once a photo.

Shapes: N photos; V views of a photo; L cells; D channels; S side in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from imagist.arrays import Array
from imagist.bundle import CARD, ENCODER, Folder, copy_part, open_folder
from imagist.errors import BundleError
from imagist.images.views import view
from imagist.protocols import PartOptions
from imagist.records import Photo

KIND = "onnx"
GRAPH = "encoder.onnx"


class Encoder:
    """Encodes photos and keeps each grid for as long as its photo lives.

    Args:
        folder: A part with ``encoder.onnx``: uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``.
        views: How a photo is made square: ``square``, ``letterbox`` or ``crops``.
        threads: Threads within one run.
    """

    def __init__(self, folder: Folder, *, views: str = "square", threads: int = 1) -> None:
        self.views = views
        self.version = folder.version
        self._folder = folder
        self._view = view(views)
        self._session = folder.session(GRAPH, threads)
        self.side = int(self._session.get_inputs()[0].shape[1])
        self._known: WeakKeyDictionary[Photo, Array] = WeakKeyDictionary()
        self._lock = Lock()

    def grids(self, photos: Sequence[Photo]) -> list[Array]:
        """For each photo float32 ``[V, L, D]``, the whole image first."""
        with self._lock:
            known = {photo: self._known.get(photo) for photo in photos}
        new = [photo for photo, grid in known.items() if grid is None]
        if new:
            views = [self._view(photo.pixels, self.side) for photo in new]
            ends = np.cumsum([len(v) for v in views])[:-1]
            fresh = dict(zip(new, np.split(self.encode(np.concatenate(views)), ends), strict=True))
            known |= fresh
            with self._lock:
                self._known.update(fresh)
        return [grid for photo in photos if (grid := known[photo]) is not None]

    def encode(self, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Array:
        """uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``.

        One image at a time: its activations stay in the processor's cache, those of a batch would not. On two cores
        that is 288 images/s instead of 249 by batches of 32, and a third of the memory (`benchmarks/throughput.py`).
        """
        return np.concatenate([self._session.run(None, {"pixels": one[None]})[0] for one in pixels])

    def save(self, folder: Path) -> None:
        """Copies the encoder into a folder."""
        copy_part(self._folder)(folder)


class Encoders:
    """Opens each encoder once: parts that share one share its grids, too."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, int], Encoder] = {}

    def open(self, part: Path, version: str, views: str = "square", threads: int = 1) -> Encoder:
        """The encoder of a version that lies beside a part's folder.

        Raises:
            BundleError: There is none of that version.
        """
        key = version, views, threads
        if key not in self._open:
            cards = (card for place in part.parents[:2] for card in sorted(place.glob(f"{ENCODER}*/{CARD}")))
            folders = map(open_folder, (card.parent for card in cards))
            folder = next((folder for folder in folders if folder.version == version), None)
            if folder is None:
                raise BundleError(
                    f"its encoder (version {version}) is not there",
                    item=str(part),
                    remedy="name the folder of a whole model, which has its encoder beside the part",
                )
            self._open[key] = Encoder(folder, views=views, threads=threads)
        return self._open[key]


def encoder_of(part: Folder, options: PartOptions) -> Encoder:
    """The encoder that a part's card names, shared with the other parts that were opened with the same options.

    Raises:
        BundleError: It is not there.
    """
    pool = options.encoders if isinstance(options.encoders, Encoders) else Encoders()
    return pool.open(part.path, part.card["encoder"], options.views, options.threads)
