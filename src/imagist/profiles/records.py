"""Profiles as flat records: one row an account, one row a post.

A column says what posts show, how sure that is, or how much there was to go by; there is none about who somebody is.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence

from imagist.profiles.posts import Posts
from imagist.profiles.profile import Profile
from imagist.records.flat import Kind

DIGITS = 4  # of shares and probabilities; intervals are never that narrow

ACCOUNT_FIELDS: dict[str, Kind] = {
    "account": "text",
    "posts": "number",  # that the profile was made from
    "images": "number",  # of these posts
    "failed": "number",  # images that could not be used
    "near_duplicates": "number",  # posts that were left out
    "leading": "text",  # the category that most probably has the largest share
    "leading_probability": "number",  # that it has
    "leading_share": "number",  # expected share of its posts, 0 to 1
    "leading_low": "number",  # the 95% credible interval of this share
    "leading_high": "number",
    "more_posts": "number",  # needed to be sure of the leading category; 0 where it is; null where no number would do
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
"""The columns of the table of accounts, with their kinds; `category_fields` follow."""

POST_FIELDS: dict[str, Kind] = {
    "account": "text",
    "post": "text",
    "date": "text",  # ISO 8601, UTC; null where unknown
    "images": "number",
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


def account_record(profile: Profile) -> dict[str, object]:
    """One profile as a flat record, by `ACCOUNT_FIELDS` and `category_fields`."""
    lead = profile.categories.index(profile.leading)
    record: dict[str, object] = {
        "account": profile.account,
        "posts": profile.posts,
        "images": profile.images,
        "failed": profile.failed,
        "near_duplicates": profile.copies,
        "leading": profile.leading,
        "leading_probability": _rounded(profile.leading_probability),
        "leading_share": _rounded(profile.shares[lead]),
        "leading_low": _rounded(profile.low[lead]),
        "leading_high": _rounded(profile.high[lead]),
        "more_posts": profile.more_posts,
        "specialisation": _rounded(profile.specialisation),
        **_ends("specialisation", profile.specialisation_interval),
        "trend": _rounded(profile.trend),
        **_ends("trend", profile.trend_interval),
        "none_share": _rounded(profile.none_share),
        **_ends("none", profile.none_interval),
    }
    for part, values in (
        ("share", profile.shares),
        ("low", profile.low),
        ("high", profile.high),
        ("leads", profile.leads),
    ):
        record |= {f"{part}_{name}": _rounded(value) for name, value in zip(profile.categories, values, strict=True)}
    return record


def post_records(profiles: Sequence[Profile], posts: Posts) -> Iterator[dict[str, object]]:
    """The posts as flat records, by `POST_FIELDS`, account by account."""
    for profile in profiles:
        for place, given in zip(profile.places, profile.post_probabilities, strict=True):
            yield {
                "account": profile.account,
                "post": posts.names[place],
                "date": _date(posts.times[place]),
                "images": int(posts.images[place]),
                "label": posts.categories[int(given.argmax())],
                "probability": _rounded(given.max()),
                "probabilities": _by_name(posts.categories, given),
                "classifier_probabilities": _by_name(posts.categories, posts.probabilities[place]),
            }


def ranked(profiles: Sequence[Profile], category: str | None) -> list[Profile]:
    """Profiles by how surely they are about a category, then by the least share that is credible.

    Args:
        profiles: Of one set of categories.
        category: One of them; None keeps the order.

    Raises:
        UsageError: It is none of them.
    """
    if category is None or not profiles:
        return [*profiles]
    from imagist.records import LabelSet

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
