"""A bundle's ONNX graphs back to torch modules: to train on from them, or to compare the two runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from imagist.bundle import Bundle, Folder
from imagist.errors import BundleError
from imagist.images.encoder import GRAPH
from imagist.training.encoders.backbone import HALF
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.export.graphs import HALVED, TRANSPOSED, folded
from imagist.training.export.quantization import dequantized
from imagist.training.networks.attention import AttentionDecoder
from imagist.training.networks.decoder import CaptionDecoder
from imagist.training.networks.efficientnet_lite import EfficientNetLite
from imagist.training.networks.naming import NamingDecoder


@dataclass(frozen=True, eq=False)
class Restored:
    """The networks of a bundle, in eval mode.

    Attributes:
        encoder: uint8 ``[N, S, S, 3]`` to ``[N, L, D]``, batch norms folded.
        decoder: Grid to words.
    """

    encoder: GridEncoder
    decoder: CaptionDecoder


def restore(bundle: Bundle) -> Restored:
    """The trained weights of a bundle as torch modules.

    Raises:
        BundleError: A file lacks weights that the modules have.
    """
    encoder = folded(GridEncoder(EfficientNetLite(classes=0), EfficientNetLite.channels, HALF, HALF))
    grids, captioner = bundle.encoder, bundle.part("captioner")
    _fill(encoder.network, {name.partition(".")[2]: weight for name, weight in weights(grids, GRAPH).items()}, grids)
    found = weights(captioner, "begin.onnx") | weights(captioner, "step.onnx")
    found = {name.removeprefix("decoder."): weight for name, weight in found.items()}
    try:
        decoder = _decoder(captioner, found).eval()
    except KeyError as error:
        raise BundleError(f"no weights named {error}", item=str(captioner.path)) from error
    _fill(decoder, found, captioner)
    return Restored(encoder, decoder)


def _decoder(captioner: Folder, found: Mapping[str, Tensor]) -> CaptionDecoder:
    """A decoder of the sizes of these weights."""
    words, embedding = found["embedding.weight"].shape
    channels = found["reduce.weight"].shape[1]
    if captioner.kind == "naming":
        layers, grid_layers = (
            len({name.split(".")[1] for name in found if name.startswith(f"{part}.")})
            for part in ("layers", "grid_layers")
        )
        keys = next(each for each in captioner.session("begin.onnx").get_outputs() if each.name == "cell_keys.0")
        return NamingDecoder(
            words, channels, classes=len(found["things.weight"]), cells=len(found["places"]), width=embedding,
            layers=layers, grid_layers=grid_layers, heads=int(keys.shape[1]), max_length=len(found["times"]) - 2,
        )  # fmt: skip
    attention, hidden = found["keys.weight"].shape
    return AttentionDecoder(words, channels, hidden_size=hidden, embedding_size=embedding, attention_size=attention)


def weights(folder: Folder, file: str) -> dict[str, Tensor]:
    """The float weights of a graph, by the names of the torch parameters."""
    model = onnx.load_model_from_string(folder.read(file))
    arrays = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer} | dict(
        dequantized(model)
    )
    found = {}
    for full, array in arrays.items():
        tensor = torch.from_numpy(array.copy())
        if tensor.is_floating_point():
            name = full.removesuffix(HALVED)
            transposed = name.endswith(TRANSPOSED)
            found[name.removesuffix(TRANSPOSED)] = (tensor.T if transposed else tensor).float().contiguous()
    return found


def _fill(module: nn.Module, found: dict[str, Tensor], folder: Folder) -> None:
    wanted = module.state_dict().keys()
    if missing := sorted(wanted - found.keys()):
        raise BundleError(f"no weights named {', '.join(missing)}", item=str(folder.path))
    module.load_state_dict({name: found[name] for name in wanted})
