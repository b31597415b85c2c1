"""The phrases nearest to images, or farthest from them: exact, in bounded memory.

Shapes: N images; M phrases; D width of the embeddings; K phrases found.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imagist.arrays import AnyArray, Array, Halves, Ints
from imagist.errors import UsageError
from imagist.matching.phrases import ROLES, Role

_SPARE = 32  # further candidates whose order is decided by exact products
_ROWS = 1 << 14  # phrases of one product at most
_IMAGES = 64  # images of one product


@dataclass(frozen=True, eq=False)
class PhraseIndex:
    """Phrases by role with their embeddings.

    Attributes:
        phrases: The M phrases, by role in the order of `imagist.matching.phrases.ROLES`.
        embeddings: For each role float16 ``[m, D]``, rows of length 1.
        max_memory: Most bytes of embeddings and products in memory; the embeddings are kept as float32 where that fits.

    Raises:
        UsageError: The memory does not suffice for a product of a few phrases.
    """

    phrases: dict[Role, tuple[str, ...]]
    embeddings: dict[Role, Halves]
    max_memory: int = 1 << 30

    def __post_init__(self) -> None:
        if self._chunk < 1:
            raise UsageError(f"too little for a search: {self.max_memory:,} bytes", item="max_memory")

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The M phrases in one row."""
        return tuple(text for role in ROLES for text in self.phrases.get(role, ()))

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """The role of each of the M phrases."""
        return tuple(role for role in ROLES for _ in self.phrases.get(role, ()))

    def rows(self, role: Role) -> range:
        """The numbers of a role's phrases among the M."""
        before = sum(len(self.phrases.get(other, ())) for other in ROLES[: ROLES.index(role)])
        return range(before, before + len(self.phrases.get(role, ())))

    def top(self, images: Array, count: int, roles: Sequence[Role], *, farthest: bool = False) -> tuple[Array, Ints]:
        """The phrases of some roles with the highest cosines, highest first; of equal ones the first in the tables.

        The result depends neither on the memory nor on the other images.

        Args:
            images: ``[N, D]``, rows of length 1.
            count: K, at most; there may be fewer phrases.
            roles: The roles to search.
            farthest: Whether to find those with the lowest cosines, lowest first.

        Returns:
            Cosines, float32 ``[N, K]``, and the numbers of the phrases among the M, ``[N, K]``.
        """
        found = [
            self._top(images[at : at + _IMAGES], count, roles, -1 if farthest else 1)
            for at in range(0, len(images), _IMAGES)
        ]
        if not found:
            return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.int64)
        return np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found])

    def vectors(self, numbers: AnyArray) -> Array:
        """The embeddings of some of the M phrases: float32 ``[K, D]``."""
        where = np.asarray(numbers, np.int64)
        found = np.empty((len(where), self._width), np.float32)
        for role in self.embeddings:
            rows = self.rows(role)
            mine = (where >= rows.start) & (where < rows.stop)
            found[mine] = self.embeddings[role][where[mine] - rows.start]
        return found

    def _top(self, images: Array, count: int, roles: Sequence[Role], sign: int) -> tuple[Array, Ints]:
        """As `top`, for a few images: candidates by products of float32, then their order by exact products."""
        wanted = count + _SPARE
        best = np.full((len(images), 0), 0, np.float32)
        numbers = np.full((len(images), 0), 0, np.int64)
        for start, rows in self._chunks(roles):
            products = images @ rows.T
            products *= sign
            some = _largest(products, wanted)
            best = np.concatenate([best, np.take_along_axis(products, some, 1)], 1)
            numbers = np.concatenate([numbers, some + start], 1)
            kept = _largest(best, wanted)
            best, numbers = np.take_along_axis(best, kept, 1), np.take_along_axis(numbers, kept, 1)
        cosines = np.empty(numbers.shape, np.float32)
        for row, (image, of_image) in enumerate(zip(images, numbers, strict=True)):
            # one number at a time in the same order, so the sums are the same in every run
            cosines[row] = (self.vectors(of_image).astype(np.float64) * image.astype(np.float64)).sum(1)
        order = np.lexsort((numbers, -sign * cosines), axis=1)[:, :count]
        return np.take_along_axis(cosines, order, 1), np.take_along_axis(numbers, order, 1)

    def _chunks(self, roles: Sequence[Role]) -> Iterator[tuple[int, Array]]:
        """Embeddings of some roles in chunks, float32, each with the number of its first phrase."""
        for role in ROLES:
            if role not in roles or role not in self.embeddings:
                continue
            rows, whole = self.rows(role), self._resident.get(role, self.embeddings[role])
            for at in range(0, len(rows), self._chunk):
                yield rows.start + at, np.asarray(whole[at : at + self._chunk], np.float32)

    @cached_property
    def _resident(self) -> dict[Role, Array]:
        """All embeddings as float32, where they fit beside the products."""
        size = 4 * sum(each.size for each in self.embeddings.values())
        if size + 4 * _IMAGES * self._chunk > self.max_memory:
            return {}
        return {role: _in_memory(each) for role, each in self.embeddings.items()}

    @property
    def _width(self) -> int:
        return int(next(iter(self.embeddings.values())).shape[1])

    @property
    def _chunk(self) -> int:
        """Phrases of one product: their embeddings, the products and the order of these are in memory at once."""
        return min(_ROWS, self.max_memory // (4 * self._width + 12 * _IMAGES))


def _largest(values: Array, count: int) -> Ints:
    """The places of the ``count`` largest values of each row, in any order."""
    if values.shape[1] <= count:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, values.shape[1] - count, axis=1)[:, -count:]


def _in_memory(rows: Halves) -> Array:
    """Embeddings as float32; those that are mapped leave memory again, some at a time."""
    found = np.empty(rows.shape, np.float32)
    for at in range(0, len(rows), _ROWS):
        found[at : at + _ROWS] = rows[at : at + _ROWS]
        if isinstance(rows.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            rows.base.madvise(mmap.MADV_DONTNEED)
    return found
