"""Profiles of simulated accounts: coverage of intervals, errors against counting, posts needed, time.

python benchmarks/profiles.py --data FOLDER         # into benchmarks/results/profiles.md
python benchmarks/profiles.py --classified dev.jsonl --print

2,000 accounts of 3, 10, 30 or 100 posts. Each account's shares come from a Dirichlet distribution; of a fifth of them
from one that prefers five rare categories. A post is the prediction for an image of photos15 dev of its category,
drawn with replacement.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import Floats, Ints
from imagist.cli.main import main as imagist
from imagist.profiles import Posts, Settings, profile
from imagist.profiles.evidence import likelihoods, mix_of
from imagist.profiles.records import account_record
from imagist.report.profiles import write_board

RESULT = Path(__file__).parent / "results" / "profiles.md"
SIZES = (3, 10, 30, 100)
CONCENTRATIONS = (15.0, 3.0)  # sums over the 15 categories; 15 makes all mixtures equally probable
RARE = ("bird", "butterfly", "chair", "sky", "strawberry")
SKEWED = 0.2  # share of the accounts that prefer the rare ones, by .8 to .2


@dataclass(frozen=True)
class Pool:
    """Predictions of labelled images: probabilities ``[N, C]``, targets ``[N]``, C names."""

    probabilities: Floats
    targets: Ints
    names: tuple[str, ...]


@dataclass(frozen=True)
class Simulated:
    """Accounts: true shares ``[A, C]``, sizes ``[A]``, and their posts."""

    shares: Floats
    sizes: Ints
    posts: Posts


def simulate(
    pool: Pool, sizes: Ints, seed: int, shares: Floats | None = None, total: float = CONCENTRATIONS[-1]
) -> Simulated:
    random = np.random.default_rng(seed)
    count = len(pool.names)
    known = np.bincount(pool.targets, minlength=count) > 0  # none of these has no images
    rare = known & np.isin(pool.names, RARE)
    even = total * known / known.sum()
    skewed = total * (0.8 * rare / rare.sum() + 0.2 * (known & ~rare) / (known & ~rare).sum())
    if shares is None:
        shares = np.zeros((len(sizes), count))
        for row in shares:
            row[known] = random.dirichlet((skewed if random.random() < SKEWED else even)[known])
    accounts = np.repeat(np.arange(len(sizes)), sizes)
    levels = shares.cumsum(axis=1)[accounts]
    drawn = (levels <= random.random(len(accounts))[:, None] * levels[:, -1:]).sum(axis=1)
    places = [np.flatnonzero(pool.targets == c) for c in range(count)]
    chosen = np.array([random.choice(places[c]) for c in drawn])
    posts = Posts(tuple(f"account {a}" for a in accounts), pool.probabilities[chosen], pool.names)
    return Simulated(shares, sizes, posts)


def accuracy_table(pool: Pool, prior: Floats, accounts: int, seed: int, total: float) -> list[str]:
    world = simulate(pool, np.array(SIZES)[np.arange(accounts) % len(SIZES)], seed, total=total)
    found = profile(world.posts, Settings(seed=seed), prior=prior)
    low, high, mean = (np.stack([getattr(each, name) for each in found]) for name in ("low", "high", "shares"))
    known = np.isin(np.arange(len(pool.names)), pool.targets)  # categories that could have a share
    covered = ((low <= world.shares) & (world.shares <= high))[:, known]
    guesses = {"profile": mean, **others(world, prior)}
    led = {name: guess.argmax(axis=1) for name, guess in guesses.items()}
    led["profile"] = np.array([pool.names.index(each.leading) for each in found])
    truth = world.shares.argmax(axis=1)
    lines = [
        "| posts | accounts | coverage | width | MAE profile | MAE counting | ratio | MAE mean probability | MAE EM "
        "| leading: profile | counting | mean probability | EM | said probability |",
        "|---" * 14 + "|",
    ]
    for size in (*SIZES, 0):
        of = world.sizes == size if size else np.ones(accounts, bool)
        errors = {name: np.abs(guess - world.shares)[of][:, known].mean() for name, guess in guesses.items()}
        right = {name: (first == truth)[of].mean() for name, first in led.items()}
        said = np.mean([each.leading_probability for each in np.array(found, object)[of]])
        lines.append(
            f"| {size or 'all'} | {of.sum():,} | {covered[of].mean():.3f} | {(high - low)[of][:, known].mean():.3f} "
            f"| {errors['profile']:.4f} | {errors['counting']:.4f} | {errors['profile'] / errors['counting']:.2f} "
            f"| {errors['mean']:.4f} | {errors['em']:.4f} | {right['profile']:.3f} | {right['counting']:.3f} "
            f"| {right['mean']:.3f} | {right['em']:.3f} | {said:.3f} |"
        )
    return lines


def others(world: Simulated, prior: Floats) -> dict[str, Floats]:
    """The shares by other methods, each ``[A, C]``: counting arg-max, mean probability, EM within each account."""
    given = world.posts.probabilities
    count = given.shape[1]
    parts = np.split(np.arange(len(given)), np.cumsum(world.sizes)[:-1])
    evidence = likelihoods(given, prior)
    return {
        "counting": np.stack([np.bincount(given[p].argmax(axis=1), minlength=count) / len(p) for p in parts]),
        "mean": np.stack([given[p].mean(axis=0) for p in parts]),
        "em": np.stack([mix_of(evidence[p]) for p in parts]),
    }


def needed_table(pool: Pool, prior: Floats, seed: int, accounts: int = 400, most: int = 3000) -> list[str]:
    """How often the number of posts that an account still needs is right within a factor of 2."""
    world = simulate(pool, np.full(accounts, 30), seed + 1)
    found = profile(world.posts, Settings(seed=seed), prior=prior)
    unsure = [i for i, each in enumerate(found) if each.more_posts != 0]
    totals = np.unique(np.geomspace(31, most, 16).astype(int))
    longest = simulate(pool, np.full(len(unsure), most), seed + 2, world.shares[unsure])
    ratios = []
    needs = np.full(len(unsure), np.inf)
    for total in totals:
        left = np.flatnonzero(np.isinf(needs))
        if not len(left):
            break
        rows = np.concatenate([[*range(unsure[i] * 30, unsure[i] * 30 + 30)] for i in left])
        new = np.concatenate([np.arange(i * most, i * most + total - 30) for i in left])
        names = [world.posts.accounts[j] for j in rows] + [f"account {unsure[j // most]}" for j in new]
        given = np.concatenate([world.posts.probabilities[rows], longest.posts.probabilities[new]])
        again = profile(Posts(tuple(names), given, pool.names), Settings(seed=seed, draws=200), prior=prior)
        needs[left[[each.leading_probability >= 0.95 for each in again]]] = total
    for i, need in zip(unsure, needs, strict=True):
        said = found[i].more_posts
        total = np.inf if said is None else said + 30
        both = total > most and need > most
        ratios.append(1.0 if both else total / need if np.isfinite(need) and np.isfinite(total) else np.inf)
    within = np.mean([0.5 <= ratio <= 2 for ratio in ratios])
    return [
        f"Of {accounts} accounts of 30 posts {len(unsure)} were not sure (.95). The number of posts at which they are "
        f"(said, against that reached in a simulation of up to {most:,} posts) is right within a factor of 2 for "
        f"{within:.0%} of these (bar: 80%)."
    ]


def timing(pool: Pool, prior: Floats, accounts: int = 1000, posts: int = 100) -> list[str]:
    world = simulate(pool, np.full(accounts, posts), 7)
    started, used = time.perf_counter(), time.process_time()
    found = profile(world.posts, prior=prior)
    records = [account_record(each) for each in found]
    with tempfile.TemporaryDirectory() as folder:
        write_board(Path(folder) / "board.html", found, world.posts)
        size = (Path(folder) / "board.html").stat().st_size
    spent = time.perf_counter() - started, time.process_time() - used
    return [
        f"{len(records):,} accounts x {posts} posts that are classified already, profiled and drawn: {spent[0]:.1f} s, "
        f"{spent[1]:.1f} s of processor time (bar: 20 s); the board has {size / 1e6:.1f} MB."
    ]


def classify(data: Path, folder: Path) -> Path:
    import pyarrow.parquet as pq

    table = pq.read_table(data / "photos15.parquet", filters=[("split", "=", "dev")]).select(["image", "label"])
    pq.write_table(table, folder / "dev.parquet")
    imagist(["classify", str(folder / "dev.parquet"), "--out", str(folder / "dev.jsonl"), "--beam", "1", "--quiet"])
    return folder / "dev.jsonl"


def read_pool(path: Path) -> Pool:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    names = tuple(rows[0]["probabilities"])
    given = np.array([[row["probabilities"][name] for name in names] for row in rows])
    return Pool(given, np.array([names.index(row["input.label"]) for row in rows]), names)


def prior_of(data: Path, names: tuple[str, ...]) -> Floats:
    """The mix of categories that the model was trained on; what photos15 lacks (none of these) is a mean category."""
    import pyarrow.parquet as pq

    labels = Counter(pq.read_table(data / "photos15.parquet", filters=[("split", "=", "train")])["label"].to_pylist())
    counts = np.array([labels[name] or labels.total() / len(labels) for name in names])
    return counts / counts.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--classified", type=Path, help="photos15 dev as imagist classify wrote it, .jsonl")
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    with tempfile.TemporaryDirectory() as folder:
        pool = read_pool(args.classified or classify(Path(args.data), Path(folder)))
    prior = prior_of(Path(args.data), pool.names)
    right = (pool.probabilities.argmax(axis=1) == pool.targets).mean()
    world = " ".join((__doc__ or "").split("\n\n")[-1].split())
    tables = []
    for total in CONCENTRATIONS:
        tables += [f"## Concentration {total:g}", "", *accuracy_table(pool, prior, args.accounts, args.seed, total), ""]
    text = [
        f"# Profiles of {args.accounts:,} simulated accounts",
        "",
        f"`python benchmarks/profiles.py`, seed {args.seed}. {world} "
        f"The pool has {len(pool.targets)} images, {right:.1%} of them "
        "classified right; its temperatures were chosen on these images, so that intervals may be a little narrow "
        "elsewhere. EM is Saerens' within each account.",
        "",
        *tables,
        "## Time and posts needed",
        "",
        *timing(pool, prior),
        "",
        *needed_table(pool, prior, args.seed),
        "",
    ]
    print("\n".join(text))
    if not args.print:
        RESULT.write_text("\n".join(text), "utf-8")


if __name__ == "__main__":
    main()
