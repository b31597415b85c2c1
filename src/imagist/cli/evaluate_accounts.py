"""``imagist evaluate accounts``: ways to put the posts of accounts together, compared."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.cli.parser import over_zero, positive
from imagist.errors import OutputError, UsageError

if TYPE_CHECKING:
    from imagist.profiles import Posts

_ABOUT = """\
CLASSIFIED is what imagist classify --out wrote of labelled images. With a column of accounts, shares are compared with
those of the labels. With --simulate, accounts are drawn: their mixtures from a Dirichlet distribution, their posts from
the labelled images, with replacement; the true shares are known then."""


def add_accounts(actions: Any) -> None:
    """Adds the parser of the action to the actions of ``imagist evaluate``."""
    summary = "majority vote, mean probability, learned and hierarchical aggregation of an account's posts"
    parser = actions.add_parser(
        "accounts",
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}, against posts an account.",
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=run_accounts)
    parser.add_argument("classified", nargs="+", metavar="CLASSIFIED", help="classified, labelled images; see below")
    parser.add_argument("--by", metavar="NAME", help="the column of accounts (default: found by its name)")
    parser.add_argument(
        "--label-column", metavar="NAME", help="the column of true categories (default: found by its name)"
    )
    parser.add_argument("--simulate", type=positive, metavar="N", help="draw so many accounts from the images")
    parser.add_argument(
        "--concentration",
        type=over_zero,
        default=3.0,
        metavar="X",
        help="sum of the Dirichlet distribution of simulated mixtures; less makes accounts keep to fewer categories, "
        "the number of categories makes all mixtures equally probable (default: 3)",
    )
    parser.add_argument(
        "--posts", default="3,10,30,100", metavar="N,...", help="posts an account (default: 3,10,30,100)"
    )
    parser.add_argument("--folds", type=positive, default=5, metavar="N", help="folds of accounts (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of draws, folds and sampling (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write report.html, methods.csv, figures (default: a table on stdout)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the files in a folder that is already there")


def run_accounts(args: argparse.Namespace) -> int:
    """Runs the action and returns its exit code."""
    import sys

    from imagist.profiles import read_classified
    from imagist.profiles.aggregation import compare_methods
    from imagist.report.aggregation import aggregation_table, write_aggregation

    sizes = _sizes(args.posts)
    if args.folds < 2:
        raise UsageError("needs 2 folds or more", item="--folds")
    if args.out and args.out.exists() and not args.overwrite:
        raise OutputError("exists already", item=str(args.out), remedy="name another folder, or --overwrite")
    if args.out and any(args.out.resolve() in Path(source).resolve().parents for source in args.classified):
        raise OutputError("holds an input", item=str(args.out), remedy="name another folder")
    truth = None
    if args.simulate:
        from imagist.profiles.simulation import simulate

        pool = _pool(args)
        world = simulate(pool, [max(sizes)] * args.simulate, total=args.concentration, seed=args.seed)
        posts, truth = world.posts, world.shares
    else:
        posts = read_classified(args.classified, by=args.by, label=args.label_column)
    data = compare_methods(posts, truth=truth, sizes=sizes, folds=args.folds, seed=args.seed)
    if args.out is None:
        sys.stdout.write(aggregation_table(data).markdown())
        return 0
    settings = {"accounts": len({*posts.accounts}), "posts": len(posts), "folds": args.folds, "seed": args.seed}
    simulated = {"simulated, concentration": args.concentration} if args.simulate else {}
    write_aggregation(args.out, data, {**settings, **simulated})
    sys.stdout.write(f"{args.out / 'report.html'}\n")
    return 0


def _pool(args: argparse.Namespace) -> Posts:
    """All images as posts of their own."""
    from imagist.profiles.reading import read_pool

    return read_pool(args.classified, label=args.label_column)


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 1:
        raise UsageError("is numbers of 1 or more, parted by commas", item="--posts", remedy="such as 3,10,30")
    return sizes
