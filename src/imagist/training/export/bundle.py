"""From trained parts to the folder that ships: graphs, word lists, card with sha256; and the proof of it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from imagist.arrays import Array, Pixels
from imagist.bundle import CARD, open_bundle
from imagist.captioning.backends.stepwise import StepwiseCaptioner
from imagist.captioning.decoding import Decoding, generate
from imagist.captioning.options import CaptionOptions
from imagist.captioning.reranking import concepts
from imagist.classifiers.image.linear import LinearClassifier
from imagist.classifiers.ngrams import counts
from imagist.classifiers.text.bag import BagClassifier
from imagist.images.encoder import Encoder as GraphEncoder
from imagist.images.views import square
from imagist.records import Photo
from imagist.storage import atomic_folder
from imagist.training.captioners.concepts import Reranker
from imagist.training.captioners.evaluator import TorchBeams
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.embedded.heads import ImageHead, TextHead
from imagist.training.export import graphs as export
from imagist.training.export.quantization import captioner_feeds, quantised
from imagist.training.networks.decoder import CaptionDecoder

log = logging.getLogger("imagist.training")


@dataclass(frozen=True, eq=False)
class Heads:
    """What a bundle that classifies has besides.

    Attributes:
        images: Grid to classes.
        texts: Terms to classes.
        terms: The W terms.
        labels: The C classes.
        fusion: For each taxonomy its weight, interval and temperatures.
    """

    images: ImageHead
    texts: TextHead
    terms: tuple[str, ...]
    labels: tuple[str, ...]
    fusion: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything that a bundle is made of, trained.

    Attributes:
        name: Of the bundle.
        description: One line on what it is.
        kind: The captioner's name in the registry.
        encoder: uint8 ``[N, S, S, 3]`` to grids ``[N, L, D]``.
        side: S.
        decoder: Grid to words.
        vocabulary: The words.
        search: How to caption.
        heads: The classifiers, if there are any.
        reranker: What ranks the hypotheses of a consensus, if anything does.
    """

    name: str
    description: str
    kind: str
    encoder: nn.Module
    side: int
    decoder: CaptionDecoder
    vocabulary: Vocabulary
    search: Decoding
    heads: Heads | None = None
    reranker: Reranker | None = None


def write_bundle(parts: Parts, folder: Path, seen: Array | None = None) -> None:
    """Writes a bundle, whole or not at all.

    Args:
        parts: What to write.
        folder: Replaced where it is there.
        seen: Grids ``[N, L, D]`` of training images. With them the bundle is made small and fast: the captioner
            multiplies bytes, the other large weights are stored as float16. Without them all stays in float32.
    """
    feeds = {} if seen is None else captioner_feeds(parts.decoder, seen, parts.vocabulary, parts.search)
    with atomic_folder(folder) as draft:
        for name, graph in _graphs(parts).items():
            model = export.to_onnx(graph)
            if name in feeds:
                model = quantised(model, feeds[name])
            (draft / name).write_bytes((model if seen is None else export.halved(model)).SerializeToString())
        (draft / "vocabulary.txt").write_text("\n".join(parts.vocabulary.lines) + "\n", "utf-8")
        if parts.heads:
            (draft / "ngrams.txt").write_text("\n".join(parts.heads.terms) + "\n", "utf-8")
        if parts.reranker:
            (draft / "concepts.txt").write_text(concepts.written(parts.reranker.concepts), "utf-8")
        (draft / CARD).write_text(card(parts, draft), "utf-8")


def _graphs(parts: Parts) -> dict[str, export.Graph]:
    with torch.no_grad():
        grid = parts.encoder.eval()(torch.zeros(1, parts.side, parts.side, 3, dtype=torch.uint8))
    cells, channels = grid.shape[1:]
    found = {"encoder.onnx": export.encoder_graph(parts.encoder, parts.side)}
    found |= export.decoder_graphs(parts.decoder, cells, channels, parts.vocabulary.banned)
    if parts.reranker:
        found |= export.detector_graph(parts.reranker.detector, cells, channels)
    if parts.heads:
        found |= export.head_graphs(parts.heads.images, parts.heads.texts, cells, channels)
    return found


