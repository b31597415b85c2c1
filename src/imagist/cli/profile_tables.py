"""The tables that ``imagist profile`` writes: accounts, posts, and the first accounts on the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagist.profiles import Posts, Profile
    from imagist.profiles.searching import BriefScores
    from imagist.records.flat import Kind

_CHUNK = 1000  # rows that are written together
_SHOWN = 20  # accounts on stdout


def write_tables(
    args: argparse.Namespace,
    found: Sequence[Profile],
    posts: Posts,
    brief: BriefScores | None,
    like: Mapping[str, float] | None,
) -> None:
    """Writes the tables of ``--out`` and ``--posts``; without ``--out``, shows the first accounts.

    Args:
        args: The parsed options.
        found: The profiles, in order.
        posts: Those that they were made from.
        brief: The scores of a sentence, if it was asked for.
        like: Similarities by account, if they were asked for.
    """
    from rich.console import Console

    from imagist.profiles import account_record, post_records
    from imagist.profiles.records import account_fields, post_fields

    if args.out:
        fields = account_fields(posts.categories, brief=brief, like=like)
        _table(args.out, (account_record(each, brief=brief, like=like) for each in found), fields)
    else:
        Console().print(_shown(found, brief, like))
    if args.posts:
        _table(args.posts, post_records(found, posts, brief=brief), post_fields(brief=brief))


def _table(path: Path, records: Iterable[dict[str, object]], fields: Mapping[str, Kind]) -> None:
    from imagist.engine.writer import write

    if path.suffix.lower() == ".xlsx":  # for people: without probabilities by name, which would be JSON in a cell
        fields = {name: kind for name, kind in fields.items() if kind != "probabilities"}
    rows: list[tuple[dict[str, object], dict[str, object]]] = [(record, {}) for record in records]
    write(path, [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)], fields)


def _shown(found: Sequence[Profile], brief: BriefScores | None, like: Mapping[str, float] | None) -> object:
    """The first accounts as a table of the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, caption=_rest(len(found)))
    asked = ["fits the brief"] if brief else ["similarity"] if like else []
    for name in ("account", "posts", "first category", "probability", "share", "95% interval", "more posts", *asked):
        table.add_column(name, justify="left" if name in ("account", "first category") else "right")
    for each in found[:_SHOWN]:
        more = [f"{brief.of_accounts[each.account][0]:.2f}"] if brief else []
        more += [f"{like[each.account]:.2f}"] if like else []
        table.add_row(*map(Text, [*_cells(each), *more]))
    return table


def _rest(count: int) -> str | None:
    return f"and {count - _SHOWN:,} more accounts; write them with --out" if count > _SHOWN else None


def _cells(each: Profile) -> Iterator[str]:
    lead = each.categories.index(each.leading)
    more = "-" if each.more_posts is None else f"{each.more_posts:,}"
    share, probability = f"{each.shares[lead]:.0%}", f"{each.leading_probability:.2f}"
    interval = f"{each.low[lead]:.0%} to {each.high[lead]:.0%}"
    yield from (each.account, f"{each.posts:,}", each.leading, probability, share, interval, more)
