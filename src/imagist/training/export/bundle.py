"""Writes a trained captioner and its encoder as a bundle, and compares the bundle with the torch modules."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from imagist.arrays import Pixels
from imagist.bundle import ENCODER, SPACE, Bundle, copy_part, npz, open_bundle, open_folder, write_bundle, write_part
from imagist.captioning.backends.stepwise import StepwiseCaptioner
from imagist.captioning.decoding import Decoding, generate
from imagist.captioning.options import CaptionOptions
from imagist.captioning.reranking import concepts
from imagist.images.encoder import CLASSES, GRAPH
from imagist.images.encoder import KIND as ENCODER_KIND
from imagist.images.encoder import Encoder as GraphEncoder
from imagist.images.views import square
from imagist.records import Photo
from imagist.training.captioners.concepts import Reranker
from imagist.training.captioners.evaluator import TorchBeams
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.encoders.grid_encoder import Space
from imagist.training.export import graphs as export
from imagist.training.export.graphs import Graph
from imagist.training.export.quantization import captioner_feeds, quantize, quantize_convolutions
from imagist.training.networks.decoder import CaptionDecoder

log = logging.getLogger("imagist.training")


@dataclass(frozen=True, eq=False)
class Parts:
    """A trained captioner with its encoder.

    Attributes:
        name: Name of the bundle.
        description: One line about it.
        kind: The captioner's name in the registry.
        encoder: uint8 ``[N, S, S, 3]`` to grids ``[N, L, D]``.
        side: S.
        decoder: From grids to captions.
        vocabulary: Of the decoder.
        search: How captions are decoded.
        reranker: Reranks hypotheses by their concepts; None where there is none.
        space: Of the grids; with one, other encoders of it serve the captioner, too, and the encoder has classes.
        hedging: Files by which the captioner says less where its encoder is not sure, by name.
    """

    name: str
    description: str
    kind: str
    encoder: nn.Module
    side: int
    decoder: CaptionDecoder
    vocabulary: Vocabulary
    search: Decoding
    reranker: Reranker | None = None
    space: Space | None = None
    hedging: Mapping[str, bytes] = field(default_factory=dict)


def export_bundle(parts: Parts, folder: Path, calibration: Pixels | None = None) -> Bundle:
    """Writes a model of an encoder and a captioner, whole or not at all.

    Args:
        parts: What to write.
        folder: Replaced where it exists.
        calibration: Training images, uint8 ``[N, S, S, 3]``, which quantize the model: encoder and captioner multiply
            8-bit integers, the other large weights are stored as float16. Without them all is float32.
    """
    feeds = {}
    if calibration is not None:
        with torch.no_grad():
            grids = parts.encoder.eval()(torch.from_numpy(calibration)).numpy()
        feeds = captioner_feeds(parts.decoder, grids, parts.vocabulary, parts.search)

    def write(model: onnx.ModelProto, file: Path) -> None:
        file.write_bytes((model if calibration is None else export.halved(model)).SerializeToString())

    with TemporaryDirectory() as scratch:
        encoder, captioner = Path(scratch, "encoder"), Path(scratch, "captioner")
        eye = export.encoder_onnx(parts.encoder, parts.side)
        if calibration is not None:
            eye = quantize_convolutions(eye, calibration)
        space = {SPACE: parts.space.name} if parts.space else {}
        write_part(encoder, ENCODER_KIND, space, lambda path: write(eye, path / GRAPH), **_classes(parts, calibration))
        served = space or {ENCODER: open_folder(encoder).version}

        def fill(path: Path) -> None:
            for name, graph in _graphs(parts).items():
                model = export.to_onnx(graph)
                write(quantize(model, feeds[name]) if name in feeds else model, path / name)
            (path / "vocabulary.txt").write_text("\n".join(parts.vocabulary.lines) + "\n", "utf-8")
            for name, content in parts.hedging.items():
                (path / name).write_bytes(content)
            if parts.reranker:
                (path / "concepts.txt").write_text(concepts.to_lines(parts.reranker.concepts), "utf-8")

        write_part(captioner, parts.kind, {**served, **card(parts)}, fill)
        writers = {path.name: copy_part(open_folder(path)) for path in (encoder, captioner)}
        return write_bundle(folder, {"name": parts.name, "description": parts.description}, writers)


def _classes(parts: Parts, calibration: Pixels | None) -> dict[str, bytes]:
    """The file of the encoder's classes, if it has any, for `write_part`."""
    if parts.space is None:
        return {}
    kind = np.float32 if calibration is None else np.float16
    return {CLASSES.replace(".", "__"): npz(weight=parts.space.head.weight.astype(kind), bias=parts.space.head.bias)}


def _graphs(parts: Parts) -> dict[str, Graph]:
    with torch.no_grad():
        grid = parts.encoder.eval()(torch.zeros(1, parts.side, parts.side, 3, dtype=torch.uint8))
    cells, channels = grid.shape[1:]
    found = export.decoder_graphs(parts.decoder, cells, channels, parts.vocabulary.suppressed_tokens)
    return found | (export.detector_graph(parts.reranker.detector, cells, channels) if parts.reranker else {})


def card(parts: Parts) -> dict[str, Any]:
    """The settings on the captioner's card."""
    table: dict[str, Any] = {
        **parts.search.on_card(),
        "tokens": parts.vocabulary.tokens,
        "end": parts.vocabulary.end,
        "languages": dict(parts.vocabulary.starts),
    }
    if parts.reranker:
        known = parts.reranker.concepts
        table["concepts"] = {
            "photos": known.photos,
            "lengths": list(known.lengths),
            "weight": known.weight,
            "power": known.power,
        }
    return table


def parity(parts: Parts, folder: Path, photos: Pixels) -> dict[str, float]:
    """Compares a written bundle with the torch modules that it was exported from.

    Args:
        parts: The modules.
        folder: The bundle.
        photos: uint8 ``[N, H, W, 3]``; both run on them.

    Returns:
        ``images``; ``equal_captions``: share, 0..1; ``logprobs``: the largest difference of captions'
        log-probabilities.
    """
    bundle = open_bundle(folder)
    encoder = GraphEncoder(bundle.encoder)
    settings = replace(parts.search, nbest=1)
    inputs = [Photo(pixels) for pixels in photos]
    captions = StepwiseCaptioner(bundle.part("captioner"), CaptionOptions(settings), encoder, hedging=False).caption(
        inputs
    )
    with torch.no_grad():
        pixels = torch.from_numpy(np.concatenate([square(p.pixels, encoder.side) for p in inputs]))
        grid = torch.cat([parts.encoder(x) for x in torch.split(pixels, 50)])
        beams = TorchBeams(parts.decoder.eval(), grid, settings.beam, parts.vocabulary)
        reranker_score = parts.reranker.reranker_score(grid, parts.vocabulary) if parts.reranker else None
        found = [sentences[0] for sentences in generate(beams, len(grid), settings, reranker_score=reranker_score)]
    texts = [parts.vocabulary.decode(sentence.words) for sentence in found]
    equal = [a.text == b for a, b in zip(captions, texts, strict=True)]
    same = [abs(a.logprob - b.logprob) for a, b, s in zip(captions, found, equal, strict=True) if s]
    return {"images": len(inputs), "equal_captions": float(np.mean(equal)), "logprobs": max(same, default=0.0)}