def card(parts: Parts, folder: Path) -> str:
    """``card.toml`` over the files in a folder."""
    starts = ", ".join(f"{json.dumps(code)} = {word}" for code, word in parts.vocabulary.starts.items())
    lines = [
        f"name = {json.dumps(parts.name)}",
        f"description = {json.dumps(parts.description)}",
        *([f"labels = {json.dumps(parts.heads.labels)}"] if parts.heads else []),
        "",
        "[captioner]",
        f"kind = {json.dumps(parts.kind)}",
        f"max_length = {parts.search.max_length}",
        f"length_penalty = {parts.search.length_penalty}",
        f"beam = {parts.search.beam}",
        f"mbr = {json.dumps(parts.search.mbr)}",
        f"joined = {json.dumps(parts.vocabulary.joined)}",
        f"end = {parts.vocabulary.end}",
        f"languages = {{ {starts} }}",
    ]
    if parts.reranker:
        known = parts.reranker.concepts
        lines += [
            "",
            "[captioner.concepts]",
            f"photos = {known.photos}",
            f"lengths = {list(known.lengths)}",
            f"weight = {known.weight}",
            f"power = {known.power}",
        ]
    if parts.heads:
        lines += ["", "[text_classifier]", 'kind = "bag"', "", "[image_classifier]", 'kind = "linear"']
        for name, entry in parts.heads.fusion.items():
            lines += ["", f"[fusion.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    lines += ["", "[files] # sha256"]
    files = sorted(path for path in folder.iterdir() if path.name != CARD)
    lines += [f'"{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in files]
    return "\n".join(lines) + "\n"


def parity(parts: Parts, folder: Path, photos: Pixels) -> dict[str, float]:
    """How far a written bundle is from the modules it was written from.

    Args:
        parts: The modules.
        folder: The bundle.
        photos: uint8 ``[N, H, W, 3]``, on which both are run.

    Returns:
        ``images``; ``equal_captions``: share, 0..1; ``logprobs``: the largest difference of captions'
        log-probabilities; and, of a bundle that classifies, ``scores``: that of class probabilities.
    """
    bundle = open_bundle(folder)
    encoder = GraphEncoder(bundle)
    settings = replace(parts.search, nbest=1)
    given = [Photo(pixels) for pixels in photos]
    said = StepwiseCaptioner(bundle, CaptionOptions(settings), encoder).caption(given)
    with torch.no_grad():
        pixels = torch.from_numpy(np.concatenate([square(p.pixels, encoder.side) for p in given]))
        grid = torch.cat([parts.encoder(x) for x in torch.split(pixels, 50)])
        beams = TorchBeams(parts.decoder.eval(), grid, settings.beam, parts.vocabulary)
        reranker_score = parts.reranker.reranker_score(grid, parts.vocabulary) if parts.reranker else None
        found = [sentences[0] for sentences in generate(beams, len(grid), settings, reranker_score=reranker_score)]
    texts = [parts.vocabulary.decode(sentence.words) for sentence in found]
    equal = [a.text == b for a, b in zip(said, texts, strict=True)]
    same = [abs(a.logprob - b.logprob) for a, b, s in zip(said, found, equal, strict=True) if s]
    figures = {"images": len(given), "equal_captions": float(np.mean(equal)), "logprobs": max(same, default=0.0)}
    if parts.heads:
        places = {term: place for place, term in enumerate(parts.heads.terms)}
        with torch.no_grad():
            image = parts.heads.images(grid).numpy() - LinearClassifier(bundle, encoder).scores(given)
            text = parts.heads.texts(torch.from_numpy(counts(texts, places))).numpy()
        text -= BagClassifier(bundle).scores([caption.text for caption in said])
        figures["scores"] = float(max(np.abs(image).max(), np.abs(text)[np.array(equal)].max(initial=0)))
    return figures
