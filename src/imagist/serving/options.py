"""The options of each kind of request, validated; all faults in one problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from imagist.serving.problems import Problem

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MOST_LABELS = 100
MOST_NBEST = 5
MOST_PHRASES = 64
Labels = Annotated[tuple[Label, ...], Field(min_length=1, max_length=MOST_LABELS)]


def _parted(value: object, info: ValidationInfo) -> object:
    """Names parted by commas, or a list in JSON, as a form and a query give them; a value of a JSON body as it is."""
    if info.mode == "json" or not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return [part.strip() for part in value.split(",")]


class Options(BaseModel):
    """What every request may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(None, max_length=200, description="A model of `/v1/models`; by default the first.")
    timeout_s: float | None = Field(
        None, ge=1, allow_inf_nan=False, description="Seconds to wait for results, within the service's own limit."
    )


class Classifying(Options):
    """Categories, and how the two classifiers are fused."""

    taxonomy: str | None = Field(None, max_length=100, description="A built-in taxonomy, such as `social12`.")
    labels: Annotated[Labels, BeforeValidator(_parted)] | None = Field(
        None, description="Categories of your own by their names, without training; needs a model with a matcher."
    )
    weight: Fraction | None = Field(
        None, description="Of the text classifier: 0 image alone, 1 text alone; by default the model's own."
    )


class Classify(Classifying):
    """Options of `/v1/classify`."""

    abstain_below: Fraction = Field(0.0, description="Name no category where the highest probability is lower.")
    nbest: int = Field(1, ge=1, le=MOST_NBEST, description="Captions an image; more than 1 searches with 5 beams.")
    attention: bool = Field(False, description="Whether to return where the captioner attends to for each word.")


class Caption(Options):
    """Options of `/v1/caption`."""

    nbest: int = Field(1, ge=1, le=MOST_NBEST, description="Captions an image; more than 1 searches with 5 beams.")
    language: str | None = Field(None, max_length=20, description="Such as `de`; one of the model's `languages`.")
    attention: bool = Field(False, description="Whether to return where the captioner attends to for each word.")


class Describe(Options):
    """Options of `/v1/describe`."""

    detail: int = Field(
        1,
        ge=0,
        le=3,
        description="0 a few words, 1 a sentence, 2 a longer sentence, 3 a paragraph about several parts.",
    )
    region: Annotated[tuple[Fraction, Fraction, Fraction, Fraction], BeforeValidator(_parted)] | None = Field(
        None, description="Describe this part only: left, top, right, bottom, as fractions of width and height."
    )
    language: str | None = Field(None, max_length=20, description="Such as `de`; one of the model's `languages`.")


class Interrogate(Options):
    """Options of `/v1/interrogate`."""

    mode: Literal["fast", "best", "negative", "tags"] = Field(
        "fast",
        description="`fast`: the caption and the nearest phrases; `best`: one after the other, each that brings the "
        "text nearest to the image; `negative`: phrases far from the image; `tags`: phrases alone.",
    )
    max_phrases: int | None = Field(None, ge=1, le=MOST_PHRASES, description="Most phrases; by default the mode's.")
    diversity: Fraction = Field(0.0, description="Leave out phrases whose cosine with one before is over 1 less this.")


class Explain(Classifying):
    """Options of `/v1/explain`."""

    grid: int = Field(7, ge=1, le=10, description="Cells a side of the grid whose cells are hidden one by one.")


AnyOptions = TypeVar("AnyOptions", bound=Options)


def validated(kind: type[AnyOptions], texts: Mapping[str, str], values: Mapping[str, Any]) -> AnyOptions:
    """The options of a request.

    Args:
        kind: Which.
        texts: Those of a form or a query, by name.
        values: Those of a JSON body, by name; their types must be right. They go before the texts.

    Raises:
        Problem: 422 with all faults.
    """
    faults: list[dict[str, str]] = []
    found: list[AnyOptions] = []
    for by_value in (False, True):
        try:
            made = kind.model_validate_json(json.dumps(values), strict=True) if by_value else kind.model_validate(texts)
            found.append(made)
        except ValidationError as error:
            faults += [
                {"option": ".".join(map(str, each["loc"])), "message": each["msg"]}
                for each in error.errors(include_url=False, include_input=False, include_context=False)
            ]
    if faults:
        listed = "; ".join(f"{fault['option']}: {fault['message']}" for fault in faults)
        raise Problem(422, "invalid_options", listed, members={"faults": faults})
    first, second = found
    return first.model_copy(update={name: getattr(second, name) for name in second.model_fields_set})
