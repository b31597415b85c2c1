"""Whether a model can be had is known before what runs it is imported."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("huggingface_hub")

from imagist import registry
from imagist.bundle import hub
from imagist.captioning import published
from imagist.captioning.loading import open_captioner
from imagist.errors import BundleNotFound
from imagist.matching.opening import open_matcher


@pytest.fixture
def unreachable(monkeypatch):
    asked = []
    monkeypatch.setattr(hub, "answers", lambda: bool(asked.append(1)))
    monkeypatch.setattr(registry, "find", lambda *_: pytest.fail("it would be imported"))
    return asked


@pytest.mark.parametrize(("kind", "model"), [("blip", None), ("git", "git-large-coco"), ("vlm", "some/model#preset")])
def test_a_captioner_that_cannot_be_had_is_not_imported(unreachable, kind, model):
    with pytest.raises(BundleNotFound, match="hub cannot be reached and no copy is on disk"):
        open_captioner(model, kind=kind)
    assert unreachable == [1]


def test_a_matcher_that_cannot_be_had_is_not_imported(unreachable):
    with pytest.raises(BundleNotFound, match="hub cannot be reached and no copy is on disk"):
        open_matcher("openai/nothing", kind="clip")


def test_where_its_name_on_the_hub_is_not_known_any_copy_will_do(unreachable, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BundleNotFound, match="hub cannot be reached and no copy is on disk"):
        open_matcher("ViT-B-32/laion2b_s34b_b79k", kind="open_clip")
    assert unreachable == [1]
    (tmp_path / "hub/models--some--model").mkdir(parents=True)
    (tmp_path / "hub/models--some--model/refs").touch()
    hub.check_any("ViT-B-32/laion2b_s34b_b79k", "~/.cache/clip")
    assert unreachable == [1]


@pytest.mark.parametrize("model", [".", "no/such/folder", "https://example.org/model", ""])
def test_the_hub_is_not_asked_for_what_is_no_name_on_it(unreachable, model):
    hub.check(model)
    published.check("recorded", "a/b")
    assert not unreachable


def test_a_copy_on_disk_and_a_hub_that_answers_are_fine(unreachable, monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: "a/config.json")
    hub.check("some/model")
    assert not unreachable
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub, "answers", lambda: True)
    hub.check("some/model")
