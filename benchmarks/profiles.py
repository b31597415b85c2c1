"""Profiles of simulated accounts: coverage of intervals, errors against counting, posts needed, time.

python benchmarks/profiles.py --data FOLDER         # into benchmarks/results/profiles.md
python benchmarks/profiles.py --classified dev.jsonl --print

2,000 accounts of 3, 10, 30 or 100 posts. Each account's shares come from a Dirichlet distribution; of a fifth of them
from one that prefers five rare categories. A post is the prediction for an image of photos15 dev of its category,
drawn with replacement.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from imagist import load
from imagist.arrays import AnyArray, Floats, Ints
from imagist.cli.main import main as imagist
from imagist.metrics.significance import paired_difference
from imagist.profiles import Posts, Settings, profile, score_brief, similarities
from imagist.profiles.care import personal_words
from imagist.profiles.evidence import likelihoods, mix_of
from imagist.profiles.reading import read_pool
from imagist.profiles.records import account_record
from imagist.profiles.shares import Prior, sample
from imagist.profiles.simulation import SKEWED, Simulated, simulate
from imagist.profiles.summary import nearest_shares
from imagist.report.profiles import write_board

RESULT = Path(__file__).parent / "results" / "profiles.md"
SIZES = (3, 10, 30, 100)
FIRST = 30  # posts of accounts of which is measured how many more they need
FUTURES, TRUE_FUTURES = 200, 20
CONCENTRATIONS = (15.0, 3.0)  # sums over the 15 categories; 15 makes all mixtures equally probable
RARE = ("bird", "butterfly", "chair", "sky", "strawberry")


def accuracy_table(pool: Posts, prior: Floats, accounts: int, seeds: range, total: float) -> list[str]:
    sizes = np.array(SIZES)[np.arange(accounts) % len(SIZES)]
    worlds = [simulate(pool, sizes, total=total, rare=RARE, seed=seed) for seed in seeds]
    several = [profile(each.posts, Settings(seed=seed), prior=prior) for each, seed in zip(worlds, seeds, strict=True)]
    found = [each for one in several for each in one]
    low, high, mean = (np.stack([getattr(each, name) for each in found]) for name in ("low", "high", "shares"))
    known = np.isin(pool.categories, pool.labels)  # categories that could have a share
    shares = np.concatenate([each.shares for each in worlds])
    covered = ((low <= shares) & (shares <= high))[:, known]
    by_method = [others(each, prior) for each in worlds]
    guesses = {"profile": mean, **{name: np.concatenate([each[name] for each in by_method]) for name in by_method[0]}}
    led = {name: guess.argmax(axis=1) for name, guess in guesses.items()}
    led["profile"] = np.array([pool.categories.index(each.leading) for each in found])
    truth, posts = shares.argmax(axis=1), np.tile(sizes, len(worlds))
    lines = [
        "| posts | accounts | coverage | width | MAE profile | MAE counting | ratio | MAE mean probability | MAE EM "
        "| leading: profile | counting | mean probability | EM | said probability |",
        "|---" * 14 + "|",
    ]
    for size in (*SIZES, 0):
        of = posts == size if size else np.ones(len(posts), bool)
        errors = {name: np.abs(guess - shares)[of][:, known].mean() for name, guess in guesses.items()}
        right = {name: (first == truth)[of].mean() for name, first in led.items()}
        said = np.mean([each.leading_probability for each in np.array(found, object)[of]])
        lines.append(
            f"| {size or 'all'} | {of.sum():,} | {covered[of].mean():.3f} | {(high - low)[of][:, known].mean():.3f} "
            f"| {errors['profile']:.4f} | {errors['counting']:.4f} | {errors['profile'] / errors['counting']:.2f} "
            f"| {errors['mean']:.4f} | {errors['em']:.4f} | {right['profile']:.3f} | {right['counting']:.3f} "
            f"| {right['mean']:.3f} | {right['em']:.3f} | {said:.3f} |"
        )
    hits = {name: (first == truth).astype(float) for name, first in led.items()}
    gains = {
        name: paired_difference(hits["profile"], each).interval for name, each in hits.items() if name != "profile"
    }
    gained = ", ".join(f"{name} {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]" for name, gain in gains.items())
    return [
        *lines,
        "",
        f"Leading categories that the profile has right more often, with the 95% interval over accounts: {gained}.",
    ]


def ideal_line(pool: Posts, accounts: int, seed: int, total: float) -> str:
    """The error of somebody who knows the category of every post and the distribution of accounts, over counting's."""
    world = simulate(pool, np.array(SIZES)[np.arange(accounts) % len(SIZES)], total=total, rare=RARE, seed=seed)
    known = np.isin(pool.categories, pool.labels)
    shares = nearest_shares(ideal_draws(pool, world, total, seed))
    counted = others(world, known / known.sum() + ~known)["counting"]
    errors = [np.abs(guess - world.shares)[:, known].mean() for guess in (shares, counted)]
    return (
        f"Somebody who knew the category of every post and the distribution of all accounts would have an error of "
        f"{errors[0]:.4f}, which is {errors[0] / errors[1]:.2f} of that of counting (seed {seed})."
    )


