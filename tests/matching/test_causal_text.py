"""The text network without padding and with common beginnings once gives what the whole network gives."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.torch

GROUPS = {
    "different lengths": ["a cat", "a", "two red dogs and a cat", "", "dogs"],
    "one beginning": ["a cat, dog", "a cat, red dog", "a cat, red dogs", "a cat, a"],
    "one is the beginning of the others": ["a cat", "a cat and", "a cat and a dog"],
    "one text": ["a red cat"],
    "all equal": ["a cat"] * 3,
}


@pytest.fixture(scope="module")
def matcher(tmp_path_factory):
    pytest.importorskip("open_clip")
    import tiny_matchers
    from imagist.matching.backends.open_clip import load
    from imagist.protocols import PartOptions

    return load(str(tiny_matchers.open_clip(tmp_path_factory.mktemp("causal") / "tiny")), PartOptions())


@pytest.mark.parametrize("texts", GROUPS.values(), ids=GROUPS)
def test_it_gives_what_the_whole_network_gives(texts, matcher):
    import torch

    network, tokens = matcher._network, matcher._tokenizer(texts)
    with torch.inference_mode():
        expected = network.encode_text(tokens)
        found = matcher._causal(tokens, tokens.argmax(1))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_batches_are_of_about_the_same_length_and_keep_the_order(matcher, monkeypatch):
    from imagist.matching.backends import open_clip

    texts = ["a cat on a mat", "dog", "a", "two dogs and a cat", "dogs"] * 3
    expected = matcher.texts(texts)
    monkeypatch.setattr(open_clip, "_PLACES", 6)
    np.testing.assert_allclose(matcher.texts(texts), expected, atol=1e-5)


def test_places_in_common_are_computed_once():
    import torch

    from imagist.matching.causal_text import batches, common_places

    tokens = torch.tensor([[8, 1, 2, 9, 0], [8, 1, 3, 4, 9], [8, 1, 9, 0, 0]])
    ends = torch.tensor([3, 4, 2])
    assert common_places(tokens, ends) == 2
    assert common_places(tokens[:1], ends[:1]) == 0
    assert batches(tokens, ends, 4) == [[2, 0], [1]]
