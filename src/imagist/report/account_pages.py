"""The section of each account on the board: all categories, change over time, posts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints
from imagist.errors import ImagistError
from imagist.images import DecodeLimits
from imagist.images.photo import as_photo
from imagist.profiles import Posts, Profile
from imagist.report.shell import jpeg, thumbnail

POSTS = 8  # most typical posts, and least typical ones, that are named
PICTURES = 3  # of a card
PERIODS = 12  # most points of a curve
_LEAST = 5  # posts of a point
_WIDTH, _HEIGHT = 320, 90  # of a curve
_SIDE = 96  # of a picture, in pixels
_TEXT = 160  # characters of a text that are shown


def account_section(profile: Profile, posts: Posts, level: float) -> dict[str, object]:
    """What the section shows.

    Args:
        profile: Of the account.
        posts: Those that all profiles were made from.
        level: Probability that intervals hold.
    """
    order = np.argsort(-profile.shares, kind="stable")
    values = zip(profile.shares[order], profile.low[order], profile.high[order], profile.leads[order], strict=True)
    lead = profile.categories.index(profile.leading)
    order_of_posts, typical = _by_typicality(profile)
    rest = order_of_posts[max(len(typical), len(order_of_posts) - POSTS) :][::-1]
    return {
        "rows": [
            {"name": profile.categories[i], "share": share, "low": low, "high": high, "leads": leads}
            for i, (share, low, high, leads) in zip(order, values, strict=True)
        ],
        "curve": _curve(posts.times[profile.places], profile.post_probabilities[:, lead], level),
        "typical": [_post(posts, profile, i) for i in typical],
        "untypical": [_post(posts, profile, i) for i in rest],
    }


def typical_pictures(profile: Profile, posts: Posts) -> list[dict[str, str]]:
    """Small pictures of the most typical posts whose images are files that can be read, with their captions."""
    found: list[dict[str, str]] = []
    for i in _by_typicality(profile)[1]:
        place = profile.places[i]
        if len(found) < PICTURES and (picture := _picture(posts.sources[place])):
            found.append({"picture": picture, "caption": posts.captions[place]})
    return found


def _by_typicality(profile: Profile) -> tuple[Ints, Ints]:
    """Its posts from the most typical of its leading category to the least; and the first of these that are of it."""
    given = profile.post_probabilities
    lead = profile.categories.index(profile.leading)
    order = np.argsort(-given[:, lead], kind="stable")
    return order, order[given[order].argmax(axis=1) == lead][:POSTS]


def _picture(source: str) -> str | None:
    try:
        if not source or not Path(source).is_file():
            return None
        photo = as_photo(source, limits=DecodeLimits(work_side=2 * _SIDE))
    except (ImagistError, OSError, ValueError):
        return None
    return jpeg(thumbnail(photo, _SIDE))


def _post(posts: Posts, profile: Profile, i: int) -> dict[str, object]:
    place, given = profile.places[i], profile.post_probabilities[i]
    time, likes = posts.times[place], posts.likes[place]
    facts = [_day(time)] if not math.isnan(time) else []
    facts += [f"{int(posts.images[place])} images"] if posts.images[place] > 1 else []
    facts += [f"{likes:,.0f} likes"] if not math.isnan(likes) else []
    return {
        "name": posts.names[place].rpartition(f"/{profile.account}/")[2],
        "label": posts.categories[int(given.argmax())],
        "probability": float(given.max()),
        "facts": ", ".join(facts),
        "caption": posts.captions[place],
        "text": _short(posts.texts[place]),
    }


def _curve(times: Floats, given: AnyArray, level: float) -> dict[str, object] | None:
    """The share of a category over time, as the points of a drawing; None where too few posts have a date."""
    known = np.flatnonzero(~np.isnan(times))
    parts = min(PERIODS, len(known) // _LEAST)
    if parts < 2 or times[known].min() == times[known].max():
        return None
    ordered = known[np.argsort(times[known], kind="stable")]
    first, last = float(times[ordered[0]]), float(times[ordered[-1]])
    points = []
    for part in np.array_split(ordered, parts):
        share = float(given[part].mean())
        low, high = wilson(share, len(part), level)
        points.append(((float(times[part].mean()) - first) / (last - first), share, low, high))
    points = [(0.0, *points[0][1:]), *points, (1.0, *points[-1][1:])]
    across = [_WIDTH * x for x, *_ in points]
    line = [_HEIGHT * (1 - share) for _, share, _, _ in points]
    band = [*zip(across, (_HEIGHT * (1 - high) for *_, high in points), strict=True)]
    band += reversed([*zip(across, (_HEIGHT * (1 - low) for _, _, low, _ in points), strict=True)])
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "line": " ".join(_points(zip(across, line, strict=True))),
        "band": " ".join(_points(band)),
        "first": _day(first),
        "last": _day(last),
    }


def wilson(share: float, count: int, level: float) -> tuple[float, float]:
    """Wilson's interval of a share of ``count`` posts, 1 or more: its ends, 0..1."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _points(pairs: object) -> Iterator[str]:
    for x, y in pairs:  # type: ignore[attr-defined]
        yield f"{x:.1f},{y:.1f}"


def _day(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else f"{line[: _TEXT - 1]}…"
