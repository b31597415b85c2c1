"""GIT beyond what all pretrained captioners do (tests/pretrained)."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.backends import git
from imagist.captioning.options import CaptionOptions

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    folder = tiny_checkpoints.git(tmp_path_factory.mktemp("tiny") / "git")
    return git.from_model(str(folder), CaptionOptions())


def test_it_starts_and_ends_as_bert_does(captioner):
    tokenizer = captioner._checkpoint.tokenizer
    assert captioner._vocabulary.start == tokenizer.cls_token_id
    assert captioner._vocabulary.ends == [tokenizer.sep_token_id]


def test_places_are_counted_from_the_first_word(captioner):
    """With the cache as without it: the image's tokens have no places among the words."""
    network, model = captioner._checkpoint.model, captioner._model
    pixels, words = torch.randn(2, 3, 32, 32), torch.tensor([[7, 9, 12], [8, 30, 6]])
    with torch.inference_mode():
        sight = model.look(pixels)
        step_by_step = [sight.logits, *(model.say(words[:, t : t + 1], sight.cache, None) for t in range(3))]
        start = torch.full((2, 1), captioner._vocabulary.start)
        at_once = network(input_ids=torch.cat([start, words], 1), pixel_values=pixels).logits[:, -4:]
    torch.testing.assert_close(torch.stack(step_by_step, 1), at_once, atol=1e-4, rtol=1e-4)


def test_the_short_name_is_that_of_clip_interrogator():
    assert git.MODELS == {"git-large-coco": "microsoft/git-large-coco"}