def ideal_draws(pool: Posts, world: Simulated, total: float, seed: int) -> Floats:
    """Draws of shares ``[S, A, C]`` by somebody who knows the posts' categories and the distribution of accounts."""
    known, rare = np.isin(pool.categories, pool.labels), np.isin(pool.categories, RARE)
    even = known / known.sum()
    skewed = 0.8 * rare / rare.sum() + 0.2 * (known & ~rare) / (known & ~rare).sum()
    prior = Prior(np.maximum(total * np.stack([even, skewed]), 1e-3), np.array([1 - SKEWED, SKEWED]))
    told = np.array(world.posts.labels)[:, None] == np.array(pool.categories)
    draws = sample(np.maximum(told, 1e-9), world.sizes, np.zeros(len(told), bool), prior, Settings(seed=seed))
    return np.concatenate([each.shares for each in draws], axis=1)


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


def needed_table(pool: Posts, prior: Floats, seed: int, accounts: int = 400, most: int = 3000) -> list[str]:
    """How often the number of posts that an account still needs is right within a factor of 2."""
    world = simulate(pool, np.full(accounts, FIRST), rare=RARE, seed=seed + 1)
    found = profile(world.posts, Settings(seed=seed), prior=prior)
    unsure = [i for i, each in enumerate(found) if each.more_posts != 0]
    totals = np.unique(np.geomspace(FIRST + 1, most, 24).astype(int))
    longest = simulate(pool, np.full(len(unsure), most), shares=world.shares[unsure], seed=seed + 2)
    needs = np.full(len(unsure), np.inf)
    for total in totals:
        left = np.flatnonzero(np.isinf(needs))
        if not len(left):
            break
        rows = np.concatenate([[*range(unsure[i] * FIRST, (unsure[i] + 1) * FIRST)] for i in left])
        new = np.concatenate([np.arange(i * most, i * most + total - FIRST) for i in left])
        names = [world.posts.accounts[j] for j in rows] + [f"account {unsure[j // most]}" for j in new]
        given = np.concatenate([world.posts.probabilities[rows], longest.posts.probabilities[new]])
        again = profile(Posts(tuple(names), given, pool.categories), Settings(seed=seed, draws=200), prior=prior)
        needs[left[[each.leading_probability >= 0.95 for each in again]]] = total
    said, low, high = (
        np.array([np.inf if n is None else n + FIRST for n in ends])
        for ends in zip(*((found[i].more_posts, *found[i].more_posts_interval) for i in unsure), strict=True)
    )
    over = np.where(low > most, np.inf, low), np.where(high > most, np.inf, high)
    inside = np.mean((over[0] <= needs) & (needs <= over[1]))
    right = within(said, needs, most)
    everywhere = (accounts - len(unsure) + right.sum()) / accounts
    return [
        f"Of {accounts} accounts of {FIRST} posts {len(unsure)} were not sure (.95). The number of posts at which they "
        f"are (said, against that reached in a simulation of up to {most:,} posts) is right within a factor of 2 for "
        f"{right.mean():.0%} of these (bar: 80%), and for {everywhere:.0%} of all, where those that are sure count as "
        f"right. The 95% intervals of the number hold what was reached for {inside:.0%}.",
        "",
        forecasts_line(pool, world, np.array(unsure), said, most, seed),
    ]


