"""The embedded matcher: what its networks are given, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import sample_parts
import space_models
from imagist.arrays import unit
from imagist.bundle import SHIPPED, open_folder
from imagist.errors import BundleError, BundleTampered, SettingError
from imagist.images.encoder import Encoder
from imagist.matching.backends.embedded import EmbeddedMatcher

pytestmark = pytest.mark.torch
pytest.importorskip("onnx")


class Recognising(Encoder):
    """An encoder with a class head of one's own."""

    has_classes = True

    def classes(self, grids):
        rows = np.zeros((len(grids), 1000), np.float32)
        rows[np.arange(len(grids)), grids.sum((1, 2)).astype(int) % 1000] = 1
        return rows


def encoder(kind=Encoder, views="square"):
    return kind(open_folder(SHIPPED / "embedded" / "encoder"), views=views)


def matrices(folder):
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(folder / "image.onnx").graph
    return {each.name: numpy_helper.to_array(each) for each in graph.initializer}


def test_an_image_is_the_mean_of_its_views_by_grid_and_classes(tmp_path, photos):
    import tiny_matchers

    folder = tiny_matchers.embedded(tmp_path / "matcher", classes=True)
    seen = encoder(Recognising, "crops")
    found = EmbeddedMatcher(open_folder(folder), seen).images(photos[3:6])
    known = matrices(folder)
    for photo, row in zip(photos[3:6], found, strict=True):
        (views,) = seen.grids([photo])
        each = unit(views.mean(1) @ known["W"] + seen.classes(views) @ known["K"])
        np.testing.assert_allclose(row, unit(each.mean(0)), atol=1e-5)


def test_a_network_over_classes_needs_an_encoder_that_has_them(tmp_path, photos):
    import tiny_matchers

    folder = tiny_matchers.embedded(tmp_path / "matcher", classes=True)
    space_models.plain_encoder(tmp_path / "plain")
    with pytest.raises(BundleError, match="class head"):
        EmbeddedMatcher(open_folder(folder), Encoder(open_folder(tmp_path / "plain"))).images(photos[:1])


def test_the_id_changes_with_the_encoder_s_views_and_the_card(tmp_path):
    matchers = [sample_parts.embedded_matcher(tmp_path / "a"), sample_parts.embedded_matcher(tmp_path / "b", 1)]
    matchers += [sample_parts.embedded_matcher(tmp_path / "c", views="letterbox")]
    matchers += [sample_parts.embedded_matcher(tmp_path / "d", zero_shot={"weight": 0.5})]
    assert len({matcher.id for matcher in matchers}) == len(matchers)
    assert matchers[3].zero_shot.weight == 0.5


def test_case_accents_and_unknown_words_are_read_as_bert_reads_them(tmp_path):
    matcher = sample_parts.embedded_matcher(tmp_path / "a")
    np.testing.assert_array_equal(matcher.texts(["A CÁT."]), matcher.texts(["a cat ."]))
    np.testing.assert_array_equal(matcher.texts([""]), matcher.texts(["¿"]))
    assert matcher.token_count("cats in the streets, 東") == 8


def test_damage_is_named(tmp_path):
    import tiny_matchers

    folder = tiny_matchers.embedded(tmp_path / "a")
    text = (folder / "card.toml").read_text("utf-8")
    (folder / "card.toml").write_text(text.replace("scale", "other"), "utf-8")
    with pytest.raises(BundleError, match="lacks 'scale'"):
        EmbeddedMatcher(open_folder(folder), encoder())
    folder = tiny_matchers.embedded(tmp_path / "b")
    (folder / "text.onnx").write_bytes(b"other")
    with pytest.raises(BundleTampered):
        EmbeddedMatcher(open_folder(folder), encoder()).texts(["a"])
    with pytest.raises(SettingError):
        EmbeddedMatcher(open_folder(folder), encoder(), long_texts="cut")
    wrong = tiny_matchers.embedded(tmp_path / "c", files={"vocabulary__txt": b"a\nb\n"})
    with pytest.raises(BundleError, match="PAD"):
        EmbeddedMatcher(open_folder(wrong), encoder()).texts(["a"])
