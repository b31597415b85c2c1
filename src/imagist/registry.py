"""From a name to a part: built-in parts and plugins go through the same door.

A plugin names its part in its package's metadata, as an entry point of a group such as ``imagist.captioners``::

    [project.entry-points."imagist.captioners"]
    mine = "my_package.captioner:load"

Each entry is a loader: ``load(model, options)`` opens the part that lies in a folder, or what else ``model`` names, and
takes `imagist.protocols.PartOptions` (captioners: `imagist.captioning.options.CaptionOptions`). An entry of the kind
``datasets`` is a class that implements `imagist.datasets.source.Format`. ``docs/extending.md`` shows one plugin of each
kind.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from imagist.errors import UnknownName

_STEPWISE = "imagist.captioning.backends.stepwise:load"

BUILT_IN: dict[str, dict[str, str]] = {
    "captioners": {
        "attention": _STEPWISE,
        "blip": "imagist.captioning.backends.blip:load",
        "blip2": "imagist.captioning.backends.blip2:load",
        "endpoint": "imagist.captioning.backends.endpoint:load",
        "git": "imagist.captioning.backends.git:load",
        "interrogator": "imagist.captioning.backends.interrogator:load",
        "lstm": _STEPWISE,
        "naming": _STEPWISE,
        "prefix-gpt2": _STEPWISE,
        "recorded": "imagist.captioning.backends.recorded:load",
        "transformer": _STEPWISE,
        "vlm": "imagist.captioning.backends.vlm:load",
    },
    "text_classifiers": {
        "matched": "imagist.classifiers.matched:load_text",
        "tfidf": "imagist.classifiers.text.tfidf:load",
        "transformer": "imagist.classifiers.text.transformer:load",
        "uniform": "imagist.classifiers.uniform:load_text",
    },
    "image_classifiers": {
        "distilled": "imagist.classifiers.image.distilled:load",
        "labelmap": "imagist.classifiers.image.labelmap:load",
        "linear": "imagist.classifiers.image.linear:load",
        "matched": "imagist.classifiers.matched:load_image",
        "network": "imagist.classifiers.image.network:load",
        "uniform": "imagist.classifiers.uniform:load_image",
    },
    "fusions": {
        "features": "imagist.classifiers.fusion.features:load",
        "logit": "imagist.classifiers.fusion.logits:load",
        "score": "imagist.classifiers.fusion.scores:load",
        "stacking": "imagist.classifiers.fusion.stacking:load",
    },
    "matchers": {
        "clip": "imagist.matching.backends.clip:load",
        "embedded": "imagist.matching.backends.embedded:load",
        "open_clip": "imagist.matching.backends.open_clip:load",
    },
    "calibrations": {"temperature": "imagist.classifiers.calibration:load"},
    "encoders": {"lite": "imagist.images.lite:load", "onnx": "imagist.images.encoder:load"},
    "datasets": {
        "cifar100": "imagist.datasets.formats.cifar100:Cifar100",
        "folder": "imagist.datasets.formats.folders:Folders",
        "tokens": "imagist.datasets.formats.flickr:TokenFile",
        "karpathy": "imagist.datasets.formats.karpathy:Karpathy",
        "coco": "imagist.datasets.formats.coco:Coco",
        "barred": "imagist.datasets.formats.flickr:BarredTable",
        "table": "imagist.datasets.formats.tables:Tables",
    },
}
"""For each kind of part its built-in loaders, as ``module:attribute``."""

DEFAULT_MODELS: dict[str, dict[str, str]] = {
    "captioners": {
        "blip": "blip-base",
        "blip2": "blip2-2.7b",
        "git": "git-large-coco",
        "interrogator": "embedded",
        "vlm": "smolvlm-256m",
    },
    "matchers": {"clip": "openai/clip-vit-base-patch32", "open_clip": "ViT-B-32/laion2b_s34b_b79k"},
}
"""What kinds open where no model is named."""


def names(kind: str) -> list[str]:
    """Every name of a kind of part, built-ins and plugins, sorted.

    Args:
        kind: A key of `BUILT_IN`, such as ``captioners``.
    """
    return sorted({*BUILT_IN[kind], *(point.name for point in _plugins(kind))})


def find(kind: str, name: str) -> Callable[..., Any]:
    """The loader of a name; its module is imported now and not before.

    Raises:
        UnknownName: There is none; the remedy lists the names there are.
    """
    for point in _plugins(kind):
        if point.name == name:
            return point.load()  # type: ignore[no-any-return]
    target = BUILT_IN[kind].get(name)
    if target is None:
        raise UnknownName(
            f"no {kind.replace('_', ' ').removesuffix('s')} of that name",
            item=name,
            remedy=f"one of {', '.join(names(kind))}",
        )
    module, attribute = target.split(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def _plugins(kind: str) -> list[EntryPoint]:
    return [point for point in entry_points(group=f"imagist.{kind}") if point.name not in BUILT_IN[kind]]