def within(said: Floats, needs: Floats, most: int) -> np.ndarray:
    """Whether numbers of posts are right within a factor of 2; over the most that is simulated, both must be."""
    both = (said > most) & (needs > most)
    finite = np.isfinite(said) & np.isfinite(needs)
    ratio = np.where(finite, said, 1) / np.where(finite, needs, 1)
    return both | (finite & (ratio >= 0.5) & (ratio <= 2))


def forecasts_line(pool: Posts, world: Simulated, unsure: Ints, said: Floats, most: int, seed: int) -> str:
    """How often forecasts are right in futures of the true shares: the profile's, and those of who knows more."""
    true = world.shares[unsure]
    labels = np.array(world.posts.labels).reshape(-1, FIRST)[unsure]
    counts = np.stack([(labels == name).sum(axis=1) for name in pool.categories], axis=1)
    several = np.broadcast_to(true, (FUTURES, *true.shape))
    happened = needed(several[:TRUE_FUTURES], counts, most, seed)
    seen = ideal_draws(pool, world, CONCENTRATIONS[-1], seed)[::2, unsure]
    knowing = likeliest(needed(seen, counts, most, seed + 1), most)
    oracle = likeliest(needed(several, counts, most, seed + 2), most)
    own, ideal, best = (within(each, happened, most).mean() for each in (said, knowing, oracle))
    return (
        f"The ceiling: the number depends on which posts happen to come. In {TRUE_FUTURES} further futures of each "
        f"account, where leads are sure by the normal approximation, the number is right for {own:.0%}. Somebody who "
        "knew the category of every post and the distribution of all accounts, and said the number that is right in "
        f"most of {FUTURES} futures, would be right for {ideal:.0%}; who knew the true shares of each account, for "
        f"{best:.0%}."
    )


def needed(shares: Floats, counts: Ints, most: int, seed: int) -> Floats:
    """Posts at which leads are sure, by the normal approximation, in a future of each of shares ``[S, A, C]``."""
    random = np.random.default_rng(seed)
    totals = np.unique(np.geomspace(FIRST + 1, most, 40).astype(int))
    shares = shares / shares.sum(axis=2, keepdims=True)
    now = np.broadcast_to(counts, shares.shape).astype(float)
    needs = np.full(now.shape[:2], np.inf)
    for total, more in zip(totals, np.diff(totals, prepend=FIRST), strict=True):
        now = now + random.multinomial(more, shares)
        second, first = np.moveaxis(np.sort(now, axis=2)[..., -2:], 2, 0)
        spread = np.sqrt(np.maximum(first + second - (first - second) ** 2 / total, 1e-9))
        needs = np.where(np.isinf(needs) & (first - second >= 1.645 * spread), total, needs)
    return needs


def likeliest(needs: Floats, most: int) -> Floats:
    """The number that is right within a factor of 2 in most of the futures ``[S, A]`` of each account: ``[A]``."""
    cases = np.array([*np.geomspace(FIRST + 1, most, 60), np.inf])
    held = np.stack([within(np.full(needs.shape, case), needs, most).mean(axis=0) for case in cases])
    return np.asarray(cases[held.argmax(axis=0)])


