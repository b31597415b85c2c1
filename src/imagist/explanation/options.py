"""The options of an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from imagist.errors import SettingError

Fill = Literal["mean", "blur"]


@dataclass(frozen=True)
class ExplainOptions:
    """Settings of `imagist.explanation.explain`.

    Attributes:
        grid: G, cells a side of the grid whose cells are hidden one by one, 1 or more.
        mass: Share of a word's attention in its region, over 0 and at most 1.
        moves: Number of other places that each region is moved to, as a control, 1 or more.
        fill: Replaces a hidden part: the image's ``mean`` colour, or a ``blur`` of the image.
        exact: Whether each cell of the grid is hidden in the image; otherwise its features are left out, where the
            parts of the model share an encoder whose grid this is. See `imagist.explanation.hiding`.
        batch_size: Images or sentences a batch, 1 or more.
        seed: Of the other places and random orders, together with each photo's pixels.

    Raises:
        SettingError: A setting is out of its range.
    """

    grid: int = 7
    mass: float = 0.5
    moves: int = 1
    fill: Fill = "mean"
    exact: bool = False
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("grid", "moves", "batch_size"):
            if getattr(self, name) < 1:
                raise SettingError(f"must be at least 1, not {getattr(self, name)}", item=name)
        if not 0 < self.mass <= 1:
            raise SettingError(f"a share over 0 and up to 1, not {self.mass}", item="mass")
        if self.fill not in get_args(Fill):
            raise SettingError(f"no fill {self.fill!r}", item="fill", remedy=f"one of {', '.join(get_args(Fill))}")
        if self.seed < 0:
            raise SettingError(f"0 or more, not {self.seed}", item="seed")
