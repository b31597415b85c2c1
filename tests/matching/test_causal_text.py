"""The text network without padding and with common beginnings once gives what the whole network gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytestmark = pytest.mark.torch

GROUPS = {
    "different lengths": ["a cat", "a", "two red dogs and a cat", "", "dogs"],
    "one beginning": ["a cat, dog", "a cat, red dog", "a cat, red dogs", "a cat, a"],
    "one is the beginning of the others": ["a cat", "a cat and", "a cat and a dog"],
    "one text": ["a red cat"],
    "all equal": ["a cat"] * 3,
    "some begin alike": ["a red cat", "a dog", "a red dog", "a cat", "a red cat, a dog", "dog", "a red cat"],
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


@pytest.mark.parametrize("most", [1, 3, 6])
def test_the_size_of_trees_changes_nothing(most, matcher):
    import torch

    tokens = matcher._tokenizer([*GROUPS["different lengths"], *GROUPS["some begin alike"]])
    with torch.inference_mode():
        expected = matcher._causal(tokens, tokens.argmax(1))
        found = replace(matcher._causal, most=most)(tokens, tokens.argmax(1))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_texts_that_begin_alike_share_tokens():
    pytest.importorskip("torch")
    from imagist.matching.causal_text import trees

    rows = [1, 2, 9], [1, 3, 9], [4, 9], [1, 2, 9], [1, 2, 5, 9]
    (tree,) = trees(rows, 100)
    assert tree.texts == (4, 0, 3, 1, 2)
    assert tree.tokens.tolist() == [1, 2, 5, 9, 9, 3, 9, 4, 9]
    assert tree.places.tolist() == [0, 1, 2, 3, 2, 1, 2, 0, 1]
    assert tree.ends == (3, 4, 4, 6, 8)
    assert [np.flatnonzero(tree.sees[end]).tolist() for end in tree.ends] == [
        [0, 1, 2, 3], [0, 1, 4], [0, 1, 4], [0, 5, 6], [7, 8],
    ]  # fmt: skip
    assert [each.texts for each in trees(rows, 5)] == [(4, 0, 3), (1, 2)]
    assert [each.texts for each in trees(rows, 1)] == [(4,), (0, 3), (1,), (2,)]


def test_places_in_common_are_those_before_the_first_end():
    import torch

    from imagist.matching.causal_text import common_places

    tokens = torch.tensor([[8, 1, 2, 9, 0], [8, 1, 3, 4, 9], [8, 1, 9, 0, 0]])
    ends = torch.tensor([3, 4, 2])
    assert common_places(tokens, ends) == 2
    assert common_places(tokens[:1], ends[:1]) == 0


def test_the_last_layer_of_the_image_network_is_that_of_the_class_token_alone(matcher):
    import torch

    network = matcher._network
    pixels = torch.randn(3, 3, *network.visual.image_size)
    with torch.inference_mode():
        expected = network.encode_image(pixels)
        found = matcher._class_token(pixels)
    assert matcher._class_token != network.encode_image
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)