def timing(pool: Posts, prior: Floats, accounts: int = 1000, posts: int = 100) -> list[str]:
    world = simulate(pool, np.full(accounts, posts), rare=RARE, seed=7)
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


def search(pool: Posts, prior: Floats, seed: int, accounts: int = 300, posts: int = 30) -> list[str]:
    """How well accounts are ordered by briefs, by likeness and by the profile's shares, against their true shares."""
    world = simulate(pool, np.full(accounts, posts), rare=RARE, seed=seed + 3)
    found = profile(world.posts, Settings(seed=seed), prior=prior)
    names = [each.account for each in found]
    matcher = load(threads=1).matcher
    assert matcher is not None
    briefs, shares = [], []
    for c, name in enumerate(pool.categories):
        if name not in pool.labels or personal_words(name):
            continue
        scores = score_brief(world.posts, f"a photo of {name}", matcher).of_accounts
        briefs.append(ranks_agree([scores[each][0] for each in names], world.shares[:, c]))
        shares.append(ranks_agree([each.shares[c] for each in found], world.shares[:, c]))
    roots = np.sqrt(world.shares)
    alike = []
    for a in range(0, accounts, 5):
        given, others = similarities(found, names[a]), np.arange(accounts) != a
        alike.append(ranks_agree(np.array([given[each] for each in names])[others], (roots @ roots[a])[others]))
    return [
        f"{accounts} accounts of {posts} posts, ordered by a brief, `a photo of` each of {len(briefs)} categories, "
        f"which is compared with captions alone: Spearman's correlation with the true shares is {np.mean(briefs):.2f}; "
        f"that of the profile's shares, for which the classifier was trained, is {np.mean(shares):.2f}. Ordered by "
        f"likeness to one of {len(alike)} accounts, the correlation with the affinity of the true shares is "
        f"{np.mean(alike):.2f}.",
    ]


def ranks_agree(one: AnyArray, other: AnyArray) -> float:
    """Spearman's correlation of numbers that hardly ever are equal."""
    return float(np.corrcoef(*(np.argsort(np.argsort(each)) for each in (one, other)))[0, 1])


def classify(data: Path, folder: Path) -> Path:
    import pyarrow.parquet as pq

    table = pq.read_table(data / "photos15.parquet", filters=[("split", "=", "dev")]).select(["image", "label"])
    pq.write_table(table, folder / "dev.parquet")
    imagist(["classify", str(folder / "dev.parquet"), "--out", str(folder / "dev.jsonl"), "--beam", "1", "--quiet"])
    return folder / "dev.jsonl"


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
    parser.add_argument("--seed", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--seeds", type=int, default=4, help="how often accounts are simulated")
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    with tempfile.TemporaryDirectory() as folder:
        pool = read_pool([str(args.classified or classify(Path(args.data), Path(folder)))])
    prior = prior_of(Path(args.data), pool.categories)
    right = np.mean(
        [pool.categories[i] == t for i, t in zip(pool.probabilities.argmax(axis=1), pool.labels, strict=True)]
    )
    world = " ".join((__doc__ or "").split("\n\n")[-1].split())
    seeds = range(args.seed, args.seed + args.seeds)
    tables = []
    for total in CONCENTRATIONS:
        tables += [f"## Concentration {total:g}", "", *accuracy_table(pool, prior, args.accounts, seeds, total), ""]
        tables += [ideal_line(pool, args.accounts, args.seed, total), ""]
    text = [
        f"# Profiles of {args.accounts:,} simulated accounts",
        "",
        f"`python benchmarks/profiles.py`, {args.seeds} times with seeds from {args.seed}. {world} "
        f"The pool has {len(pool)} images, {right:.1%} of them "
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
        "## Search",
        "",
        *search(pool, prior, args.seed),
        "",
    ]
    print("\n".join(text))
    if not args.print:
        RESULT.write_text("\n".join(text), "utf-8")


if __name__ == "__main__":
    main()
