"""Profiles as one page, the board: accounts as cards with interval bars, to sort and to filter; a section for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imagist.profiles import Posts, Profile
from imagist.profiles.searching import BriefScores
from imagist.profiles.summary import MOST_POSTS
from imagist.report.account_pages import account_section, typical_pictures
from imagist.report.shell import render_page
from imagist.storage import write_text

SHOWN = 2000  # most accounts on a page
PICTURED = 300  # accounts with pictures
BARS = 5  # categories of a card


def write_board(path: Path, profiles: Sequence[Profile], posts: Posts, **options: Any) -> None:
    """Writes the board, whole or not at all.

    Args:
        path: The page; replaced where it exists.
        profiles: In the order of the page.
        posts: Those that they were made from.
        options: As of `board_page`.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    write_text(path, board_page(profiles, posts, **options))


def board_page(
    profiles: Sequence[Profile],
    posts: Posts,
    *,
    title: str = "Accounts",
    order: str | None = None,
    brief: BriefScores | None = None,
    like: Mapping[str, float] | None = None,
    pictures: bool = False,
    level: float = 0.95,
    sure: float = 0.95,
) -> str:
    """The board.

    Args:
        profiles: In the order of the page.
        posts: Those that they were made from.
        title: Of the page.
        order: What they are in order of, such as ``how surely food``; None where it is that of the input.
        brief: The scores of a sentence, if one was searched for.
        like: Similarities by account, if accounts like another were searched for.
        pictures: Whether images that the posts name are read from the disk, for small pictures of typical posts of the
            first `PICTURED` accounts. Not for posts that a stranger named.
        level: Probability that the intervals hold.
        sure: Probability at which a first category counts as sure.
    """
    shown = profiles[:SHOWN]
    return render_page(
        "profiles.html",
        title=title,
        maker="imagist profile",
        accounts=len(profiles),
        posts=sum(each.posts for each in profiles),
        sure=sum(each.leading_probability >= sure for each in profiles),
        left=len(profiles) - len(shown),
        level=level,
        order=order or "as in the input",
        leading=sorted({each.leading for each in shown}),
        categories=posts.categories,
        cards=[
            _card(each, posts, sure, [*_asked(each, brief, like)])
            | {"pictures": typical_pictures(each, posts) if pictures and place < PICTURED else []}
            for place, each in enumerate(shown)
        ],
        sections=[account_section(each, posts, level) for each in shown],
    )


def _card(profile: Profile, posts: Posts, sure: float, asked: Sequence[str]) -> dict[str, object]:
    top = np.argsort(-profile.shares, kind="stable")[:BARS]
    lead = profile.categories.index(profile.leading)
    top = np.array([lead, *top[top != lead]])[:BARS]
    parts = zip(profile.shares[top], profile.low[top], profile.high[top], strict=True)
    typical = int(profile.post_probabilities[:, lead].argmax())
    return {
        "account": profile.account,
        "leading": profile.leading,
        "probability": round(profile.leading_probability, 3),
        "said": "over 99%" if profile.leading_probability > 0.99 else f"{profile.leading_probability:.0%}",
        "posts": profile.posts,
        "specialisation": round(profile.specialisation, 3),
        "trend_value": "" if profile.trend is None else round(profile.trend, 3),
        "sure": profile.leading_probability >= sure,
        "shares": " ".join(f"{share:.3f}" for share in profile.shares),
        "counts": ", ".join(_counts(profile)),
        "bars": [
            {"name": profile.categories[i], "share": share, "low": low, "high": high}
            for i, (share, low, high) in zip(top, parts, strict=True)
        ],
        "asked": asked,
        "notes": [*_notes(profile)],
        "typical": posts.captions[profile.places[typical]],
    }


def _asked(profile: Profile, brief: BriefScores | None, like: Mapping[str, float] | None) -> Iterator[str]:
    if brief is not None:
        score, low, high = brief.of_accounts[profile.account]
        yield f"fits “{brief.brief}”: {score:.2f} times the mean ({low:.2f} to {high:.2f})"
    if like is not None:
        yield f"similarity {like[profile.account]:.2f}"


def _counts(profile: Profile) -> Iterator[str]:
    yield _several(profile.posts, "post")
    if profile.images != profile.posts:
        yield _several(profile.images, "image")
    if profile.carousels:
        yield _several(profile.carousels, "carousel")
    if profile.copies:
        yield f"{_several(profile.copies, 'near-duplicate')} left out"
    if profile.failed:
        yield f"{_several(profile.failed, 'image')} failed"
    if profile.videos:
        yield f"{_several(profile.videos, 'video')} skipped"
    if profile.likes is not None:
        yield f"median {profile.likes:,.0f} likes"


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _notes(profile: Profile) -> Iterator[str]:
    if profile.more_posts is None:
        yield "no practical number of posts would make the first category sure"
    elif profile.more_posts:
        few, many = (f"over {MOST_POSTS:,}" if end is None else f"{end:,}" for end in profile.more_posts_interval)
        more = f"about {_several(profile.more_posts, 'more post')} ({few} to {many})"
        yield f"{more} would make the first category sure"
    low, high = profile.specialisation_interval
    yield f"specialisation {profile.specialisation:.2f} ({low:.2f} to {high:.2f}; 1 is a single category)"
    if profile.trend is not None and profile.trend_interval is not None:
        change, least, most = (round(100 * each) for each in (profile.trend, *profile.trend_interval))
        points = f"{change:+d} {'point' if abs(change) == 1 else 'points'} ({least:+d} to {most:+d})"
        yield f"{profile.leading}: {points} from the earlier posts to the later"
    if profile.none_share is not None and profile.none_interval is not None:
        low, high = profile.none_interval
        yield f"none of these categories: {profile.none_share:.0%} ({low:.0%} to {high:.0%})"
