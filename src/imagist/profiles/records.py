"""Profiles as flat records: one row an account, one row a post.

A column says what posts show, how sure that is, or how much there was to go by; there is none about who somebody is.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence

from imagist.profiles.posts import Posts
from imagist.profiles.profile import Profile
from imagist.profiles.searching import BriefScores
from imagist.records import LabelSet
from imagist.records.flat import Kind

DIGITS = 4  # of shares and probabilities; intervals are never that narrow

ACCOUNT_FIELDS: dict[str, Kind] = {
    "account": "text",
    "posts": "number",  # that the profile was made from
    "images": "number",  # of these posts
    "failed": "number",  # images that could not be used
    "carousels": "number",  # posts of several images
    "near_duplicates": "number",  # posts that were left out; null where images were not compared
    "videos": "number",  # video files that were left out
    "likes": "number",  # median of its posts' likes; null where they are not known
    "leading": "text",  # the category that most probably has the largest share
    "leading_probability": "number",  # that it has
    "leading_share": "number",  # expected share of its posts, 0 to 1
    "leading_low": "number",  # the 95% credible interval of this share
    "leading_high": "number",
    "more_posts": "number",  # needed to be sure of the leading category; 0 where it is; null where no number would do
    "more_posts_low": "number",  # the 95% credible interval of this number; null where no number would do
    "more_posts_high": "number",
    "specialisation": "number",  # 0: all categories alike; 1: one category
    "specialisation_low": "number",
    "specialisation_high": "number",
    "trend": "number",  # change of the leading share from the earlier half of posts to the later; null without dates
    "trend_low": "number",
    "trend_high": "number",
    "none_share": "number",  # of posts of none of the categories; null where the model has no such category
    "none_low": "number",
    "none_high": "number",
}
"""The columns of the table of accounts, with their kinds; those of a search and `category_fields` follow."""

BRIEF_FIELDS: dict[str, Kind] = {
    "brief_score": "number",  # how well its posts fit the sentence: times the mean of all posts
    "brief_low": "number",  # the 95% credible interval of this score
    "brief_high": "number",
}
"""The columns that a sentence to search for adds."""

SIMILARITY = "similarity"
"""The column that an account to search for others like it adds: 1 is itself."""

POST_FIELDS: dict[str, Kind] = {
    "account": "text",
    "post": "text",
    "date": "text",  # ISO 8601, UTC; null where unknown
    "images": "number",
    "likes": "number",  # null where unknown
    "label": "text",  # the most probable category, given what else the account posts about
    "probability": "number",  # of it
    "probabilities": "probabilities",  # given what else the account posts about
    "classifier_probabilities": "probabilities",  # as the classifier gave them
}
"""The columns of the table of posts, with their kinds."""


def category_fields(categories: Sequence[str]) -> dict[str, Kind]:
    """The columns that each category adds: its share, the ends of the interval, the probability that it leads."""
    names = [f"{part}_{name}" for part in ("share", "low", "high", "leads") for name in categories]
    return dict.fromkeys(names, "number")


def account_fields(
    categories: Sequence[str], *, brief: BriefScores | None = None, like: Mapping[str, float] | None = None
) -> dict[str, Kind]:
    """All columns of a table of accounts, with their kinds; arguments as of `account_record`."""
    asked: dict[str, Kind] = {} if like is None else {SIMILARITY: "number"}
    return {**ACCOUNT_FIELDS, **({} if brief is None else BRIEF_FIELDS), **asked, **category_fields(categories)}


def post_fields(*, brief: BriefScores | None = None) -> dict[str, Kind]:
    """All columns of a table of posts, with their kinds."""
    return POST_FIELDS if brief is None else {**POST_FIELDS, "brief_score": "number"}


def account_record(
    profile: Profile, *, brief: BriefScores | None = None, like: Mapping[str, float] | None = None
) -> dict[str, object]:
    """One profile as a flat record, by `account_fields`.

    Args:
        profile: Of an account.
        brief: The scores of a sentence, if one was searched for.
        like: Similarities by account, if accounts like another were searched for.
    """
    lead = profile.categories.index(profile.leading)
    record: dict[str, object] = {
        "account": profile.account,
        "posts": profile.posts,
        "images": profile.images,
        "failed": profile.failed,
        "carousels": profile.carousels,
        "near_duplicates": profile.copies,
        "videos": profile.videos,
        "likes": profile.likes,
        "leading": profile.leading,
        "leading_probability": _rounded(profile.leading_probability),
        "leading_share": _rounded(profile.shares[lead]),
        "leading_low": _rounded(profile.low[lead]),
        "leading_high": _rounded(profile.high[lead]),
        "more_posts": profile.more_posts,
        "more_posts_low": profile.more_posts_interval[0],
        "more_posts_high": profile.more_posts_interval[1],
        "specialisation": _rounded(profile.specialisation),
        **_ends("specialisation", profile.specialisation_interval),
        "trend": _rounded(profile.trend),
        **_ends("trend", profile.trend_interval),
        "none_share": _rounded(profile.none_share),
        **_ends("none", profile.none_interval),
    }
    if brief is not None:
        record |= dict(zip(BRIEF_FIELDS, map(_rounded, brief.of_accounts[profile.account]), strict=True))
    if like is not None:
        record[SIMILARITY] = _rounded(like[profile.account])
    for part, values in (
        ("share", profile.shares),
        ("low", profile.low),
        ("high", profile.high),
        ("leads", profile.leads),
    ):
        record |= {f"{part}_{name}": _rounded(value) for name, value in zip(profile.categories, values, strict=True)}
    return record


def post_records(
    profiles: Sequence[Profile], posts: Posts, *, brief: BriefScores | None = None
) -> Iterator[dict[str, object]]:
    """The posts as flat records, by `post_fields`, account by account."""
    for profile in profiles:
        for place, given in zip(profile.places, profile.post_probabilities, strict=True):
            asked = {} if brief is None else {"brief_score": _rounded(brief.of_posts[place])}
            yield {
                "account": profile.account,
                "post": posts.names[place],
                "date": _date(posts.times[place]),
                "images": int(posts.images[place]),
                "likes": None if math.isnan(posts.likes[place]) else float(posts.likes[place]),
                "label": posts.categories[int(given.argmax())],
                "probability": _rounded(given.max()),
                "probabilities": _by_name(posts.categories, given),
                "classifier_probabilities": _by_name(posts.categories, posts.probabilities[place]),
                **asked,
            }


def ranked(
    profiles: Sequence[Profile],
    category: str | None = None,
    *,
    brief: BriefScores | None = None,
    like: Mapping[str, float] | None = None,
) -> list[Profile]:
    """Profiles in order of what was asked for, best first; in their own order where nothing was.

    Args:
        profiles: Of one set of categories.
        category: One of them: by how surely accounts are about it, then by the least share that is credible.
        brief: The scores of a sentence: by the expected score.
        like: Similarities by account: by these.

    Raises:
        UsageError: There is no such category.
    """
    if brief is not None:
        return sorted(profiles, key=lambda each: -brief.of_accounts[each.account][0])
    if like is not None:
        return sorted(profiles, key=lambda each: -like[each.account])
    if category is None or not profiles:
        return [*profiles]
    place = LabelSet(profiles[0].categories).index(category)
    return sorted(profiles, key=lambda each: (-each.leads[place], -each.low[place], -each.shares[place]))


def _ends(name: str, interval: tuple[float, float] | None) -> Mapping[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": _rounded(low), f"{name}_high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _date(seconds: float) -> str | None:
    if math.isnan(seconds):
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")


def _by_name(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return {name: round(float(value), DIGITS) for name, value in zip(names, values, strict=True)}
