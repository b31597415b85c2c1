"""From classified images to posts: carousels become one post each, near-duplicates count once.

Shapes: C categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from imagist.datasets.groups import linked
from imagist.datasets.near_duplicates import close_pairs, perceptual_hash
from imagist.errors import DataError, UsageError
from imagist.profiles.naming import account_column, account_of_file, post_of, time_of
from imagist.profiles.posts import Posts
from imagist.records import Photo


@dataclass(eq=False)
class _Post:
    account: str
    name: str
    time: float
    caption: str
    probabilities: list[list[float]] = field(default_factory=list)
    hashes: list[int | None] = field(default_factory=list)


class Collector:
    """Collects images, in any order, into posts.

    Args:
        by: The column of accounts; found by its name where it is None.
        folders: Sources that hold a folder an account, for images without such a column.
    """

    def __init__(self, by: str | None = None, folders: Sequence[str] = ()) -> None:
        self._by, self._folders = by, folders
        self._posts: dict[tuple[str, str], _Post] = {}
        self._failed: Counter[str] = Counter()
        self._categories: tuple[str, ...] | None = None
        self._without = 0

    def add(
        self,
        source: str,
        cells: Mapping[str, object],
        probabilities: Mapping[str, float] | None,
        *,
        caption: str = "",
        photo: Photo | None = None,
    ) -> None:
        """Adds an image.

        Args:
            source: Its name.
            cells: The columns of its row.
            probabilities: By category, calibrated; None where it has none.
            caption: Of the image.
            photo: By which near-duplicates are found; None where it is not at hand.

        Raises:
            UsageError: There is no such column of accounts.
            DataError: Its categories are not those of the images before it.
        """
        account = self._account(source, cells)
        if account is None:
            self._without += 1
            return
        if probabilities is None:
            self._failed[account] += 1
            return
        self._check(source, probabilities)
        name = post_of(source, cells)
        post = self._posts.setdefault((account, name), _Post(account, name, time_of(source, cells), caption))
        post.probabilities.append([float(probabilities[each]) for each in self._categories or ()])
        post.hashes.append(None if photo is None else perceptual_hash(photo.pixels))

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
        means = np.array([np.mean(post.probabilities, axis=0) for post in kept])
        return Posts(
            tuple(post.account for post in kept),
            means,
            self._categories or (),
            names=tuple(post.name for post in kept),
            times=np.array([post.time for post in kept]),
            images=np.array([len(post.probabilities) for post in kept]),
            captions=tuple(post.caption for post in kept),
            failed=dict(self._failed),
            copies=copies,
        )

    @property
    def without_account(self) -> int:
        """Images that were left out because they have no account."""
        return self._without

    def _account(self, source: str, cells: Mapping[str, object]) -> str | None:
        column = account_column([*cells], self._by)
        if column is None:
            return account_of_file(source, self._folders)
        value = cells[column]
        return None if value is None or value != value or not str(value).strip() else str(value).strip()

    def _check(self, source: str, probabilities: Mapping[str, float]) -> None:
        if self._categories is None:
            self._categories = tuple(probabilities)
        if len(probabilities) != len(self._categories) or not all(name in probabilities for name in self._categories):
            message = f"has the categories {', '.join(probabilities)}, not {', '.join(self._categories)}"
            raise DataError(message, item=source, remedy="classify all posts with one model")


def _without_copies(posts: Sequence[_Post]) -> tuple[list[_Post], dict[str, int]]:
    """Posts without those whose images all are near-duplicates of earlier posts' images, and how many, by account."""
    places: dict[str, list[int]] = {}
    for i, post in enumerate(posts):
        if None not in post.hashes:
            places.setdefault(post.account, []).append(i)
    copies: Counter[str] = Counter()
    dropped = set()
    for account, of_account in places.items():
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
