"""``imagist profile``: what each account posts about, with intervals."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_categories, add_inputs, add_model, add_parts, add_speed
from imagist.errors import OutputError, UsageError

if TYPE_CHECKING:
    from imagist.arrays import Floats
    from imagist.images.stream import Outcome
    from imagist.profiles import Posts, Profile
    from imagist.profiles.collecting import Collector
    from imagist.records import Prediction, Row
    from imagist.records.flat import Kind

_CHUNK = 1000  # rows that are written together
_SHOWN = 20  # accounts on stdout


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    parser.epilog = (
        f"{parser.epilog} Accounts are a column, or folders: POSTS/ACCOUNT/image.jpg. A table that `imagist classify` "
        "wrote is not classified again, and needs no images."
    )
    group = parser.add_argument_group("accounts")
    group.add_argument(
        "--by",
        metavar="NAME",
        help="the column of accounts (default: account, username, owner, user, author or profile; else folders)",
    )
    group.add_argument("--rank", metavar="CATEGORY", help="order accounts by how surely they are about it")
    group.add_argument(
        "--prior",
        metavar="NAME=SHARE,...",
        help="the mix of categories that the probabilities were calibrated for (default: all equally common)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of sampling (default: 0)")
    group = parser.add_argument_group("writing")
    formats = "a .csv, .jsonl, .parquet or .xlsx table"
    group.add_argument("--out", type=Path, metavar="FILE", help=f"write {formats}, one row an account")
    group.add_argument("--posts", type=Path, metavar="FILE", help=f"write {formats}, one row a post")
    group.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with a card for each account")
    group.add_argument("--overwrite", action="store_true", help="replace files that are already there")
    group.add_argument("--quiet", action="store_true", help="no progress on stderr, errors only")
    add_model(parser)
    add_parts(parser)
    add_categories(parser, crops="the mean of several crops, which suits tall, wide and crowded images")
    add_speed(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from imagist.profiles import Settings, profile
    from imagist.profiles.collecting import Collector
    from imagist.profiles.reading import collect_classified, is_classified
    from imagist.profiles.records import ranked
    from imagist.report.profiles import write_board
    from imagist.report.terminal import say

    _check(args)
    settings = Settings(seed=args.seed)
    collector = Collector(args.by, args.sources)
    known = [is_classified(source) for source in args.sources]
    if any(known) and not all(known):
        raise UsageError("some sources are classified already and others not", remedy="profile them apart")
    failed = 0
    if all(known):
        collect_classified(collector, args.sources)
    else:
        failed = _classify(args, collector)
    posts = collector.posts()
    found = ranked(profile(posts, settings, prior=_prior(args.prior, posts.categories)), args.rank)
    _write(args, found, posts)
    if args.report:
        write_board(args.report, found, posts, rank=args.rank, level=settings.level, sure=settings.sure)
    if not args.quiet:
        copies = sum(posts.copies.values())
        say(f"imagist: {len(posts):,} posts of {len(found):,} accounts; {copies:,} near-duplicates left out\n")
    if collector.without_account:
        say(f"imagist: {collector.without_account:,} inputs have no account and were left out\n")
    return 3 if failed or collector.without_account else 0


def _check(args: argparse.Namespace) -> None:
    """Makes sure that the results can be written, before anything is read."""
    from imagist.engine.writer import check_output
    from imagist.report.shell import check_page

    for path in filter(None, (args.out, args.posts)):
        check_output(path)
    if args.report:
        check_page(args.report)
    outputs = [path for path in (args.out, args.posts, args.report) if path]
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise UsageError("two outputs are one file", item=str(outputs[0]))
    for path in outputs:
        if any(path.resolve() == Path(source).resolve() for source in args.sources):
            raise OutputError("is an input, too", item=str(path), remedy="write to another file")
        if path.exists() and not args.overwrite:
            raise OutputError("exists already", item=str(path), remedy="name another file, or --overwrite")


def _classify(args: argparse.Namespace, collector: Collector) -> int:
    """Classifies all images into the collector; returns how many failed."""
    from imagist.cli.opening import pipeline_of
    from imagist.cli.parser import limits
    from imagist.engine import RunSpec, classification
    from imagist.engine.run import run as run_engine
    from imagist.records import Failure
    from imagist.report.terminal import printable, say

    previous: tuple[object, str] = (None, "")

    def each(_: int, outcome: Outcome[Row, Prediction]) -> None:
        nonlocal previous
        row, result = outcome.source, outcome.result
        if row.columns is not previous[0] or not row.columns:  # images of one cell have their columns in common
            previous = row.columns, row.source
        if isinstance(result, Failure):
            collector.add(previous[1], row.columns, None)
            return
        given = {name: float(p) for name, p in zip(result.labels, result.probabilities, strict=True)}
        collector.add(previous[1], row.columns, given, caption=result.caption.text, photo=outcome.photo)

    spec = RunSpec(
        tuple(args.sources),
        column=args.column,
        images=args.images,
        limits=limits(args),
        batch_size=args.batch_size,
        workers=args.workers,
    )
    rows = spec.rows()
    summary = run_engine(spec, classification(pipeline_of(args)), rows=rows, each=each, quiet=args.quiet)
    if summary.failed:
        say(f"imagist: {summary.failed:,} of {summary.done:,} inputs failed:\n")
        say("".join(printable(f"  {source}: {message}") + "\n" for source, message in summary.failures))
    return summary.failed


def _prior(text: str | None, categories: tuple[str, ...]) -> Floats | None:
    """The mix that ``--prior`` names, ``[C]``."""
    import numpy as np

    if text is None:
        return None
    try:
        shares = {name.strip(): float(share) for name, _, share in (part.rpartition("=") for part in text.split(","))}
    except ValueError:
        raise UsageError("is NAME=SHARE, parted by commas", item="--prior") from None
    if shares.keys() != {*categories} or not all(0 < share < float("inf") for share in shares.values()):
        raise UsageError("needs a share over 0 for each category", item="--prior", remedy=", ".join(categories))
    mix = np.array([shares[name] for name in categories])
    return np.asarray(mix / mix.sum())


def _write(args: argparse.Namespace, found: list[Profile], posts: Posts) -> None:
    from rich.console import Console

    from imagist.profiles import account_record, post_records
    from imagist.profiles.records import ACCOUNT_FIELDS, POST_FIELDS, category_fields

    if args.out:
        fields = ACCOUNT_FIELDS | category_fields(posts.categories)
        _table(args.out, (account_record(each) for each in found), fields)
    else:
        Console().print(_shown(found))
    if args.posts:
        _table(args.posts, post_records(found, posts), POST_FIELDS)


def _table(path: Path, records: Iterable[dict[str, object]], fields: Mapping[str, Kind]) -> None:
    from imagist.engine.writer import write

    rows: list[tuple[dict[str, object], dict[str, object]]] = [(record, {}) for record in records]
    write(path, [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)], fields)


def _shown(found: list[Profile]) -> object:
    """The first accounts as a table of the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, caption=_rest(len(found)))
    for name in ("account", "posts", "first category", "probability", "share", "95% interval", "more posts"):
        table.add_column(name, justify="left" if name in ("account", "first category") else "right")
    for each in found[:_SHOWN]:
        table.add_row(*map(Text, _cells(each)))
    return table


def _rest(count: int) -> str | None:
    return f"and {count - _SHOWN:,} more accounts; write them with --out" if count > _SHOWN else None


def _cells(each: Profile) -> Iterator[str]:
    lead = each.categories.index(each.leading)
    more = "-" if each.more_posts is None else f"{each.more_posts:,}"
    share, probability = f"{each.shares[lead]:.0%}", f"{each.leading_probability:.2f}"
    interval = f"{each.low[lead]:.0%} to {each.high[lead]:.0%}"
    yield from (each.account, f"{each.posts:,}", each.leading, probability, share, interval, more)
