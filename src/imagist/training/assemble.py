"""From trained parts to the folder that ships: graphs, word lists, card with sha256; and the proof of it."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imagist.bundle import CARD, open_bundle
from imagist.captioners.attention import AttentionCaptioner
from imagist.decoding import Decoding, generate
from imagist.encoder import Encoder as GraphEncoder
from imagist.images.views import square
from imagist.pictures.linear import LinearClassifier
from imagist.records import Array, Photo
from imagist.texts.bag import BagClassifier, counts
from imagist.training import export
from imagist.training.heads import PictureHead, TextHead
from imagist.training.judge import TorchBeams
from imagist.training.networks import Decoder, Encoder
from imagist.training.photographs import PhotoSet
from imagist.training.quantise import captioner_feeds, quantised

log = logging.getLogger("imagist.training")


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything that a bundle is made of, trained.

    Attributes:
        encoder: Photo to grid.
        decoder: Grid to words.
        words: The V words, specials first.
        pictures: Grid to classes.
        texts: Terms to classes.
        terms: The W terms.
        labels: The C classes.
        decoding: How dev says to search.
        fusion: For each taxonomy its weight, interval and temperatures.
    """

    encoder: Encoder
    decoder: Decoder
    words: tuple[str, ...]
    pictures: PictureHead
    texts: TextHead
    terms: tuple[str, ...]
    labels: tuple[str, ...]
    decoding: Decoding
    fusion: Mapping[str, Mapping[str, Any]]


def write_bundle(parts: Parts, folder: Path, seen: Array | None = None) -> None:
    """Writes a bundle, whole or not at all.

    Args:
        parts: What to write.
        folder: Replaced where it is there.
        seen: Grids ``[N, L, D]`` of training photographs. With them the bundle is made small and fast: the captioner
            multiplies bytes, the other large weights are stored as float16. Without them all stays in float32.
    """
    feeds = {} if seen is None else captioner_feeds(parts.decoder, seen, parts.decoding)
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, graph in export.graphs(parts.encoder, parts.decoder, parts.pictures, parts.texts).items():
        model = export.to_onnx(graph)
        if name in feeds:
            model = quantised(model, feeds[name])
        (draft / name).write_bytes((model if seen is None else export.halved(model)).SerializeToString())
    (draft / "vocabulary.txt").write_text("\n".join(parts.words) + "\n", "utf-8")
    (draft / "terms.txt").write_text("\n".join(parts.terms) + "\n", "utf-8")
    (draft / CARD).write_text(card(parts, draft), "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)


def card(parts: Parts, folder: Path) -> str:
    """``card.toml`` over the files in a folder."""
    lines = [
        'name = "embedded"',
        'description = "MobileNetV2 layout distilled from random weights, soft-attention LSTM captions, 15 classes"',
        f"labels = {json.dumps(parts.labels)}",
        "",
        "[captioner]",
        'kind = "attention"',
        f"longest = {parts.decoding.longest}",
        f"length_power = {parts.decoding.length_power}",
        "",
        "[texts]",
        'kind = "bag"',
        "",
        "[pictures]",
        'kind = "linear"',
    ]
    for name, entry in parts.fusion.items():
        lines += ["", f"[fusion.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    lines += ["", "[files] # sha256"]
    files = sorted(path for path in folder.iterdir() if path.name != CARD)
    lines += [f'"{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in files]
    return "\n".join(lines) + "\n"


def parity(parts: Parts, folder: Path, photos: PhotoSet) -> dict[str, float]:
    """How far a written bundle is from the modules it was written from.

    Args:
        parts: The modules.
        folder: The bundle.
        photos: On which both are run.

    Returns:
        ``photographs``; ``equal_captions``: share, 0..1; ``scores``, ``logprobs``: largest absolute differences of
        class probabilities and of captions' log-probabilities.
    """
    bundle = open_bundle(folder)
    encoder = GraphEncoder(bundle)
    settings = replace(parts.decoding, nbest=1)
    given = [Photo(pixels) for pixels in photos.pixels]
    said = AttentionCaptioner(bundle, encoder, settings).caption(given)
    image = LinearClassifier(bundle, encoder).scores(given)
    text = BagClassifier(bundle).scores([caption.text for caption in said])
    with torch.no_grad():
        pixels = torch.from_numpy(np.concatenate([square(p.pixels, encoder.side) for p in given]))
        grid = torch.cat([export.EncoderGraph(parts.encoder)(x) for x in torch.split(pixels, 50)])
        found = [s[0] for s in generate(TorchBeams(parts.decoder.eval(), grid, settings.beam), len(grid), settings)]
        texts = [" ".join(parts.words[i] for i in sentence.words) for sentence in found]
        places = {term: place for place, term in enumerate(parts.terms)}
        expected = parts.pictures(grid).numpy(), parts.texts(torch.from_numpy(counts(texts, places))).numpy()
    equal = [a.text == b for a, b in zip(said, texts, strict=True)]
    same = np.array(equal)
    return {
        "photographs": len(given),
        "equal_captions": float(same.mean()),
        "scores": float(max(np.abs(image - expected[0]).max(), np.abs(text - expected[1])[same].max(initial=0))),
        "logprobs": max(
            (abs(a.logprob - b.logprob) for a, b, s in zip(said, found, equal, strict=True) if s), default=0
        ),
    }
