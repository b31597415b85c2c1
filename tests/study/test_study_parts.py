"""The parts of a system, by the name that the report shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import study_cases as cases
from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.study.captions import Paths
from imagist.study.config import CaptionerChoice, Data, Fusions, ImageChoice, Study, TextChoice
from imagist.study.parts import parts_of, system_named
from imagist.study.results import System, SystemResult
from imagist.study.run import StudyResult
from imagist.training.classifiers.image import LabelMap, Linear, Pretrained
from imagist.training.classifiers.text import Tfidf

NETWORK = Pretrained("test_resnet")
SYSTEMS = {
    System("text", "sat", "bag"): 0.5,
    System("image", image="net"): 0.7,
    System("fused", "sat", "bag", "net", "logit"): 0.9,
    System("distilled", "sat", "bag", "net", "logit"): 0.8,
    System("image", image="map"): 0.9,
}


@pytest.fixture
def result(tmp_path):
    (tmp_path / "own.toml").write_text("")
    study = Study(
        "x", Data(()), captioners=(CaptionerChoice("sat", "m"), CaptionerChoice("other", "o", beam=5)),
        text_classifiers=(TextChoice("bag", Tfidf()), TextChoice("bag2", Tfidf(penalty=0.5))),
        image_classifiers=(
            ImageChoice("net", Linear(NETWORK)), ImageChoice("map", LabelMap("own.toml", network=NETWORK)),
        ),
        fusion=Fusions(("logit", "score")),
    )  # fmt: skip
    systems = tuple(
        SystemResult(system, (), (), None, None, Interval(accuracy, 0, 1)) for system, accuracy in SYSTEMS.items()
    )
    paths = Paths(Path("data"), tmp_path / "study.toml", tmp_path / "out")
    return StudyResult(study, paths, cases.dataset([0, 1]), (), {}, systems, {}, (), (), (), (), (), {})


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_system_is_found_by_its_name_in_the_report(result, system):
    assert system_named(result, system.name) == system


def test_an_unknown_name_lists_similar_ones_or_all(result):
    with pytest.raises(UsageError, match=r"sat > bag \+ net \(score\).*choose one of: .*sat > bag \+ net \(logit\)"):
        system_named(result, "sat > bag + net (score)")
    with pytest.raises(UsageError, match="choose one of: sat > bag; net; "):
        system_named(result, "?")


def test_the_best_system_is_the_first_of_the_most_accurate(result):
    assert result.best.system.name == "sat > bag + net (logit)"


def test_a_fused_system_has_all_parts(result):
    parts = parts_of(result, system_named(result, "sat > bag + net (logit)"))
    study = result.study
    assert parts.captioner == study.captioners[0]
    assert parts.text == study.text_classifiers[0]
    assert parts.image == study.image_classifiers[0]
    assert (parts.fusion, parts.distilled) == ("logit", False)
    student = parts_of(result, system_named(result, "net distilled from sat > bag (logit)"))
    assert student == replace(parts, distilled=True)


def test_a_single_classifier_has_its_own_parts_alone(result):
    text = parts_of(result, system_named(result, "sat > bag"))
    assert (text.captioner.name, text.text.name, text.image, text.fusion) == ("sat", "bag", None, None)
    image = parts_of(result, system_named(result, "net"))
    assert (image.captioner, image.text, image.image.name, image.fusion) == (None, None, "net", None)


def test_a_taxonomy_of_the_study_is_resolved(result, tmp_path):
    assert parts_of(result, system_named(result, "map")).image.settings.taxonomy == str(tmp_path / "own.toml")
