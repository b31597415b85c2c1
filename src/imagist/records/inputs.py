"""What goes into a run, and what stands in for a result where an input cannot be used.

Shapes: H, W image height and width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from imagist.arrays import Pixels
from imagist.errors import ImagistError, UsageError


@dataclass(frozen=True, eq=False)
class Row:
    """One input of a run, before it is read: its identity, how to get its bytes, and the columns it carries.

    Attributes:
        source: Path, address or ``manifest#row`` as the user would name it.
        content: Encoded bytes where the row holds them; None where they are to be read from ``source``.
        columns: Further columns of a manifest, carried through to the output under their own names.
        error: Set where the row is already known to be unusable (an empty cell, say).
    """

    source: str
    content: bytes | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    error: ImagistError | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded image, upright, RGB, on white.

    Compared and hashed by identity, so that an encoder can remember what it computed for a photo while that lives.

    Attributes:
        pixels: uint8 ``[H, W, 3]``, RGB; may be smaller than the file (scaled decode).
        source: Where it came from, as the user would name it.
        size: ``(width, height)`` of the upright image before scaling, in pixels.
    """

    pixels: Pixels
    source: str = "<memory>"
    size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if (
            self.pixels.dtype != np.uint8
            or self.pixels.ndim != 3
            or self.pixels.shape[2] != 3
            or 0 in self.pixels.shape
        ):
            raise UsageError(
                f"a photo needs uint8 pixels [H, W, 3], got {self.pixels.dtype} {list(self.pixels.shape)}",
                item=self.source,
                remedy="decode it with imagist.images.decode",
            )
        if self.size == (0, 0):
            object.__setattr__(self, "size", (self.pixels.shape[1], self.pixels.shape[0]))


@dataclass(frozen=True, eq=False)
class Failure:
    """The typed error of an input that has no result, with the input's identity."""

    source: str
    error: ImagistError

    def to_dict(self) -> dict[str, object]:
        """The record of the failure: ``source``, ``error_kind`` and ``error_message``."""
        message = f"{self.error.message} ({self.error.remedy})" if self.error.remedy else self.error.message
        return {"source": self.source, "error_kind": self.error.kind, "error_message": message}
