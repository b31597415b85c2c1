"""Matchers by kind, by name and beside a part."""

from __future__ import annotations

import pytest

import sample_parts
from imagist.bundle import open_folder, open_part, write_bundle
from imagist.errors import BundleError, BundleNotFound, UnknownName
from imagist.images.encoder import Encoders
from imagist.matching.opening import Matchers, matcher_of, open_matcher
from imagist.protocols import PartOptions

pytestmark = pytest.mark.torch
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with a matcher, and classifiers over it."""
    folder = tmp_path_factory.mktemp("model")
    matcher = sample_parts.embedded_matcher(folder / "part")
    pipeline = sample_parts.matched_pipeline(matcher)
    return pipeline.save(folder / "model", "model").path


def test_a_matcher_is_opened_from_a_model_or_its_folder(model):
    assert open_matcher(model).id == open_matcher(model / "matcher").id
    assert open_matcher(model, kind="embedded").id == open_matcher(model).id


def test_what_is_no_matcher_is_refused(model, tmp_path):
    with pytest.raises(UnknownName, match="no matcher"):
        open_matcher(model, kind="glip")
    with pytest.raises(BundleError, match="no matcher"):
        open_matcher(write_bundle(tmp_path / "without", {"name": "without", "description": "x"}, {}).path)
    with pytest.raises(BundleNotFound):
        open_matcher(tmp_path)


def test_parts_of_a_model_share_its_matcher(model):
    options = PartOptions(encoders=Encoders(), matchers=Matchers())
    parts = [open_part(model, part) for part in ("text_classifier", "image_classifier")]
    one, other = (matcher_of(part, options) for part in parts)
    assert one is other
    assert matcher_of(parts[0], PartOptions()) is not one


def test_a_part_without_its_model_lacks_its_matcher(model, tmp_path):
    moved = tmp_path / "alone" / "text_classifier"
    open_part(model, "text_classifier")
    import shutil

    shutil.copytree(model / "text_classifier", moved)
    with pytest.raises(BundleError, match="its matcher is not there"):
        matcher_of(open_folder(moved), PartOptions())
