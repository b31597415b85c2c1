"""``imagist profile``: what each account posts about, with intervals."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_categories, add_inputs, add_model, add_parts, add_scale, add_speed, fraction
from imagist.errors import OutputError, UsageError

if TYPE_CHECKING:
    from imagist.arrays import Floats
    from imagist.engine import RunSpec, Task
    from imagist.engine.writer import Chunks, Style
    from imagist.images.stream import Outcome
    from imagist.pipeline import Pipeline
    from imagist.profiles import Posts
    from imagist.profiles.collecting import Collector
    from imagist.profiles.images import PostImage
    from imagist.profiles.searching import BriefScores
    from imagist.records import Row
    from imagist.records.flat import Kind

    Opened = Callable[[], Pipeline]


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    parser.epilog = (
        f"{parser.epilog} Accounts are a column, or folders: POSTS/ACCOUNT/image.jpg, also as instaloader writes them. "
        "A table that `imagist classify` wrote is not classified again, and needs no images."
    )
    group = parser.add_argument_group("accounts")
    group.add_argument(
        "--by",
        metavar="NAME",
        help="the column of accounts (default: account, username, owner, user, author or profile; else folders)",
    )
    order = group.add_mutually_exclusive_group()
    order.add_argument("--rank", metavar="CATEGORY", help="order accounts by how surely they are about it")
    order.add_argument("--brief", metavar="TEXT", help="order accounts by how well their posts fit a sentence")
    order.add_argument("--like", metavar="ACCOUNT", help="order accounts by how similar they are to one of them")
    group.add_argument(
        "--prior",
        metavar="NAME=SHARE,...",
        help="the mix of categories that the probabilities were calibrated for (default: all equally common)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of sampling (default: 0)")
    group = parser.add_argument_group("the authors' own texts")
    group.add_argument("--text-column", metavar="NAME", help="the column of texts (default: found by its name)")
    group.add_argument(
        "--label-column",
        metavar="NAME",
        help="the column of true categories, from which the weight of the texts is learnt (default: found by its name)",
    )
    group.add_argument(
        "--text-weight",
        type=fraction,
        metavar="V",
        help="weight of the authors' texts beside image and caption (default: learnt on labelled posts; else 0)",
    )
    _add_writing(parser)
    add_model(parser)
    add_parts(parser)
    add_categories(parser, crops="the mean of several crops, which suits tall, wide and crowded images")
    add_speed(parser)
    add_scale(parser)


def _add_writing(parser: Parser) -> None:
    """Adds the options of writing."""
    group = parser.add_argument_group("writing")
    formats = "a .csv, .jsonl, .parquet or .xlsx table"
    group.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"write {formats}, one row an account; what is found of images is in FILE.partial till then, or, of "
        "--engine ray, in the folder FILE.parts",
    )
    group.add_argument("--posts", type=Path, metavar="FILE", help=f"write {formats}, one row a post")
    group.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write a page with a card and a section for each account"
    )
    group.add_argument(
        "--classified",
        metavar="FOLDER/",
        help="keep what is found of images as Parquet parts, which suits millions of them and can be profiled again",
    )
    group.add_argument("--overwrite", action="store_true", help="replace files that are already there")
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue from FILE.partial, or the parts in FOLDER/, of a run that was stopped; start if there is none",
    )
    group.add_argument("--quiet", action="store_true", help="no progress on stderr, errors only")


def task_of(args: argparse.Namespace) -> Task[PostImage]:
    """The work on each image that the options ask for, with a model of its own."""
    from imagist.cli.opening import pipeline_of
    from imagist.engine import post_images

    return post_images(pipeline_of(args), embed=bool(args.brief))


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from imagist.cli.opening import pipeline_of
    from imagist.engine.parts import part_files
    from imagist.profiles.collecting import Collector
    from imagist.profiles.reading import collect_classified, is_classified

    _check(args)
    args.sources = [file for source in args.sources for file in part_files(source)]
    collector = Collector(args.by, args.sources, args.text_column, args.label_column)
    known = [is_classified(source) for source in args.sources]
    if any(known) and not all(known):
        raise UsageError("some sources are classified already and others not", remedy="profile them apart")
    opened = cache(lambda: pipeline_of(args))
    if not all(known):
        code = _from_images(args, collector, opened)
        return code or (3 if collector.without_account else 0)
    if args.classified or args.estimate:
        option = "--classified" if args.classified else "--estimate"
        raise UsageError("the sources are classified already", item=option, remedy="leave it out")
    collector = Collector(args.by, None, args.text_column, args.label_column)
    collect_classified(collector, args.sources)
    _profile(args, collector, opened)
    return 3 if collector.without_account else 0


def _check(args: argparse.Namespace) -> None:
    """Makes sure that the results can be written, before anything is read."""
    from imagist.engine.journal import journal_of
    from imagist.engine.writer import check_output
    from imagist.report.shell import check_page

    for path in filter(None, (args.out, args.posts)):
        check_output(path)
    if args.report:
        check_page(args.report)
    outputs = [path for path in (args.out, args.posts, args.report) if path]
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise UsageError("two outputs are one file", item=str(outputs[0]))
    resumed = args.resume and args.out and journal_of(args.out).exists()
    for path in outputs:
        if any(path.resolve() == Path(source).resolve() for source in args.sources):
            raise OutputError("is an input, too", item=str(path), remedy="write to another file")
        if path.exists() and not (args.overwrite or resumed):
            raise OutputError("exists already", item=str(path), remedy="name another file, or --overwrite")


def _from_images(args: argparse.Namespace, collector: Collector, opened: Opened) -> int:
    """Classifies all images, and profiles their accounts; returns the exit code."""
    from imagist.cli.execution import execute, execute_on_ray
    from imagist.engine import post_images
    from imagist.engine.parts import part_files
    from imagist.engine.spec import RAY
    from imagist.profiles.collecting import with_posts
    from imagist.profiles.reading import collect_classified
    from imagist.records.flat import as_record

    def each(_: int, outcome: Outcome[Row, PostImage]) -> None:
        if spec.target is None:  # else the journal or the folder has it
            row = outcome.source
            collector.add(row.source, row.columns, as_record(row.source, outcome.result))

    def write(_: Path, chunks: Chunks, __: Mapping[str, Kind], ___: Style) -> None:
        for record, columns in (row for chunk in chunks for row in chunk):
            collector.add(record["source"], columns, record)
        _profile(args, collector, opened)

    spec = _spec(args)
    spec.check()
    rows = with_posts(spec.rows())
    if spec.executor == RAY:
        code = execute_on_ray(argparse.Namespace(**{**vars(args), "report": None}), spec, task_of, rows)
    else:
        labels = opened().labels
        _prior(args.prior, labels.names)
        if args.rank:
            labels.index(args.rank)
        task = post_images(opened(), embed=bool(args.brief))
        code = execute(args, spec, task, rows, each=each, writer=write)
    if code not in (0, 3) or args.estimate or spec.out:
        return code
    if spec.parts:
        collect_classified(collector, part_files(spec.parts))
    _profile(args, collector, opened)
    if spec.parts and spec.parts != args.classified:
        shutil.rmtree(spec.parts)
    return code


def _spec(args: argparse.Namespace) -> RunSpec:
    """The run over the images: into a journal beside the table, a folder that is kept, or a folder beside the table.

    Raises:
        UsageError: Ray, and nowhere to keep what is found.
        OutputError: Ray, and there is a journal of this machine's.
    """
    from imagist.cli.parser import limits
    from imagist.engine import Cluster, RunSpec
    from imagist.engine.journal import journal_of
    from imagist.engine.parts import is_complete
    from imagist.engine.spec import RAY

    writes = not args.estimate
    parts = args.classified
    beside = args.out and args.out.with_name(f"{args.out.name}.parts")
    if writes and not parts and (args.engine == RAY or (args.resume and beside and beside.exists())):
        if beside is None:
            raise UsageError("Ray needs a file or a folder to write", item=RAY, remedy="name one: --out, --classified")
        if journal_of(args.out).exists():
            remedy = "finish it with --engine local --resume, or delete that file"
            raise OutputError("holds an unfinished run of one machine", item=str(journal_of(args.out)), remedy=remedy)
        parts = str(beside)
    done = bool(parts and writes and args.resume and is_complete(parts))
    return RunSpec(
        tuple(args.sources),
        column=args.column,
        images=args.images,
        limits=limits(args),
        out=args.out if writes and not parts else None,
        parts=parts if writes else None,
        part_rows=args.part_rows,
        overwrite=args.overwrite and not done,
        update=done,  # nothing is done again but what failed, and what is new
        resume=args.resume and writes,
        batch_size=args.batch_size,
        workers=args.workers,
        executor=args.engine if writes else "local",
        cluster=Cluster(args.address, args.actors, args.threads or 1, args.gpus_per_actor or 0.0),
        limit=args.limit,
        sample=args.sample if writes else None,
        seed=args.sample_seed,
        also_written=tuple(filter(None, (args.out, args.posts))),
    )


def _profile(args: argparse.Namespace, collector: Collector, opened: Opened) -> None:
    """Profiles all accounts and writes what is asked for."""
    from imagist.cli.profile_tables import write_tables
    from imagist.profiles import Settings, profile
    from imagist.profiles.instaloader import count_videos
    from imagist.profiles.records import ranked
    from imagist.profiles.searching import similarities
    from imagist.report.profiles import write_board

    settings = Settings(seed=args.seed)
    posts = replace(collector.posts(), videos=dict(count_videos(args.sources)))
    posts, lines = _with_texts(args, posts, opened)
    found = profile(posts, settings, prior=_prior(args.prior, posts.categories))
    brief = _brief(args, posts, opened) if args.brief else None
    like = similarities(found, args.like) if args.like else None
    found = ranked(found, args.rank, brief=brief, like=like)
    write_tables(args, found, posts, brief, like)
    if args.report:
        asked = {"order": _order(args), "brief": brief, "like": like}
        limits = {"level": settings.level, "sure": settings.sure}
        write_board(args.report, found, posts, **asked, **limits, pictures=True)
    _tell(args, collector, posts, len(found), lines)


def _order(args: argparse.Namespace) -> str | None:
    """What accounts are in order of, as the page says it; None where nothing was asked for."""
    said = {"how surely {}": args.rank, "how well they fit “{}”": args.brief, "how like {}": args.like}
    return next((how.format(what) for how, what in said.items() if what), None)


def _tell(args: argparse.Namespace, collector: Collector, posts: Posts, accounts: int, lines: list[str]) -> None:
    """Says on stderr what the profiles were made from, and what was left out."""
    from imagist.report.terminal import say

    told = [f"{len(posts):,} posts of {accounts:,} accounts"]
    if posts.copies:
        told += [f"{sum(posts.copies.values()):,} near-duplicates left out"]
    else:
        lines = [*lines, "near-duplicates are not known; `imagist classify --perceptual-hash` writes what tells them"]
    further = {
        "carousels of several images": int((posts.images > 1).sum()),
        "video files skipped": sum(posts.videos.values()),
        "profile pictures left out": collector.profile_pictures,
    }
    told += [f"{count:,} {what}" for what, count in further.items() if count]
    if not args.quiet:
        say("".join(f"imagist: {line}\n" for line in ["; ".join(told), *lines]))
    if collector.without_account:
        say(f"imagist: {collector.without_account:,} inputs have no account and were left out\n")


def _with_texts(args: argparse.Namespace, posts: Posts, opened: Opened) -> tuple[Posts, list[str]]:
    """The posts with the authors' texts fused, where that is asked for or can be learnt; and what to say of it."""
    from imagist.profiles.texts import ENOUGH, can_learn, with_texts

    count = sum(map(bool, posts.texts))
    if not count or args.text_weight == 0:
        return posts, []
    if args.text_weight is None and not can_learn(posts):
        how = f"label {ENOUGH} or more of them (--label-column), or give --text-weight"
        return posts, [f"{count:,} posts have a text by their author, which is not used: {how}"]
    pipeline = opened()
    if tuple(pipeline.labels) != posts.categories:
        raise UsageError(
            "the model's text classifier has other categories than the table",
            item="texts",
            remedy="choose the model and categories that the table was written with, or --text-weight 0",
        )
    fused, used = with_texts(
        posts, lambda texts: pipeline.of_text(pipeline.text_rows(texts)), weight=args.text_weight, seed=args.seed
    )
    of = f"{used.used:,} posts have a text by their author, which weighs {used.weight:.2f}"
    if used.interval is None:
        return fused, [of]
    low, high = used.interval
    return fused, [f"{of} ({low:.2f} to {high:.2f}), learnt on {used.labelled:,} labelled posts"]


def _brief(args: argparse.Namespace, posts: Posts, opened: Opened) -> BriefScores:
    """The scores of the brief."""
    from imagist.profiles.searching import score_brief

    matcher = opened().matcher
    if matcher is None:
        raise UsageError("the model has no matcher", item="--brief", remedy="choose one with --matcher")
    return score_brief(posts, args.brief, matcher)


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
