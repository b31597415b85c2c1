"""The one flat form of a result: what every table, journal and API returns for an image.

A record is a mapping of field names to values that JSON can hold. Every record has ``source``, ``error_kind`` and
``error_message``; the fields between depend on the result. ``FIELDS`` is the schema.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from imagist.records.inputs import Failure

Kind = Literal["text", "number", "probabilities", "hypotheses", "sentences", "phrases"]
"""The type of a field:

- text: a string;
- number: a float; of float32 values the shortest decimal that gives the same float32;
- probabilities: a mapping of names, such as each label in the order of the label set, to probabilities, 0 to 1;
- hypotheses: a list of ``{"text", "logprob"}``, best first;
- sentences: a list of ``{"text", "logprob", "box"}``, in order; a box is left, top, right, bottom, 0 to 1;
- phrases: a list of ``{"text", "similarity", "gain", "role"}``, in order; the gain may be null.
"""

FIELDS: dict[str, Kind] = {
    "source": "text",  # path, address or manifest#row, as the user named it
    "caption": "text",  # tokens joined by single spaces
    "caption_logprob": "number",  # natural log-probability of the caption, <= 0
    "caption_confidence": "number",  # probability that the caption names what the image shows; null where unknown
    "recognised": "probabilities",  # the likeliest of the encoder's own classes, best first; null where it has none
    "nbest": "hypotheses",  # the n best captions; the first is the caption
    "interrogation": "text",  # the caption and the phrases that fit the image, as one text
    "similarity": "number",  # cosine between the image and its caption, or its interrogation, -1 to 1
    "phrases": "phrases",  # those of the interrogation: the cosine of each with the image, and what it added
    "description": "text",  # a caption in more detail, or of a region
    "sentences": "sentences",  # of the description, with the part of the image each describes
    "label": "text",  # the most probable category; null where the pipeline abstained
    "probability": "number",  # of the most probable category, fused and calibrated
    "image_label": "text",  # the most probable category by the image classifier alone
    "text_label": "text",  # the most probable category by the text classifier alone
    "probabilities": "probabilities",  # fused and calibrated
    "image_probabilities": "probabilities",  # by the image classifier alone
    "text_probabilities": "probabilities",  # by the text classifier alone
    "perceptual_hash": "text",  # 64 bits of the image in hexadecimal digits: near-duplicates differ in a few
    "embedding": "text",  # of the image, by the matcher: little-endian float16 numbers in base64
    "error_kind": "text",  # the kind of a typed error, such as corrupt_image; null where there is a result
    "error_message": "text",  # its message, with the remedy in brackets; null where there is a result
}
"""The name and kind of every field, in the order of the columns of a table."""

CAPTION_FIELDS = ("caption", "caption_logprob", "nbest")
INTERROGATION_FIELDS = ("caption", "caption_logprob", "interrogation", "similarity", "phrases")
DESCRIPTION_FIELDS = ("description", "sentences")
PREDICTION_FIELDS = (
    "caption",
    "caption_logprob",
    "caption_confidence",
    "recognised",
    "label",
    "probability",
    "image_label",
    "text_label",
    "probabilities",
    "image_probabilities",
    "text_probabilities",
)
POST_IMAGE_FIELDS = (*PREDICTION_FIELDS, "perceptual_hash", "embedding")


class Result(Protocol):
    """What a part returns for one image and a table can hold."""

    def fields(self) -> dict[str, object]:
        """Its fields of a record, such as those of ``PREDICTION_FIELDS``, with their values."""
        ...


def as_record(source: str, result: Result | Failure) -> dict[str, object]:
    """One result as a flat record.

    Args:
        source: The input, as the user named it.
        result: What the parts returned for it; of a failure, only the error is written.
    """
    if isinstance(result, Failure):
        return result.to_dict() | {"source": source}
    return {"source": source, **result.fields(), "error_kind": None, "error_message": None}


def columns(fields: tuple[str, ...]) -> dict[str, Kind]:
    """The columns of a table of records with these fields: their names and kinds, the source and the error included."""
    return {name: FIELDS[name] for name in ("source", *fields, "error_kind", "error_message")}


def shortest(value: float) -> float:
    """The shortest decimal that is the same float32: 0.85, not 0.8500000238418579."""
    return float(str(np.float32(value)))
