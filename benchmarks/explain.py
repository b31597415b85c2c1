"""Speed and faithfulness of `imagist explain`: the page of a folder of images, against another commit in the same run.

    python benchmarks/explain.py FOLDER --before COMMIT

Speed is processor time an image, over all images but the first, so that neither the start nor other programs count; the
commit's code is read from git. Faithfulness is the deletion score of the cells of each image (lower is better): the
image classifier's probability while they are hidden in the order of an explanation, with ``exact``, without, and at
random.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

import imagist
from imagist.arrays import Floats
from imagist.captioning.decoding import seeds_of
from imagist.explanation import ExplainOptions, explain
from imagist.explanation.batches import Batches
from imagist.explanation.deletion import CELL_ORDERS, Curve, masks_of, ranking
from imagist.explanation.hiding import hiding
from imagist.images import DecodeLimits
from imagist.images.loader import load
from imagist.metrics.significance import paired_difference
from imagist.records import Photo

ROOT = Path(__file__).parent.parent
_TIMED = """\
import os, sys
from imagist.cli.main import main

def seconds(sources):
    begin = os.times()
    main(["explain", *sources, "--out", sys.argv[1], "--quiet", "--encoder", "embedded"])
    end = os.times()
    return end.user + end.system - begin.user - begin.system

images = sys.argv[2:]
seconds(images[:1])
first, every = seconds(images[:1]), seconds(images)
print((every - first) / (len(images) - 1), file=sys.stderr)
"""


def seconds_an_image(source: Path, images: list[str]) -> float:
    """Processor time of the command in the code of a ``src`` folder, in seconds an image."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _TIMED, f"{folder}/out", *images]
        environment = {**os.environ, "PYTHONPATH": str(source)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stderr.split()[-1])


def source_of(commit: str, folder: Path) -> Path:
    """The ``src`` folder of a commit, unpacked into a folder."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder / "src"


def scores(images: list[str]) -> dict[str, Floats]:
    """The deletion score of the cells of each image, by how they are ranked."""
    pipeline = imagist.load(threads=1, encoder="embedded")
    batches, options = Batches(pipeline, 32), ExplainOptions(exact=True)
    found: dict[str, list[float]] = {"exact": [], "default": [], "random": []}
    for _, photo in load(images, limits=DecodeLimits(), workers=1, ahead=4):
        if not isinstance(photo, Photo):
            continue
        own = [explain(pipeline, [photo], ExplainOptions(exact=exact))[0] for exact in (True, False)]
        category, random = own[0].prediction.image_label, np.random.default_rng(seeds_of([photo]))
        orders = [ranking(each.cell_drops(category).ravel(), random) for each in own]
        orders += [random.permutation(options.grid**2) for _ in range(CELL_ORDERS)]
        masks = [mask for order in orders for mask in masks_of(order, (options.grid, options.grid))]
        rows = batches.of_images(hiding(pipeline, options).copies(photo, masks))
        table = rows[:, own[0].prediction.labels.index(category)].reshape(len(orders), -1).astype(np.float64)
        for name, curve in zip(("exact", "default"), table, strict=False):
            found[name].append(Curve(curve, table[2:]).score)
        found["random"].append(Curve(table[0], table[2:]).random_score)
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of images")
    parser.add_argument("--before", metavar="COMMIT", help="another commit, to compare the speed with")
    parser.add_argument("--faithfulness", type=int, default=0, metavar="N", help="measure it over the first N images")
    args = parser.parse_args()
    images = sorted(str(path.resolve()) for path in args.folder.iterdir())
    now = seconds_an_image(ROOT / "src", images)
    print(f"now: {now:.3f} s an image and core, {1 / now:.1f} images/s and core")
    if args.before:
        with tempfile.TemporaryDirectory() as folder:
            before = seconds_an_image(source_of(args.before, Path(folder)), images)
        print(f"{args.before}: {before:.3f} s an image and core; now {before / now:.1f} times as fast")
    if args.faithfulness:
        found = scores(images[: args.faithfulness])
        for name, values in found.items():
            print(f"deletion score, {name}: {values.mean():.3f} over {len(values)} images")
        for one, other in (("random", "default"), ("default", "exact")):
            gain = paired_difference(found[one], found[other]).interval
            print(f"{other} better than {one} by {gain.value:.3f} [{gain.low:.3f}, {gain.high:.3f}]")


if __name__ == "__main__":
    main()
