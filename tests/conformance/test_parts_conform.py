"""Every part that imagist brings does what every part must do."""

from __future__ import annotations

import pytest

import sample_parts
from imagist import registry
from imagist.bundle import PARTS
from part_checks import check_part

NAMES = [
    pytest.param(kinds, name, id=f"{kinds} {name}", marks=[pytest.mark.torch] * (name in sample_parts.NEED_TORCH))
    for kinds in PARTS.values()
    for name in registry.BUILT_IN[kinds]
]


@pytest.fixture(scope="module")
def pipeline():
    return sample_parts.pipeline()


@pytest.fixture(scope="module")
def made(models_folder):
    """The parts of a name, made when they are first asked for."""
    known = {}

    def of(kinds, name):
        if name in sample_parts.NEED_TORCH:
            for module in ("torch", "transformers", "timm", "onnxscript"):
                pytest.importorskip(module)
            if name == "open_clip":
                pytest.importorskip("open_clip")
        if (kinds, name) not in known:
            known[kinds, name] = sample_parts.KINDS[kinds](models_folder)[name]()
        return known[kinds, name]

    return of


def test_each_kind_of_part_and_each_name_is_here(tmp_path):
    assert {*sample_parts.KINDS} == {*PARTS.values()}
    for kinds, of in sample_parts.KINDS.items():
        assert {*of(tmp_path)} == {*registry.BUILT_IN[kinds]}


@pytest.mark.parametrize(("kinds", "name"), NAMES)
def test_it_is_saved_and_opened_again_alone_and_in_a_model(kinds, name, made, pipeline, photos, tmp_path):
    check_part(kinds, name, made(kinds, name)[0], pipeline, photos[:4], tmp_path)


@pytest.mark.parametrize(("kinds", "name"), NAMES)
def test_its_id_changes_with_weights_and_settings(kinds, name, made, tmp_path):
    parts = made(kinds, name)
    assert len({part.id for part in parts}) == len(parts) > 1
