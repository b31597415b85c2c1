"""The columns of an output table: what each command writes for a row, and what the carried columns are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from imagist.arrays import Array
from imagist.records import Caption, Failure, LabelSet, Prediction

Kind = Literal["text", "number", "probabilities", "hypotheses"]

CLASSIFIED: dict[str, Kind] = {
    "source": "text",
    "caption": "text",
    "caption_logprob": "number",
    "label": "text",
    "probability": "number",
    "image_label": "text",
    "text_label": "text",
    "probabilities": "probabilities",
    "image_probabilities": "probabilities",
    "text_probabilities": "probabilities",
    "error_kind": "text",
    "error_message": "text",
}
CAPTIONED: dict[str, Kind] = {
    "source": "text",
    "caption": "text",
    "caption_logprob": "number",
    "nbest": "hypotheses",
    "error_kind": "text",
    "error_message": "text",
}


def classified(source: str, result: Prediction | Failure) -> dict[str, object]:
    """The `CLASSIFIED` columns of one row; those without a value are None."""
    if isinstance(result, Failure):
        return _failed(CLASSIFIED, source, result)
    return {
        "source": source,
        "caption": result.caption.text,
        "caption_logprob": _shortest(result.caption.logprob),
        "label": result.label,
        "probability": _shortest(result.probability),
        "image_label": result.image_label,
        "text_label": result.text_label,
        "probabilities": _mapping(result.labels, result.probabilities),
        "image_probabilities": _mapping(result.labels, result.image_probabilities),
        "text_probabilities": _mapping(result.labels, result.text_probabilities),
        "error_kind": None,
        "error_message": None,
    }


def captioned(source: str, result: Caption | Failure) -> dict[str, object]:
    """The `CAPTIONED` columns of one row; those without a value are None."""
    if isinstance(result, Failure):
        return _failed(CAPTIONED, source, result)
    return {
        "source": source,
        "caption": result.text,
        "caption_logprob": _shortest(result.logprob),
        "nbest": [{"text": h.text, "logprob": _shortest(h.logprob)} for h in result.nbest],
        "error_kind": None,
        "error_message": None,
    }


def carried_names(carried: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """What each carried column is called in the output.

    A column keeps its name unless the output has one of its own by that name; then it becomes ``input.<name>``, with
    one more ``input.`` for as long as that is the name of yet another column.
    """
    carried, own = list(carried), set(own)
    taken = own | set(carried)
    names = {}
    for name in carried:
        new = name
        while new in own or (new != name and new in taken):
            new = f"input.{new}"
        taken.add(new)
        names[name] = new
    return names


def _failed(columns: Iterable[str], source: str, failure: Failure) -> dict[str, object]:
    error = failure.error
    message = f"{error.message} ({error.remedy})" if error.remedy else error.message
    known = {"source": source, "error_kind": error.kind, "error_message": message}
    return {name: known.get(name) for name in columns}


def _mapping(labels: LabelSet, row: Array) -> dict[str, float]:
    return {name: _shortest(p) for name, p in zip(labels, row, strict=True)}


def _shortest(value: float) -> float:
    """The shortest decimal that is the same float32: nothing lost, and 0.85 does not read 0.8500000238418579."""
    return float(str(np.float32(value)))
