"""The parts of a system of a study, by the system's name in the report: all that is needed to fit it again."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from imagist.errors import UsageError
from imagist.study.config import CaptionerChoice, FusionKind, ImageChoice, TextChoice
from imagist.study.jobs import located
from imagist.study.results import System
from imagist.study.run import StudyResult


@dataclass(frozen=True)
class SystemParts:
    """The settings of a system.

    Attributes:
        captioner: None for images alone.
        text: None for images alone.
        image: None for text alone; the path of its taxonomy, where it has one, is resolved.
        fusion: Kind of the fusion (of the teacher, where distilled); None for single classifiers.
        distilled: Whether the image classifier is a student of the fusion.
    """

    captioner: CaptionerChoice | None
    text: TextChoice | None
    image: ImageChoice | None
    fusion: FusionKind | None
    distilled: bool = False


def system_named(result: StudyResult, name: str) -> System:
    """The system of a name, as tables and figures show it.

    Raises:
        UsageError: No system has that name; the message lists those that are similar, or all.
    """
    names = {each.system.name: each.system for each in result.systems}
    if name not in names:
        similar = get_close_matches(name, names, n=5, cutoff=0.5) or [*names]
        raise UsageError("the study has no such system", item=name, remedy=f"choose one of: {'; '.join(similar)}")
    return names[name]


def parts_of(result: StudyResult, system: System) -> SystemParts:
    """The settings of a system of this study."""
    study = result.study
    captioner = next((each for each in study.captioners if each.name == system.captioner), None)
    text = next((each for each in study.text_classifiers if each.name == system.text), None)
    image = next((located(each, result.paths) for each in study.image_classifiers if each.name == system.image), None)
    fusion: FusionKind | None = next((kind for kind in study.fusion.kinds if kind == system.fusion), None)
    return SystemParts(captioner, text, image, fusion, system.kind == "distilled")
