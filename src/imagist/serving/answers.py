"""Results as clients get them: the flat record of `imagist.records.flat`, and what a request asked for beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from imagist.errors import ModelFailed
from imagist.explanation import Explanation
from imagist.explanation.record import Region, probability
from imagist.records import Caption, Failure, Prediction
from imagist.records.flat import as_record
from imagist.serving.options import Options

_DIGITS = 4  # of attention and of drops: enough for colours


def record_of(source: str, result: Any, options: Options) -> dict[str, Any]:
    """The record of one image.

    Args:
        source: The image, as the client named it.
        result: A `Prediction`, `Caption`, `Description`, `Explanation` or `Failure`.
        options: Of the request.
    """
    match result:
        case Failure():
            return as_record(source, shown(result))
        case Prediction():
            below = getattr(options, "abstain_below", 0.0)
            if below:
                result = replace(result, abstained=bool(result.probabilities.max() < below))
            return as_record(source, result) | _extras(result.caption, options, nbest=True)
        case Caption():
            count = getattr(options, "nbest", 1)
            return as_record(source, replace(result, nbest=result.nbest[:count])) | _extras(result, options)
        case Explanation():
            return as_record(source, result.prediction) | {"explanation": explained(result)}
    return as_record(source, result)


def shown(failure: Failure) -> Failure:
    """A failure as clients see it, without what a model raised."""
    if isinstance(failure.error, ModelFailed):
        return Failure(failure.source, ModelFailed("the model failed on this image", item=failure.source))
    return failure


def _extras(caption: Caption, options: Options, *, nbest: bool = False) -> dict[str, Any]:
    count = getattr(options, "nbest", 1)
    extras: dict[str, Any] = {}
    if nbest and count > 1:
        extras["nbest"] = caption.fields()["nbest"][:count]  # type: ignore[index]
    if getattr(options, "attention", False):
        extras["attention"] = _attention(caption)
    return extras


def _attention(caption: Caption) -> list[dict[str, Any]] | None:
    """For each word its text and its map, ``[h][w]``, whose values sum to 1; None for a captioner without attention."""
    maps = caption.attention
    if maps is None or len(maps) != len(caption.tokens):
        return None
    return [{"word": word, "map": _rounded(of.tolist())} for word, of in zip(caption.tokens, maps, strict=True)]


def explained(found: Explanation) -> dict[str, Any]:
    """An explanation in JSON values: how far probabilities drop without each word and each cell of the image."""
    category, prediction = found.category, found.prediction
    words = [
        {
            "word": word.text,
            "positions": list(word.positions),
            "drop": round(float(drop), _DIGITS),
            "region": None if word.region is None else _region(word.region, prediction, category),
        }
        for word, drop in zip(found.words, found.word_drops(category), strict=True)
    ]
    return {
        "category": category,
        "weight": found.weight,
        "image_probability": round(probability(prediction, category, "image"), _DIGITS),
        "text_probability": round(probability(prediction, category, "text"), _DIGITS),
        "words": words,
        "cells": _rounded(found.cell_drops(category).tolist()),
    }


def _region(region: Region, prediction: Prediction, category: str) -> dict[str, Any]:
    return {
        "cells": region.cells.astype(int).tolist(),
        "drop": round(region.drop(prediction, category, "joint"), _DIGITS),
        "drop_elsewhere": round(region.drop_elsewhere(prediction, category, "joint"), _DIGITS),
        "caption": region.removed.caption.text,
    }


def _rounded(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[round(value, _DIGITS) for value in row] for row in rows]
