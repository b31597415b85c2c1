"""The API's documents: bodies, answers and examples of its OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from imagist.records.flat import (
    CAPTION_FIELDS,
    DESCRIPTION_FIELDS,
    FIELDS,
    INTERROGATION_FIELDS,
    PREDICTION_FIELDS,
    Kind,
)
from imagist.serving.inputs import ADDRESSES
from imagist.serving.options import Options
from imagist.serving.problems import MEDIA_TYPE, TYPE

_TEXT = {"type": ["string", "null"]}
_KINDS: dict[Kind, dict[str, Any]] = {
    "text": _TEXT,
    "number": {"type": ["number", "null"]},
    "probabilities": {"type": ["object", "null"], "additionalProperties": {"type": "number", "minimum": 0}},
    "hypotheses": {
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "logprob": {"type": "number"}},
            "required": ["text", "logprob"],
        },
    },
    "sentences": {
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "logprob": {"type": "number"},
                "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
            },
            "required": ["text", "logprob", "box"],
        },
    },
}
_KINDS["phrases"] = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "similarity": {"type": "number"},
            "gain": {"type": ["number", "null"]},
            "role": {"type": "string"},
        },
        "required": ["text", "similarity", "gain", "role"],
    },
}
_ONE_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
_EXAMPLES: dict[str, dict[str, Any]] = {
    "classify": {
        "source": "cat.jpg",
        "caption": "a cat sits on a chair",
        "caption_logprob": -5.2,
        "caption_confidence": 0.81,
        "recognised": {"tabby": 0.62, "Egyptian cat": 0.2},
        "label": "cat",
        "probability": 0.93,
        "image_label": "cat",
        "text_label": "cat",
        "probabilities": {"cat": 0.93, "dog": 0.07},
        "image_probabilities": {"cat": 0.95, "dog": 0.05},
        "text_probabilities": {"cat": 0.88, "dog": 0.12},
        "error_kind": None,
        "error_message": None,
    },
    "caption": {
        "source": "cat.jpg",
        "caption": "a cat sits on a chair",
        "caption_logprob": -5.2,
        "nbest": [{"text": "a cat sits on a chair", "logprob": -5.2}],
        "error_kind": None,
        "error_message": None,
    },
    "describe": {
        "source": "cat.jpg",
        "description": "a cat",
        "sentences": [{"text": "a cat", "logprob": -5.2, "box": [0, 0, 1, 1]}],
        "error_kind": None,
        "error_message": None,
    },
}
_EXAMPLES["interrogate"] = {
    "source": "cat.jpg",
    "caption": "a cat sits on a chair",
    "caption_logprob": -5.2,
    "interrogation": "a cat sits on a chair, whiskers",
    "similarity": 0.31,
    "phrases": [{"text": "whiskers", "similarity": 0.28, "gain": None, "role": "flavor"}],
    "error_kind": None,
    "error_message": None,
}
_EXAMPLES["explain"] = _EXAMPLES["classify"] | {
    "explanation": {
        "category": "cat",
        "weight": 0.25,
        "image_probability": 0.95,
        "text_probability": 0.88,
        "words": [{"word": "cat", "positions": [1], "drop": 0.7, "region": None}],
        "cells": [[0.01, 0.2], [0.3, 0.05]],
    }
}
_FAILED = {"source": "broken.jpg", "error_kind": "corrupt_image", "error_message": "cannot be decoded: truncated"}
FIELDS_OF: dict[str, tuple[str, ...]] = {
    "classify": PREDICTION_FIELDS,
    "caption": CAPTION_FIELDS,
    "describe": DESCRIPTION_FIELDS,
    "interrogate": INTERROGATION_FIELDS,
    "explain": PREDICTION_FIELDS,
}
"""The fields of a record of each task; see `imagist.records.flat`."""


class ProblemDocument(BaseModel):
    """A problem (RFC 9457)."""

    type: str = Field(description=f"`{TYPE}` and the kind.")
    title: str
    status: int
    detail: str
    kind: str = Field(description="Which problem, such as `corrupt_image`; stable.")


def request_body(options: type[Options], names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The body of a request, in each form that it may have.

    Args:
        options: Its options.
        names: The values that options may have, such as the names of the models for ``model``.
    """
    properties = options.model_json_schema()["properties"]
    for name, values in names.items():
        if name in properties:
            about = {"description": properties[name]["description"]}
            properties[name] = {"anyOf": [{"enum": list(values)}, {"type": "null"}], **about}
    one = {
        "oneOf": [
            {"type": "string", "description": "The image in base64, or a `data:` address.", "minLength": 1},
            {
                "type": "object",
                "properties": {"data": {"type": "string"}, "name": {"type": "string"}},
                "required": ["data"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"url": {"type": "string", "format": "uri"}, "name": {"type": "string"}},
                "required": ["url"],
                "additionalProperties": False,
            },
        ]
    }
    images = {"type": "array", "items": one, "minItems": 1, "description": "The images, in order."}
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    form = {"images": files, ADDRESSES: {"type": "string", "format": "uri"}, **properties}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "properties": form, "required": ["images"]}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"images": images, **properties},
                    "required": ["images"],
                    "additionalProperties": False,
                },
                "example": {"images": [{"data": _ONE_PIXEL, "name": "one.png"}]},
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }


def responses(task: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a task by status."""
    names = ("source", *FIELDS_OF[task], "error_kind", "error_message")
    record = {
        "type": "object",
        "properties": {name: _KINDS[FIELDS[name]] for name in names},
        "required": ["source", "error_kind", "error_message"],
    }
    body = {
        "type": "object",
        "properties": {"model": {"type": "string"}, "results": {"type": "array", "items": record}},
        "required": ["model", "results"],
    }
    example = {"model": "embedded", "results": [_EXAMPLES[task], _FAILED]}
    good = {
        "description": "A record an image, in order: a result, or a typed error.",
        "content": {"application/json": {"schema": body, "example": example}},
    }
    return {200: good} | problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with a problem document."""
    schema = ProblemDocument.model_json_schema()
    about = {
        400: "The body cannot be read.",
        401: "A valid key is needed.",
        403: "A page of another site called.",
        404: "There is no such thing.",
        406: "No answer of the kinds that are accepted.",
        408: "The body took too long.",
        413: "Over a limit on bytes, pixels or the number of images.",
        415: "Not a kind of body, or not a kind of image, that is read.",
        422: "Options out of their range, or no image could be used.",
        429: "Too many images in a minute; see `Retry-After`.",
        500: "The service failed.",
        503: "Too busy, or no result in time; see `Retry-After`.",
    }
    return {each: {"description": about[each], "content": {MEDIA_TYPE: {"schema": schema}}} for each in statuses}
