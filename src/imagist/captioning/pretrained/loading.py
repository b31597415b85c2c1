"""Checkpoints from a folder or the Hugging Face hub, as transformers model classes.

Only safetensors weights are read, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from imagist.errors import BundleError, BundleNotFound, MissingExtra, UsageError
from imagist.storage import sha256_of

transformers: Any = import_module("transformers")  # untyped: to follow its annotations takes mypy minutes

_ON_THE_HUB = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_DEVICES = ("cpu", "cuda", "mps", "xpu")
_IN_A_FOLDER = (".safetensors", ".json", ".txt", ".model", ".spm")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A published model, ready to run.

    Attributes:
        name: The model with the commit or the contents that it was loaded from: equal names, equal weights.
        model: The transformers model in eval mode, on its device.
        tokenizer: Its tokenizer.
        images: Its image processor; None where it takes none.
    """

    name: str
    model: Any
    tokenizer: Any
    images: Any


def load(
    model: str, kind: str, network: str, *, device: str = "cpu", dtype: str = "float32", images: bool = True
) -> Checkpoint:
    """Loads a checkpoint with its tokenizer and its image processor.

    An encoder whose checkpoint has no weights of a pooler comes without one: its ``pooler`` is None.

    Args:
        model: A folder written by ``save_pretrained``, or a name on the Hugging Face hub such as
            ``Salesforce/blip-image-captioning-base``.
        kind: The ``model_type`` that its configuration must name, such as ``blip``.
        network: The transformers class to make, such as ``BlipForConditionalGeneration``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: Of the weights: ``float32``, ``bfloat16``.
        images: Whether it comes with an image processor.

    Raises:
        MissingExtra: A library that the tokenizer needs is not installed.
        BundleNotFound: Neither a folder nor a model that the hub gave.
        BundleError: The folder lacks something, the weights do not fit the class or are not safetensors.
        UsageError: The model is of another kind, or there is no such device.
    """
    target = _device(device)
    folder = Path(model)
    local = bool(model) and folder.is_dir()
    if not local and not _ON_THE_HUB.fullmatch(model):
        raise BundleNotFound(
            "no such folder",
            item=model,
            remedy="a folder written by save_pretrained, or a name on the Hugging Face hub",
        )
    with _quiet():
        config, commit = _config(model, local)
        if config.model_type != kind:
            raise UsageError(
                f"this is a model of the kind {config.model_type}, where one of the kind {kind} is wanted",
                item=model,
                remedy="choose another model, or what is made for this kind",
            )
        place = {"local_files_only": True} if local else {"revision": commit}
        tokenizer = _tokenizer(model, place)
        processor = _part(model, transformers.AutoImageProcessor, place, trust_remote_code=False) if images else None
        weights = _weights(getattr(transformers, network), model, config, getattr(torch, dtype), place)
    name = f"{folder.resolve().name}-{_contents(folder)}" if local else f"{model}@{commit[:12]}"
    return Checkpoint(name, weights.to(target).eval(), tokenizer, processor)


def _device(device: str) -> torch.device:
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError("there is no such device here", item=device, remedy=f"one of {', '.join(_DEVICES)}") from error
    if target.type not in _DEVICES:
        raise UsageError("models do not run on this", item=device, remedy=f"one of {', '.join(_DEVICES)}")
    return target


def _config(model: str, local: bool) -> tuple[Any, str]:
    """The configuration, which shows whether there is such a model, and the commit that the hub has it from."""
    try:
        folder = Path(model) if local else Path(transformers.utils.cached_file(model, "config.json")).parent
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and not local:
            raise BundleNotFound(
                f"neither a folder nor a model that the Hugging Face hub gave: {_first_line(error)}",
                item=model,
                remedy="check the name; load it once where there is a connection, or give a folder with the model",
            ) from error
        raise BundleError(
            f"there is no configuration that can be used: {_first_line(error)}",
            item=model,
            remedy="a folder written by save_pretrained",
        ) from error
    return config, folder.name


def _part(model: str, part: Any, place: dict[str, Any], **settings: Any) -> Any:
    """What ``part`` makes of the model; the errors of transformers, which are of many kinds, as ours."""
    try:
        return part.from_pretrained(model, **settings, **place)
    except ImportError as error:
        raise MissingExtra(
            f"this model needs a library that is not installed: {' '.join(str(error).split())[:200]}",
            item=model,
            remedy="pip install 'imagist[torch]'",
        ) from error
    except SafetensorError as error:
        raise BundleError(f"the weights are damaged: {error}", item=model, remedy="copy the model anew") from error
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise BundleError(
            f"a part of the model cannot be loaded: {_first_line(error)}",
            item=model,
            remedy="it needs safetensors weights, a tokenizer and, to see, an image processor",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _tokenizer(model: str, place: dict[str, Any]) -> Any:
    tokenizer = _part(model, transformers.AutoTokenizer, place, trust_remote_code=False)
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # what transformers gives where the files are missing
        raise BundleError("the folder holds no tokenizer", item=model, remedy="save the tokenizer beside the model")
    return tokenizer


def _weights(network: Any, model: str, config: Any, dtype: Any, place: dict[str, Any]) -> Any:
    if Path(model).is_dir() and not [*Path(model).glob("*.safetensors")]:
        raise BundleError(
            "the folder holds no safetensors weights, and no others are read",
            item=model,
            remedy="load the model with transformers and write it with save_pretrained",
        )
    settings = {"config": config, "dtype": dtype, "use_safetensors": True}
    settings |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # they are refused below, by name
    weights, told = _part(model, network, place, **settings)
    missing = _without_pooler(weights, set(told["missing_keys"]))
    lacking = sorted([*missing, *(key[0] for key in told["mismatched_keys"])])
    if lacking:
        raise BundleError(
            f"{len(lacking)} weights of {network.__name__} are missing or of another shape, such as {lacking[0]}",
            item=model,
            remedy="a checkpoint of a captioning model",
        )
    return weights


def _without_pooler(network: Any, missing: set[str]) -> set[str]:
    """Takes out a pooler that the checkpoint has no weights of, where the network can do without; what else is missing.

    Sentence encoders and masked language models are saved without. Left in, it would answer with random weights.
    """
    own = {key for key in missing if key.startswith("pooler.")}
    if own and "add_pooling_layer" in signature(type(network).__init__).parameters:
        network.pooler = None
        return missing - own
    return missing


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no reports on weights: what matters is raised."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _contents(folder: Path) -> str:
    """A digest of the files that decide what a model says."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.suffix in _IN_A_FOLDER):
        digest.update(f"{file.name}\n{sha256_of(file)}\n".encode())
    return digest.hexdigest()[:12]
