"""imagist: understands images by putting them into words.

    import imagist

    pipeline = imagist.load()
    for prediction in pipeline(["cat.jpg", "coffee.jpg"]):
        print(prediction.label, prediction.probability, prediction.caption.text)

Names are resolved when they are first used: importing imagist loads neither torch, onnxruntime nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagist.captioning.decoding import Decoding
    from imagist.captioning.interrogation.opening import open_interrogator
    from imagist.captioning.loading import open_captioner
    from imagist.captioning.options import CaptionOptions
    from imagist.classifiers.recognition import recognise
    from imagist.errors import ImagistError, ItemError, UsageError
    from imagist.images import DecodeLimits
    from imagist.matching.opening import open_matcher
    from imagist.pipeline import Pipeline, load
    from imagist.records import Caption, Failure, LabelSet, Photo, Prediction, Recognised, Row
    from imagist.serving.client import Client

__version__ = "0.1.0"

_HOMES = {
    "Caption": "records",
    "CaptionOptions": "captioning.options",
    "Client": "serving.client",
    "DecodeLimits": "images",
    "Decoding": "captioning.decoding",
    "Failure": "records",
    "ImagistError": "errors",
    "ItemError": "errors",
    "LabelSet": "records",
    "Photo": "records",
    "Pipeline": "pipeline",
    "Prediction": "records",
    "Recognised": "records",
    "Row": "records",
    "UsageError": "errors",
    "load": "pipeline",
    "open_captioner": "captioning.loading",
    "open_interrogator": "captioning.interrogation.opening",
    "open_matcher": "matching.opening",
    "recognise": "classifiers.recognition",
}

__all__ = [
    "Caption",
    "CaptionOptions",
    "Client",
    "DecodeLimits",
    "Decoding",
    "Failure",
    "ImagistError",
    "ItemError",
    "LabelSet",
    "Photo",
    "Pipeline",
    "Prediction",
    "Recognised",
    "Row",
    "UsageError",
    "__version__",
    "load",
    "open_captioner",
    "open_interrogator",
    "open_matcher",
    "recognise",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'imagist' has no attribute {name!r}")
    return getattr(import_module(f"imagist.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
