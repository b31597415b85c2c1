"""The models that are served, and for each the work that a request's options ask for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imagist.bundle import Bundle, is_bundle, open_bundle
from imagist.captioning.loading import card_decoding, card_threads, open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.classifiers.calibration import Temperature, TemperatureCalibration
from imagist.classifiers.fusion.scores import ScoreFusion
from imagist.classifiers.matched import resolved, zero_shot_parts
from imagist.classifiers.taxonomy import built_in, built_in_names, identity
from imagist.errors import UnknownName, UsageError
from imagist.matching.prompts import read_labels
from imagist.pipeline import Pipeline
from imagist.protocols import Captioner, PartOptions
from imagist.records import Photo
from imagist.serving import options as asked
from imagist.serving.batching import Work

if TYPE_CHECKING:
    from imagist.captioning.interrogation.interrogator import Interrogator
    from imagist.matching.phrases import PhraseTables

DESCRIBED_BEAM = asked.MOST_NBEST
"""Hypotheses of a captioner that describes: descriptions are made of all of them."""
KEPT = 64
"""Variants of a pipeline that are kept, such as one for each list of labels."""
MATCHER_REMEDY = "choose another model, or start the service with --matcher"
_DESCRIBED_AT_ONCE = 4


@dataclass(eq=False)
class ServedModel:
    """A model under a name.

    Attributes:
        name: By which requests choose it.
        pipeline: Classifies, and captions; None where the model has no classifiers.
        describer: Opens the captioner of a language that returns `DESCRIBED_BEAM` hypotheses; None is its own language.
        languages: Of the captions; the first is its own.
        taxonomies: Built-in taxonomies that fit the labels of its classifiers.
        bundle: The model folder; None where the pipeline is from elsewhere.
        concurrency: Batches that it takes at a time.
        tables: The phrases of interrogations; None is those that ship.
    """

    name: str
    pipeline: Pipeline | None
    describer: Callable[[str | None], Captioner]
    languages: tuple[str, ...] = ("en",)
    taxonomies: tuple[str, ...] = ()
    bundle: Bundle | None = None
    concurrency: int = 1
    tables: PhraseTables | None = None
    _kept: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def classify(self, options: asked.Classify, batch_size: int) -> Work:
        """Predictions with captions."""
        pipeline, key = self.classifier(options)
        if options.nbest > 1:
            pipeline = replace(pipeline, captioner=self._describer(None))
        about = {"fusion": _fusion(pipeline)}
        return Work(("classify", self.name, key, options.nbest > 1), pipeline.predict, batch_size, about=about)

    def caption(self, options: asked.Caption, batch_size: int) -> Work:
        """Captions."""
        language = self._language(options.language)
        plain = options.nbest == 1 and language is None
        captioner = self.pipeline.captioner if plain and self.pipeline else self._describer(language)
        return Work(("caption", self.name, language, plain), captioner.caption, batch_size)

    def describe(self, options: asked.Describe, batch_size: int) -> Work:
        """Descriptions, of the image or of a region."""
        from imagist.captioning.description import describe_all

        language = self._language(options.language)
        captioner, detail, region = self._describer(language), options.detail, options.region
        matcher = self.pipeline.matcher if self.pipeline else None

        def call(photos: Sequence[Photo]) -> Sequence[Any]:
            how: dict[str, Any] = {"detail": detail, "region": region, "batch_size": max(8, batch_size)}
            return describe_all(captioner, photos, matcher=matcher, **how)

        at_once = min(batch_size, _DESCRIBED_AT_ONCE if detail > 1 else batch_size)
        return Work(("describe", self.name, language, detail, region), call, at_once, heavy=detail > 1)

    def interrogate(self, options: asked.Interrogate, batch_size: int) -> Work:
        """Captions with the phrases that fit."""
        key = ("interrogate", self.name, options.mode, options.max_phrases, options.diversity)
        interrogator: Interrogator = self._keep(key, lambda: self._interrogator(options))
        heavy = options.mode in ("best", "negative")
        return Work(key, interrogator.interrogate, min(batch_size, 4 if heavy else batch_size), heavy=heavy)

    def explain(self, options: asked.Explain, batch_size: int) -> Work:
        """Explanations; one image is many masked copies."""
        from imagist.explanation import ExplainOptions, explain

        pipeline, key = self.classifier(options)
        chosen = ExplainOptions(grid=options.grid, batch_size=max(8, batch_size))

        def call(photos: Sequence[Photo]) -> Sequence[Any]:
            return explain(pipeline, photos, chosen)

        about = {"fusion": _fusion(pipeline)}
        return Work(("explain", self.name, key, options.grid), call, 1, heavy=True, about=about)

    def facts(self) -> dict[str, object]:
        """What clients may know of it: JSON values."""
        own = self.pipeline
        return {
            "name": self.name,
            "description": self.bundle.description if self.bundle else "",
            "id": own.id if own else self._describer(None).id,
            "labels": list(own.labels) if own else [],
            "taxonomies": list(self.taxonomies),
            "languages": list(self.languages),
            "zero_shot": own is not None and own.matcher is not None,
            "fusion": _fusion(own) if own else None,
        }

    def classifier(self, options: asked.Classifying) -> tuple[Pipeline, Hashable]:
        """The pipeline for the categories and the weight asked for, and what tells it from others."""
        if self.pipeline is None:
            raise UsageError(
                "this model has no classifiers", item=self.name, remedy="ask for captions, or another model"
            )
        own = self.pipeline
        key = (options.taxonomy, options.labels, options.weight)
        if key == (None, None, None):
            return own, key
        if options.taxonomy is not None and options.taxonomy not in self.taxonomies:
            there = ", ".join(self.taxonomies) or "this model has none"
            raise UnknownName("no taxonomy of that name", item="taxonomy", remedy=there)
        if options.taxonomy is not None and options.labels is not None:
            raise UsageError("a taxonomy and labels exclude each other", item="labels")
        made: Pipeline = self._keep(("classifier", key), lambda: self._variant(own, options))
        return made, key

    def _variant(self, own: Pipeline, options: asked.Classifying) -> Pipeline:
        if options.labels is not None:
            own = _labelled(own, options.labels)
        elif options.taxonomy is not None:
            own = self._categorised(own, options.taxonomy, options.weight)
        return own if options.weight is None else weighted(own, options.weight)

    def _categorised(self, own: Pipeline, name: str, weight: float | None) -> Pipeline:
        """The pipeline over a taxonomy, with the fusion and the temperatures that its model has for it."""
        labels = own.text_classifier.labels
        made = replace(own, taxonomy=resolved(built_in(name), labels))
        if self.bundle is None or not isinstance(own.fusion, ScoreFusion):
            return made
        fusion = self.bundle.part("fusion").load("fusions", PartOptions(taxonomy=name, weight=weight))
        at = PartOptions(taxonomy=name, weight=getattr(fusion, "weight", weight))
        return replace(made, fusion=fusion, calibration=self.bundle.part("calibration").load("calibrations", at))

    def _interrogator(self, options: asked.Interrogate) -> Interrogator:
        """Raises UsageError where the model has no matcher."""
        from imagist.captioning.interrogation.interrogator import Interrogator
        from imagist.captioning.interrogation.settings import InterrogationSettings
        from imagist.matching.phrases import open_tables

        if self.pipeline is None or self.pipeline.matcher is None:
            raise UsageError("this model has no matcher, which phrases need", item=self.name, remedy=MATCHER_REMEDY)
        tables = self.tables or self._keep("tables", open_tables)
        settings = InterrogationSettings(options.mode, options.max_phrases, diversity=options.diversity)
        return Interrogator(self.pipeline.captioner, self.pipeline.matcher, tables, settings)

    def _language(self, language: str | None) -> str | None:
        """The language; None where it is the model's own.

        Raises:
            UsageError: The model does not write it.
        """
        if language is None or language == self.languages[0]:
            return None
        if language not in self.languages:
            raise UsageError(
                f"{self.name} does not write {language!r}",
                item="language",
                remedy=f"one of {', '.join(self.languages)}",
            )
        return language

    def _describer(self, language: str | None) -> Captioner:
        made: Captioner = self._keep(("describer", language), lambda: self.describer(language))
        return made

    def _keep(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for a key, the least recently used of which are forgotten."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


def _fusion(pipeline: Pipeline) -> dict[str, object]:
    """How the two classifiers are fused.

    Its ``weight`` is None where it is no weighted mean; its ``temperatures`` are those of the fused probabilities at
    weights that are spread evenly over 0 to 1.
    """
    fusion, calibration = pipeline.fusion, pipeline.calibration
    temperatures = [1.0]
    if isinstance(calibration, TemperatureCalibration):
        temperatures = list(calibration.by_weight) or [calibration.of_fused.value]
    weight = fusion.weight if isinstance(fusion, ScoreFusion) else None
    return {"kind": fusion.id.partition("(")[0], "weight": weight, "temperatures": temperatures}


def _labelled(own: Pipeline, labels: Sequence[str]) -> Pipeline:
    """The pipeline over categories by their names.

    Raises:
        UsageError: It has no matcher, or a name is empty or there twice.
    """
    if own.matcher is None:
        raise UsageError(
            "this model has no matcher, which categories by their names need",
            item="labels",
            remedy=MATCHER_REMEDY,
        )
    parts = zero_shot_parts(own.matcher, read_labels([label.strip() for label in labels]))
    return replace(own, taxonomy=identity(parts["text_classifier"].labels), **parts)


def weighted(own: Pipeline, weight: float) -> Pipeline:
    """The pipeline with another weight of the text classifier, and the temperature for that.

    Raises:
        UsageError: Its fusion is not a weighted mean of probabilities.
    """
    if not isinstance(own.fusion, ScoreFusion):
        raise UsageError("the fusion of this model has no weight", item="weight", remedy="leave it out")
    calibration = own.calibration
    if isinstance(calibration, TemperatureCalibration) and len(calibration.by_weight) > 1:
        known = calibration.by_weight
        value = float(np.interp(weight, np.linspace(0, 1, len(known)), known))
        calibration = replace(calibration, of_fused=Temperature(value))
    return replace(own, fusion=ScoreFusion(weight), calibration=calibration)


def served(
    name: str,
    pipeline: Pipeline | None,
    model: str | Path,
    options: CaptionOptions | None = None,
    tables: PhraseTables | None = None,
) -> ServedModel:
    """A model as it is served.

    Args:
        name: By which requests choose it.
        pipeline: Of the model; None serves its captioner alone.
        model: Its name or folder, from which further captioners are opened.
        options: Of these captioners, but for their decoding and language.
        tables: The phrases of interrogations; None is those that ship.
    """
    bundle = open_bundle(model) if is_bundle(model) else None
    chosen = options or CaptionOptions()
    languages: tuple[str, ...] = ("en",)
    if bundle is not None and bundle.has("captioner"):
        languages = tuple(bundle.part("captioner").card.get("languages", {"en": 1}))

    def describer(language: str | None) -> Captioner:
        if bundle is None:
            if pipeline is None:
                raise UsageError("there is no such model", item=str(model))
            return pipeline.captioner
        folder = bundle.part("captioner")
        decoding = card_decoding(folder).returning(DESCRIBED_BEAM, DESCRIBED_BEAM)
        threads = card_threads(folder, chosen.threads)
        return open_captioner(folder.path, replace(chosen, decoding=decoding, language=language, threads=threads))

    concurrency = pipeline.concurrency if pipeline else chosen.threads
    return ServedModel(name, pipeline, describer, languages, _fitting(pipeline), bundle, concurrency, tables)


def _fitting(pipeline: Pipeline | None) -> tuple[str, ...]:
    """The built-in taxonomies over the labels of a pipeline's classifiers."""
    found: list[str] = []
    if pipeline is None:
        return ()
    for name in built_in_names():
        try:
            built_in(name).resolve(pipeline.text_classifier.labels)
        except UsageError:
            continue
        found.append(name)
    return tuple(found)


def chosen(models: Mapping[str, ServedModel], name: str | None) -> ServedModel:
    """The model that a request names, or the first.

    Raises:
        UnknownName: There is none of that name.
    """
    if name is None:
        return next(iter(models.values()))
    if name not in models:
        raise UnknownName("no model of that name is served", item="model", remedy=f"one of {', '.join(models)}")
    return models[name]
