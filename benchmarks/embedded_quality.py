"""Quality of a bundle: captions on Flickr8k, classes on photos15, with 95% intervals.

python benchmarks/embedded_quality.py --data FOLDER            # dev, into benchmarks/results/embedded_quality.md
python benchmarks/embedded_quality.py --encoder embedded       # without lite
python benchmarks/embedded_quality.py --captions test.parquet --classes photos15-test.parquet --split test --print
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from imagist.bundle import open_bundle
from imagist.pipeline import load
from imagist.training.embedded.measure import captions, classes
from imagist.training.embedded.model_card import caption_table, class_table

RESULT = Path(__file__).parent / "results" / "embedded_quality.md"
ENCODERS = ("embedded", "lite")
TAXONOMIES = ("photos15", "sns4", "social12")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--captions", type=Path, help="Parquet with `captions`; flickr8k/dev.parquet by default")
    parser.add_argument("--classes", type=Path, help="Parquet with `label`; photos15.parquet by default")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--encoder", action="append", help="embedded or lite; by default both")
    parser.add_argument("--beam", type=int, default=3)
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None and not (args.captions and args.classes):
        parser.error("name the images with --data or IMAGIST_DATA, or both tables")
    captioned = args.captions or args.data / "flickr8k" / "dev.parquet"
    labelled = args.classes or args.data / "photos15.parquet"
    bundle = open_bundle(args.model)
    text = [
        f"# Quality of `{bundle.name}` {bundle.version} on {args.split}, beam {args.beam}",
        "",
        "`python benchmarks/embedded_quality.py`; x 100, with 95% intervals (bootstrap over images, Wilson).",
        "Weights, temperatures, penalties and epochs were chosen on dev. See the model card for what the sets are.",
        "",
    ]
    for encoder in args.encoder or ENCODERS:
        settings = {"beam": args.beam, "encoder": encoder}
        words = {k: vars(v) for k, v in captions(load(args.model, **settings), [captioned], args.split).items()}
        found = {n: classes(load(args.model, taxonomy=n, **settings), [labelled], args.split) for n in TAXONOMIES}
        tables = {n: {k: v if k in ("ece", "photos") else vars(v) for k, v in of.items()} for n, of in found.items()}
        text += [f"## Encoder `{encoder}`", "", caption_table(words), "", class_table(tables), ""]
    result = "\n".join(text)
    print(result)
    if not args.print:
        RESULT.write_text(result, "utf-8")


if __name__ == "__main__":
    main()
