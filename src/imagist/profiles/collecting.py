"""From the records of images to posts: carousels become one post each, near-duplicates count once.

Shapes: C categories; D width of the embeddings.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from imagist.arrays import Array
from imagist.datasets.groups import linked
from imagist.datasets.near_duplicates import close_pairs
from imagist.errors import DataError, UsageError
from imagist.images.tables import columns
from imagist.profiles.instaloader import is_profile_picture, sidecar_cells
from imagist.profiles.naming import (
    POST,
    POSTS,
    account_column,
    account_of_file,
    label_of,
    likes_of,
    post_of,
    text_of,
    time_of,
)
from imagist.profiles.posts import Posts
from imagist.records import Row


@dataclass(eq=False)
class _Post:
    account: str
    name: str
    source: str
    time: float
    caption: str
    text: str
    likes: float
    label: str
    probabilities: list[list[float]] = field(default_factory=list)
    hashes: list[int | None] = field(default_factory=list)
    embeddings: list[Array | None] = field(default_factory=list)


class Collector:
    """Collects images, in any order, into posts.

    Args:
        by: The column of accounts; found by its name where it is None.
        folders: Sources that hold a folder an account, for images without such a column; None takes the folder that an
            image lies in.
        text: The column of the author's texts; found by its name where it is None.
        label: The column of the posts' true categories; found by its name where it is None.
    """

    def __init__(
        self,
        by: str | None = None,
        folders: Sequence[str] | None = (),
        text: str | None = None,
        label: str | None = None,
    ) -> None:
        self._by, self._folders, self._text, self._label = by, folders, text, label
        self._posts: dict[tuple[str, str], _Post] = {}
        self._failed: Counter[str] = Counter()
        self._categories: tuple[str, ...] | None = None
        self._without = self._pictures = 0

    def add(self, source: str, cells: Mapping[str, object], record: Mapping[str, object]) -> None:
        """Adds an image.

        Args:
            source: Its name.
            cells: The columns of its row; of a file without any, what the files beside it say.
            record: Its fields (see `imagist.records.flat`): ``probabilities``, calibrated, or None where it has none;
                and where there are any ``caption``, ``perceptual_hash`` and ``embedding``.

        Raises:
            UsageError: There is no such column.
            DataError: Its categories are not those of the images before it.
        """
        if not cells:
            if is_profile_picture(source):
                self._pictures += 1
                return
            cells = sidecar_cells(source)
        account = self._account(source, cells)
        if account is None:
            self._without += 1
            return
        probabilities = record.get("probabilities")
        if not isinstance(probabilities, Mapping):
            self._failed[account] += 1
            return
        self._check(source, probabilities)
        key = account, post_of(source, cells)
        if key not in self._posts:
            self._posts[key] = self._post(key, source, cells, str(record.get("caption") or ""))
        post = self._posts[key]
        post.probabilities.append([float(probabilities[each]) for each in self._categories or ()])
        digits, packed = record.get("perceptual_hash"), record.get("embedding")
        post.hashes.append(int(digits, 16) if isinstance(digits, str) and digits else None)
        post.embeddings.append(_embedding(packed) if isinstance(packed, str) and packed else None)

    def posts(self) -> Posts:
        """All posts so far, near-duplicates of an account's earlier posts left out.

        Raises:
            UsageError: No image has an account, or none has probabilities.
        """
        if not self._posts:
            if self._without:
                raise UsageError("no post has an account", remedy="name the column with --by, or a folder an account")
            raise UsageError("there are no classified posts")
        kept, copies = _without_copies([*self._posts.values()])
        return Posts(
            tuple(post.account for post in kept),
            np.array([np.mean(post.probabilities, axis=0) for post in kept]),
            self._categories or (),
            names=tuple(post.name for post in kept),
            times=np.array([post.time for post in kept]),
            images=np.array([len(post.probabilities) for post in kept]),
            captions=tuple(post.caption for post in kept),
            sources=tuple(post.source for post in kept),
            texts=tuple(post.text for post in kept),
            likes=np.array([post.likes for post in kept]),
            labels=tuple(post.label for post in kept),
            embeddings=_means([post.embeddings for post in kept]),
            failed=dict(self._failed),
            copies=copies,
        )

    @property
    def without_account(self) -> int:
        """Images that were left out because they have no account."""
        return self._without

    @property
    def profile_pictures(self) -> int:
        """Images that were left out because they are accounts' own pictures, no posts."""
        return self._pictures

    def _account(self, source: str, cells: Mapping[str, object]) -> str | None:
        column = account_column([*cells], self._by)
        if column is None:
            return account_of_file(source, self._folders)
        value = cells[column]
        return None if value is None or value != value or not str(value).strip() else str(value).strip()

    def _post(self, key: tuple[str, str], source: str, cells: Mapping[str, object], caption: str) -> _Post:
        text, label = text_of(cells, self._text), label_of(cells, self._label)
        return _Post(*key, source, time_of(source, cells), caption, text, likes_of(cells), label)

    def _check(self, source: str, probabilities: Mapping[str, float]) -> None:
        if self._categories is None:
            self._categories = tuple(probabilities)
        if len(probabilities) != len(self._categories) or not all(name in probabilities for name in self._categories):
            message = f"has the categories {', '.join(probabilities)}, not {', '.join(self._categories)}"
            raise DataError(message, item=source, remedy="classify all posts with one model")


def with_posts(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each of a table without a column of posts with one that names its row: images of a cell are one post.

    The images of one cell have their columns in common.
    """
    before: object = None
    name = ""
    for row in rows:
        if row.columns is not before:
            before, name = row.columns, row.source
        if row.columns and columns.find([*row.columns], POSTS) is None:
            yield replace(row, columns={**row.columns, POST: name})
        else:
            yield row


def _embedding(packed: str) -> Array:
    return np.frombuffer(base64.b64decode(packed), "<f2").astype(np.float32)


def _means(embeddings: Sequence[Sequence[Array | None]]) -> Array:
    """The mean of each post's images, ``[N, D]``; ``[0, 0]`` where an image has none."""
    if any(each is None for several in embeddings for each in several):
        return np.zeros((0, 0), np.float32)
    return np.stack([np.mean(np.stack([e for e in several if e is not None]), axis=0) for several in embeddings])


def _without_copies(posts: Sequence[_Post]) -> tuple[list[_Post], dict[str, int]]:
    """Posts without those whose images all are near-duplicates of earlier posts' images, and how many, by account.

    Posts whose images have no hashes are kept; an account of such posts alone has no number.
    """
    places: dict[str, list[int]] = {}
    for i, post in enumerate(posts):
        if None not in post.hashes:
            places.setdefault(post.account, []).append(i)
    copies: Counter[str] = Counter()
    dropped = set()
    for account, of_account in places.items():
        copies[account] = 0
        owners = [i for i in of_account for _ in posts[i].hashes]
        hashes = np.array([h for i in of_account for h in posts[i].hashes], np.uint64)
        groups = linked(len(hashes), ((a, b) for a, b, _ in close_pairs(hashes, hashes) if a < b))
        seen: set[int] = set()
        for i in of_account:
            own = {int(group) for group, owner in zip(groups, owners, strict=True) if owner == i}
            if own <= seen:
                dropped.add(i)
                copies[account] += 1
            seen |= own
    return [post for i, post in enumerate(posts) if i not in dropped], dict(copies)
