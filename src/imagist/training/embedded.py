"""Trains the embedded bundle from nothing: ``python -m imagist.training.embedded [STAGE ...]``, behind ``make train-embedded``.

Stages, in order: encoder, captioner, heads, export. Each leaves its result in the run's folder and is skipped when that is
there; a killed run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from imagist.errors import ImagistError
from imagist.training import distil
from imagist.training.photographs import flickr8k, labelled

WEIGHTS = Path("weights") / "mobilenetv2_100.imagenet.fp16.safetensors"


def encoder(data: Path, folder: Path) -> None:
    """Stage 1: the encoder."""
    sets = [flickr8k(data, "train"), labelled(data, "photos15", "train"), labelled(data, "tiny_imagenet", "train")]
    judge = flickr8k(data, "dev").fraction(0.2)
    distil.distil(sets, judge, data / WEIGHTS, folder, distil.DistilConfig())


STAGES = {"encoder": encoder}


def main(argv: list[str] | None = None) -> int:
    """Runs the stages asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; all by default")
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"), help="folder of photographs")
    parser.add_argument("--folder", type=Path, default=Path("runs/embedded"), help="checkpoints and results")
    args = parser.parse_args(argv)
    if args.data is None:
        parser.error("name the photographs with --data or IMAGIST_DATA")
    args.folder.mkdir(parents=True, exist_ok=True)
    handlers = [logging.StreamHandler(), logging.FileHandler(args.folder / "train.log")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=handlers)
    try:
        for stage in args.stages or STAGES:
            STAGES[stage](args.data, args.folder)
    except ImagistError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
