"""Photo to grid: the network that captioner and image classifier share, run once a photo."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from imagist.arrays import Array
from imagist.bundle import Bundle
from imagist.images.views import view
from imagist.records import Photo


class Encoder:
    """Turns photos into grids and remembers each for as long as its photo lives.

    Args:
        bundle: Whose ``encoder.onnx`` to run: uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``.
        views: How a photo is made square: ``square``, ``letterbox`` or ``crops``.
        threads: Threads within one run.
    """

    def __init__(self, bundle: Bundle, *, views: str = "square", threads: int = 1) -> None:
        self.views = views
        self._view = view(views)
        self._session = bundle.session("encoder.onnx", threads)
        self.side = int(self._session.get_inputs()[0].shape[1])
        self._known: WeakKeyDictionary[Photo, Array] = WeakKeyDictionary()
        self._lock = Lock()

    def grids(self, photos: Sequence[Photo]) -> list[Array]:
        """For each photo float32 ``[V, L, D]``: V views, the whole image first; L cells; D channels."""
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
