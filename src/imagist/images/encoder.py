"""Photos to grids: the network that captioner and image classifier share, run once a photo.

The features of an encoder belong to a *space*, where its card names one: several encoders may have been trained to give
the same features, and a part that was fitted to a space is served by any of them.

Shapes: N photos; V views of a photo; L cells; D channels; S side in pixels; C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from imagist.arrays import Array, Pixels, product, softmax
from imagist.bundle import CARD, ENCODER, SHIPPED, SPACE, Folder, copy_part, open_folder
from imagist.errors import BundleError, ImagistError, MissingExtra, UnknownName, UsageError
from imagist.images.views import by_photo, view
from imagist.protocols import PartOptions
from imagist.records import Photo

KIND = "onnx"
GRAPH = "encoder.onnx"
CLASSES = "classes.npz"
EMBEDDED, LITE = "embedded", "lite"


@dataclass(frozen=True, eq=False)
class ClassHead:
    """The layer that classifies the mean of a grid's cells.

    Attributes:
        weight: float32 ``[D, C]``.
        bias: float32 ``[C]``.
    """

    weight: Array
    bias: Array


class Encoder:
    """Encodes photos and keeps each grid for as long as its photo lives.

    Args:
        folder: A part with ``encoder.onnx``: uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``. With ``classes.npz``
            (``weight`` ``[D, C]`` and ``bias`` ``[C]``, of any float type) it also has classes.
        views: How a photo is made square: ``square``, ``letterbox`` or ``crops``.
        threads: Threads within one run.
        weights: Those of the graph that lie outside the folder, by name.
        head: The layer of the classes, in place of that file.

    Attributes:
        name: ``lite``, ``embedded`` or another, by which a user chooses between the encoders of a space.
        space: Of the features; None where no other encoder has the same.
        version: Of the folder.
        side: S.
        cells: Of a side of its grid, the square root of L; 0 where the graph does not say.

    Raises:
        BundleError: The folder is damaged.
    """

    concurrent = True

    def __init__(
        self,
        folder: Folder,
        *,
        views: str = "square",
        threads: int = 1,
        weights: Mapping[str, Array] | None = None,
        head: ClassHead | None = None,
    ) -> None:
        self.views = views
        self.version = folder.version
        self.name = name_of(folder)
        self.space: str | None = folder.card.get(SPACE)
        self._folder = folder
        self._view = view(views)
        self._session = folder.session(GRAPH, threads, weights)
        self._head = head or _class_head(folder)
        self.side = int(self._session.get_inputs()[0].shape[1])
        length = self._session.get_outputs()[0].shape[1]
        self.cells = round(length**0.5) if isinstance(length, int) else 0
        self._known: WeakKeyDictionary[Photo, Array] = WeakKeyDictionary()
        self._lock = Lock()

    @property
    def id(self) -> str:
        """Changes with anything that the grids depend on but the views; names an encoder that others can replace."""
        return f"{self.name}-{self.version}" if self.space else self.version

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

    def seen(self, photo: Photo) -> Pixels:
        """What it sees of a photo: uint8 ``[V, S, S, 3]``."""
        return self._view(photo.pixels, self.side)

    def remember(self, photo: Photo, grid: Array) -> None:
        """Takes ``[V, L, D]`` for the grid of a photo, as long as the photo lives, in place of computing it."""
        with self._lock:
            self._known[photo] = grid

    def encode(self, pixels: Pixels) -> Array:
        """uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``.

        One image at a time: its activations stay in the processor's cache, those of a batch would not. That takes a
        third of the memory of batches of 32 and is about as fast: on two cores 443 images/s against 387 in one run,
        424 against 453 in another (`benchmarks/throughput.py`).
        """
        return np.concatenate([self._session.run(None, {"pixels": one[None]})[0] for one in pixels])

    @property
    def has_classes(self) -> bool:
        """Whether it has classes of its own."""
        return self._head is not None

    def classes(self, grids: Sequence[Array] | Array) -> Array:
        """The probabilities of the encoder's own classes: those of ImageNet-1k, in their order.

        Args:
            grids: For each of N photos ``[V, L, D]``, as `grids` returns them, or ``[L, D]``.

        Returns:
            float32 ``[N, C]``, the mean over each photo's views; rows sum to 1.

        Raises:
            UsageError: The encoder has no classes.
        """
        if self._head is None:
            raise UsageError("has no classes of its own", item=f"encoder {self.name}", remedy="choose another encoder")
        weight, bias = self._head.weight, self._head.bias
        views = [np.atleast_2d(grid.mean(-2)) for grid in grids]
        if not views:
            return np.zeros((0, len(bias)), np.float32)
        rows = softmax(product(np.concatenate(views), weight) + bias)
        return by_photo(rows, views).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Copies the encoder into a folder."""
        copy_part(self._folder)(folder)


