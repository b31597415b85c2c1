"""What every matcher must do."""

from __future__ import annotations

import numpy as np
import pytest

import sample_parts
from imagist import registry
from imagist.errors import SettingError, UsageError
from imagist.protocols import Matcher, PartOptions

pytestmark = pytest.mark.torch

CLIP_KINDS = ("clip", "siglip", "siglip2", "altclip", "chinese_clip")
KINDS = ("embedded", "embedded-crops", "open_clip", *(f"clip-{kind}" for kind in CLIP_KINDS))
TEXTS = ["a cat is in the street", "A CAT is in the street", "a red dog", "", "xyzzy", "!!", "ein Hund"]
LONG = "a red dog in the street of the white cat. " * 5


@pytest.fixture(scope="module", params=KINDS)
def make(request, tmp_path_factory):
    """Opens the matcher anew, with settings."""
    for module in ("torch", "transformers", "onnx"):
        pytest.importorskip(module)
    name, _, kind = request.param.partition("-")
    if name == "open_clip":
        pytest.importorskip("open_clip")
    import tiny_matchers

    folder = tmp_path_factory.mktemp("matcher") / "model"
    if name == "embedded":
        return lambda **settings: sample_parts.embedded_matcher(folder, views=kind or "square", **settings)
    getattr(tiny_matchers, name)(folder, *[kind] * bool(kind))
    return lambda **settings: registry.find("matchers", name)(str(folder), PartOptions(**settings))


@pytest.fixture(scope="module")
def matcher(make):
    return make()


@pytest.fixture(scope="module", params=["images", "texts"])
def side(request, photos):
    """The name of the method, and what it embeds."""
    return request.param, photos[:8] if request.param == "images" else TEXTS


@pytest.fixture(scope="module")
def embedded(matcher, side):
    return getattr(matcher, side[0])(side[1])


def test_it_follows_its_protocol(matcher):
    assert isinstance(matcher, Matcher)
    assert matcher.scale > 0
    assert matcher.concurrent in (True, False)


def test_rows_are_one_long_and_both_sides_are_of_one_space(matcher, photos, embedded, side):
    assert embedded.dtype == np.float32
    assert len(embedded) == len(side[1])
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    assert matcher.images(photos[:1]).shape[1] == matcher.texts(["a"]).shape[1] == embedded.shape[1]


def test_an_empty_batch_gives_no_rows(matcher, side, embedded):
    empty = getattr(matcher, side[0])([])
    assert empty.shape == (0, embedded.shape[1])
    assert empty.dtype == np.float32


def test_items_are_independent_of_their_batch_and_order(make, side, embedded):
    name, items = side
    alone = make()
    for item, row in zip(items, embedded, strict=True):
        np.testing.assert_allclose(getattr(alone, name)([item])[0], row, atol=1e-5)
    order = np.random.default_rng(2).permutation(len(items))
    np.testing.assert_allclose(getattr(make(), name)([items[i] for i in order]), embedded[order], atol=1e-5)


def test_it_repeats_itself_exactly_and_tells_items_apart(matcher, side, embedded):
    np.testing.assert_array_equal(getattr(matcher, side[0])(side[1]), embedded)
    assert np.ptp(embedded, axis=0).max() > 0.01


def test_the_end_of_a_long_text_counts(matcher):
    one, other = matcher.texts([LONG + "a cat", LONG + "street of red street"])
    assert not np.allclose(one, other, atol=1e-4)


def test_a_long_text_is_the_mean_of_its_windows(matcher):
    from imagist.matching.long_texts import windows

    count, limit = matcher.token_count, matcher.max_tokens
    parts = windows(LONG, count, limit)
    assert len(parts) > 1
    assert max(map(count, parts)) <= limit
    mean = matcher.texts(parts).mean(0)
    np.testing.assert_allclose(matcher.texts([LONG])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_a_long_text_is_refused_where_that_is_asked_for(make, matcher):
    strict = make(long_texts="refuse")
    np.testing.assert_array_equal(strict.texts(TEXTS[2:]), matcher.texts(TEXTS[2:]))
    with pytest.raises(UsageError, match=r"has \d+ tokens, and the matcher reads \d+"):
        strict.texts(["a cat", LONG])
    with pytest.raises(SettingError, match="window, refuse"):
        make(long_texts="cut")
