"""GIT beyond what all pretrained captioners do (tests/captioning/pretrained)."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.backends import git
from imagist.captioning.options import CaptionOptions

pytestmark = pytest.mark.torch


def test_it_starts_and_ends_as_bert_does(tmp_path):
    captioner = git.load(str(tiny_checkpoints.git(tmp_path / "git")), CaptionOptions(), prompt="two dog")
    tokenizer, start = captioner._checkpoint.tokenizer, captioner._generator._start
    assert tokenizer.decode(start.input_ids) == "[CLS] two dog"
    assert start.ends == [tokenizer.sep_token_id]


def test_the_short_name_is_that_of_clip_interrogator():
    assert git.MODELS == {"git-large-coco": "microsoft/git-large-coco"}
