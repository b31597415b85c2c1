"""A bundle's weights as torch modules, to compare the two runtimes.

Shapes: N images, S side in pixels, L cells, D channels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from imagist.bundle import Bundle, open_bundle
from imagist.captioning.decoding import START, Decoding
from imagist.errors import BundleError
from imagist.images.encoder import Encoder
from imagist.training import checkpoint
from imagist.training.captioners.recipe import Backbone
from imagist.training.captioners.vocabulary import WordVocabulary
from imagist.training.encoders.backbone import open_backbone
from imagist.training.export import bundle as assemble
from imagist.training.export.restore import restore, weights
from imagist.training.networks.build import build
from imagist.training.networks.decoder import CaptionDecoder


@dataclass(frozen=True, eq=False)
class Networks:
    """A bundle and its weights as torch modules in eval mode.

    Attributes:
        bundle: In float32.
        encoder: uint8 ``[N, S, S, 3]`` to ``[N, L, D]``.
        decoder: Grid to words.
        shipped: The bundle in bytes from which the other was made, if it was.
    """

    bundle: Bundle
    encoder: nn.Module
    decoder: CaptionDecoder
    shipped: Bundle | None = None


def opened(model: str, data: Path, scratch: Path) -> Networks:
    """A shipped model by name, a run folder of ``imagist train caption``, or the bundle in one.

    Args:
        model: Which.
        data: Where the recipe's weights of the encoder are looked for.
        scratch: Receives the float32 bundle of a model in bytes.

    Raises:
        BundleError: A graph lacks weights that the modules have.
    """
    run = next((f for f in (Path(model), Path(model).parent) if (f / "measured.json").is_file()), None)
    if run is None:
        bundle = open_bundle(model)
        restored = restore(bundle)
        networks = Networks(bundle, restored.encoder, restored.decoder)
    else:
        networks = of_run(run, data)
    return as_floats(networks, scratch) if in_bytes(networks.bundle) else networks


def as_floats(networks: Networks, scratch: Path) -> Networks:
    """The same with a float32 bundle of its modules."""
    bundle, part = networks.bundle, networks.bundle.part("captioner")
    card = part.card
    parts = assemble.Parts(
        bundle.name, bundle.description, part.kind, networks.encoder, Encoder(bundle.encoder).side, networks.decoder,
        WordVocabulary(part.lines("vocabulary.txt"), [*card.get("languages", {"en": START})]),
        Decoding(max_length=card["max_length"], length_penalty=card["length_penalty"]),
    )  # fmt: skip
    assemble.export_bundle(parts, scratch / "bundle")
    return Networks(open_bundle(scratch / "bundle"), networks.encoder, networks.decoder, bundle)


def of_run(run: Path, data: Path) -> Networks:
    """The modules of a run's recipe, with the weights of the bundle's graphs."""
    recipe = json.loads((run / "measured.json").read_text("utf-8"))["recipe"]
    bundle = open_bundle(run / "bundle")
    part = bundle.part("captioner")
    _, cells, channels = part.session("begin.onnx").get_inputs()[0].shape
    decoder = build(
        recipe["decoder"], words=len(part.lines("vocabulary.txt")), channels=channels, cells=cells,
        max_length=recipe["data"]["max_length"],
    )  # fmt: skip
    found = weights(part, "begin.onnx") | weights(part, "step.onnx")
    found = {name.removeprefix("decoder."): weight for name, weight in found.items()}
    wanted = [name for name, _ in decoder.named_parameters()]  # those that are tied once
    if missing := sorted({*wanted} - found.keys()):
        raise BundleError(f"no weights named {', '.join(missing)}", item=str(part.path))
    decoder.load_state_dict({name: found[name] for name in wanted}, strict=False)
    encoder = open_backbone(Backbone(**recipe["backbone"]), data)
    if recipe["backbone"]["finetune"]:
        trained = (checkpoint.load(run / "captioner.pt") or {})["weights"]
        own = {k.removeprefix("encoder."): v for k, v in trained.items() if k.startswith("encoder.")}
        encoder.load_state_dict(own)
    return Networks(bundle, encoder.eval(), decoder.eval())


def in_bytes(bundle: Bundle) -> bool:
    """Whether the captioner's products are of integers."""
    graphs = (onnx.load_model_from_string(bundle.part("captioner").read(f"{part}.onnx")) for part in ("begin", "step"))
    return any(node.op_type == "DequantizeLinear" for graph in graphs for node in graph.graph.node)