class Encoders:
    """Opens each encoder once: parts that share one share its grids, too."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, int], Encoder] = {}

    def open(self, part: Path, card: Mapping[str, Any], options: PartOptions) -> Encoder:
        """The encoder of a part: the one whose version its card names, or one of the space that the card names.

        Of a space's encoders, in the part's model and among the shipped ones, it is the one that ``options`` name. By
        default it is one that is open already, so that parts share it, else ``lite`` where its weights are installed,
        else the next that can be opened.

        Args:
            part: The part's folder.
            card: Of the part, with ``encoder`` or ``space``.
            options: Views, threads and the encoder's name.

        Raises:
            BundleError: It is not there.
            UnknownName: The space has no encoder of that name.
            UsageError: The part works with one encoder, and it is not the one asked for.
            MissingExtra: It needs a package that is not installed.
        """
        if SPACE in card:
            return self._of_space(part, card[SPACE], options)
        folder = next((each for each in _beside(part) if each.version == card[ENCODER]), None)
        if folder is None:
            raise _absent(part, f"version {card[ENCODER]}")
        if options.encoder not in (None, name_of(folder)):
            raise UsageError(
                f"works with the encoder {name_of(folder)!r} alone, not with {options.encoder!r}",
                item=str(part),
                remedy="leave the encoder out, or choose another model",
            )
        return self._opened(folder, options)

    def _of_space(self, part: Path, space: str, options: PartOptions) -> Encoder:
        every = (*_beside(part), *_shipped())
        found = {each.version: each for each in reversed(every) if each.card.get(SPACE) == space}
        names = sorted({name_of(folder) for folder in found.values()})
        if names and options.encoder not in (None, *names):
            raise UnknownName(
                f"no encoder of that name has the features {space}",
                item=options.encoder,
                remedy=f"one of {', '.join(names)}",
            )
        known = {version for version, *_ in self._open}
        choice = [folder for folder in reversed(found.values()) if options.encoder in (None, name_of(folder))]
        missing: ImagistError = _absent(part, f"features {space}")
        for folder in sorted(choice, key=lambda each: (each.version not in known, name_of(each) != LITE)):
            try:
                return self._opened(folder, options)
            except MissingExtra as error:
                missing = error
        raise missing

    def _opened(self, folder: Folder, options: PartOptions) -> Encoder:
        key = folder.version, options.views, options.threads
        if key not in self._open:
            self._open[key] = folder.load("encoders", options)
        return self._open[key]


def encoder_of(part: Folder, options: PartOptions) -> Encoder:
    """The encoder of a part, shared with the other parts that were opened with the same options.

    Raises:
        BundleError: It is not there; see `Encoders.open` for the other errors.
    """
    pool = options.encoders if isinstance(options.encoders, Encoders) else Encoders()
    return pool.open(part.path, part.card, options)


def load(model: str, options: PartOptions) -> Encoder:
    """Loads a saved encoder, from its folder.

    Raises:
        BundleError: It is damaged.
    """
    return Encoder(open_folder(model), views=options.views, threads=options.threads)


def name_of(folder: Folder) -> str:
    """The name of an encoder by its card; one without a name is ``embedded``."""
    return str(folder.card.get("name", EMBEDDED))


def _class_head(folder: Folder) -> ClassHead | None:
    if CLASSES not in folder.files:
        return None
    arrays = {name: array.astype(np.float32) for name, array in folder.arrays(CLASSES).items()}
    weight, bias = arrays.get("weight"), arrays.get("bias")
    if weight is None or bias is None or weight.ndim != 2 or weight.shape[1:] != bias.shape:
        raise BundleError("needs weight [D, C] and bias [C]", item=str(folder.path / CLASSES), remedy="save it again")
    return ClassHead(weight, bias)


def _beside(part: Path) -> Iterator[Folder]:
    """The encoders of the model that a part's folder lies in."""
    cards = (card for place in part.parents[:2] for card in sorted(place.glob(f"{ENCODER}*/{CARD}")))
    return (open_folder(card.parent) for card in cards)


def _shipped() -> Iterator[Folder]:
    """The encoders that ship with imagist: those of its models, and those for any model."""
    cards = (*sorted(SHIPPED.glob(f"*/{ENCODER}*/{CARD}")), *sorted(SHIPPED.glob(f"encoders/*/{CARD}")))
    return (open_folder(card.parent) for card in cards)


def _absent(part: Path, which: str) -> BundleError:
    return BundleError(
        f"its encoder ({which}) is not there",
        item=str(part),
        remedy="name the folder of a whole model, which has its encoder beside the part",
    )
