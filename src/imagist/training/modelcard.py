"""The model card: what the embedded bundle was made of, what it is worth, what it is bad at (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagist.bundle import open_bundle

_TEXT = """# embedded

Ships inside imagist: a caption, a category and its probability for a photograph, on a CPU, without torch.
{size:.1f} MB in {files} files, version `{version}`. Written by `make train-embedded`; do not edit.

## What it is

- **Encoder**: the MobileNetV2 layout (Sandler et al. 2018) at 224 px, {params}. Trained from random weights to match the
  feature maps of an ImageNet MobileNetV2, first unit by unit, then as a whole (`imagist.training.distil`). The teacher's
  weights are not in it.
- **Captioner**: soft attention over the 7x7 grid and an LSTM (Xu et al. 2015), {words} words, trained with cross-entropy,
  then self-critically on CIDEr-D (`imagist.training.caption`). Beam search, length power {length_power}.
- **Words' classifier**: TF-IDF over words and pairs of words of the generated captions, logistic regression.
- **Picture's classifier**: logistic regression over the mean of the grid.
- **Fusion**: y = (1-w) P_image + w P_text, w = {weights}; a temperature before and after. All chosen on dev.

## Data and licences

| data | used for | licence |
|---|---|---|
| Flickr8k train, 6,000 photographs | encoder, captioner, kin of some classes | non-commercial research; photographs belong to their Flickr authors |
| photos15 train, 2,885 photographs | encoder, label sentences, classifiers | mixed research sets (Caltech-101, natural-images, clothing-co-parsing, Grocery Store (MIT), SUN, cats-and-dogs, Flickr bicycles); research use |
| tiny_imagenet train, 12,800 photographs | encoder, label sentences, kin of some classes | ImageNet: non-commercial research |
| MobileNetV2 1.0 ImageNet-1k | teacher only, not shipped | google-coral/test_data, root licence Apache-2.0 |

The code is Apache-2.0. The weights were learnt from research sets: use them for research, and train on photographs of
your own for anything else.

## Measured on dev, with 95% intervals

Captions: Flickr8k dev, 1,000 photographs, beam 3, pycocoevalcap's definitions x 100. Classes: photos15 dev. The epoch, the
penalties, the temperatures, the length power and w were chosen on these very photographs, so expect a little less elsewhere.

{captions}

{classes}

**Export**: on {photographs} dev photographs torch and the float32 ONNX give {equal:.1%} equal captions, class scores within
{scores:.0e}, log-probabilities within {logprobs:.0e}. **Storing weights as float16** (what ships): {half_equal:.1%} equal
captions, class scores within {half_scores:.0e}; CIDEr {cider_float:.2f} -> {cider_half:.2f}, photos15 fused accuracy
{fused_float:.4f} -> {fused_half:.4f}.

Again: `make bench`.

## What it is bad at

- It knows what Flickr8k shows (people, dogs, sport, outdoors) and the names of some 215 classes of things; the rest it
  describes by the nearest thing that it knows, fluently and wrongly. Its log-probability says little about truth.
- Numbers, colours, left and right, text in pictures, who does what to whom.
- Each class of photos15 comes mostly from one source, so the classifier may have learnt the source; kin photographs from
  other sets mend this only in part. Everything was made 96 px square; sharpness and background still tell. Some Caltech
  images are drawings or cut-outs. Bicycles were 64 px and cars 100 px to begin with. Expect much lower accuracy on
  photographs from elsewhere.
- The fifteen classes are all it can say: a photograph of anything else gets one of them. Use `--abstain-below`.
- "person" was learnt from public figures' faces of a research set and from people in Flickr8k. It says that there is a
  person, never who. Do not build recognition of people on it. Captions guess at gender and age from looks, as those who
  wrote Flickr8k's captions did, and are wrong for some people.
"""


def model_card(measured: Mapping[str, Any], folder: Path) -> str:
    """The card of the bundle in ``folder`` from what `embedded` measured."""
    bundle = open_bundle(folder)
    plain, half = measured["dev"]["float"], measured["dev"]["half"]
    proof, stored = measured["parity"]["float"], measured["parity"]["half"]
    return _TEXT.format(
        size=bundle.size / 1e6,
        files=len(bundle.card["files"]),
        version=bundle.version,
        params="2.2 million weights",
        words=f"{len(bundle.lines('vocabulary.txt')):,}",
        length_power=bundle.card["captioner"]["length_power"],
        weights=", ".join(f"{f['weight']:.2f} ({name})" for name, f in bundle.card["fusion"].items()),
        captions=caption_table(half["captions"]),
        classes=class_table({name: figures for name, figures in half.items() if name != "captions"}),
        photographs=proof["photographs"],
        equal=proof["equal_captions"],
        scores=proof["scores"],
        logprobs=proof["logprobs"],
        half_equal=stored["equal_captions"],
        half_scores=stored["scores"],
        cider_float=100 * plain["captions"]["CIDEr"]["value"],
        cider_half=100 * half["captions"]["CIDEr"]["value"],
        fused_float=plain["photos15"]["fused"]["value"],
        fused_half=half["photos15"]["fused"]["value"],
    )


def caption_table(figures: Mapping[str, Any]) -> str:
    """Markdown: one row of metrics x 100 with their intervals."""
    cells = [f"{100 * f['value']:.1f} [{100 * f['low']:.1f}, {100 * f['high']:.1f}]" for f in figures.values()]
    return f"| {' | '.join(figures)} |\n|{'---|' * len(figures)}\n| {' | '.join(cells)} |"


def class_table(taxonomies: Mapping[str, Any]) -> str:
    """Markdown: for each taxonomy the accuracies in percent with their intervals, and the calibration error."""
    lines = ["| taxonomy | photographs | image | words | fused | ECE |", "|---|---|---|---|---|---|"]
    for name, figures in taxonomies.items():
        cells = [
            f"{100 * (f := figures[k])['value']:.1f} [{100 * f['low']:.1f}, {100 * f['high']:.1f}]"
            for k in ("image", "text", "fused")
        ]
        lines.append(f"| {name} | {figures['photos']} | {' | '.join(cells)} | {figures['ece']:.3f} |")
    return "\n".join(lines)
