"""What captioners say of a study's images: once, from wherever the caption comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import study_cases as cases
from imagist.errors import ModelFailed
from imagist.study import captions
from imagist.study.captions import AT_ONCE, captions_of
from imagist.study.config import CaptionerChoice
from imagist.study.contents import Contents
from imagist.study.store import Store


class Talker:
    """Names each photo in its caption, and records how many photos each call had."""

    id = "talker"

    def __init__(self):
        self.calls, self.open = [], None

    def caption(self, photos):
        from imagist.records import Caption

        self.calls.append(len(photos))
        return [Caption(f"this is {photo.source}", -1.0) for photo in photos]

    def __enter__(self):
        self.open = True

    def __exit__(self, *error):
        self.open = False


@pytest.fixture
def images(monkeypatch):
    """Examples whose photos are made up."""
    from imagist.records import Photo

    data = cases.dataset(np.arange(2 * AT_ONCE + 3) % 3)
    pixels = np.zeros((2, 2, 3), np.uint8)
    monkeypatch.setattr(type(data), "photos", lambda self, rows: [Photo(pixels, f"{i}.png") for i in rows])
    return data


@pytest.fixture
def talker(monkeypatch):
    made = Talker()
    monkeypatch.setattr(captions, "open_captioner", lambda *given, **named: made)
    return made


def test_every_example_is_captioned_once_in_order_and_the_captioner_closed(images, talker, tmp_path):
    choice, paths = CaptionerChoice("x", "model"), cases.Colours(tmp_path).paths("f")
    store = Store(tmp_path / "store")
    found = captions_of(choice, images, store, paths, Contents())
    assert found == tuple(f"this is {i}.png" for i in range(2 * AT_ONCE + 3))
    assert talker.calls == [AT_ONCE, AT_ONCE, 3]
    assert talker.open is False
    assert captions_of(choice, images, Store(tmp_path / "store"), paths, Contents()) == found
    assert len(talker.calls) == 3
    talker.id = "another"
    captions_of(choice, images, store, paths, Contents())
    assert len(talker.calls) == 6


def test_the_search_and_the_kind_are_handed_on_and_only_records_are_not_cached(images, talker, tmp_path, monkeypatch):
    given = []

    def opened(model, options, **named):
        given.append((model, options.decoding.beam, named["kind"], named["cache"]))
        return talker

    monkeypatch.setattr(captions, "open_captioner", opened)
    paths, store = cases.Colours(tmp_path).paths(tmp_path / "f"), Store(tmp_path / "store")
    captions_of(CaptionerChoice("x", "m", "blip", beam=5), images, store, paths, Contents())
    captions_of(CaptionerChoice("x", "m.csv", "recorded"), images, store, paths, Contents())
    assert given == [("m", 5, "blip", tmp_path / "f" / "captions.sqlite"), ("m.csv", 3, "recorded", None)]


def test_a_recipe_is_trained_where_it_was_not_and_its_bundle_opened(images, talker, tmp_path, monkeypatch):
    trained, opened = [], []

    def train(recipe, data, folder, features):
        trained.append((recipe.name, data, features))
        folder.mkdir(parents=True)
        (folder / "measured.json").write_text("{}")

    monkeypatch.setattr("imagist.training.captioners.train.train", train)
    monkeypatch.setattr(captions, "open_captioner", lambda model, *given, **named: opened.append(model) or talker)
    (tmp_path / "r.toml").write_text('name = "small"\n[data]\ntrain = [{path = "a"}]\ndev = [{path = "b"}]\n')
    paths = cases.Colours(tmp_path).paths("f")
    for _ in range(2):
        captions_of(CaptionerChoice("x", recipe="r.toml"), images, Store(tmp_path / "store"), paths, Contents())
    assert trained == [("small", paths.data, paths.features)]
    assert opened == [str(paths.runs / "small" / "bundle")] * 2


def test_a_image_without_a_recorded_caption_is_named_and_nothing_kept(images, tmp_path):
    rows = [f"{i}.png,an image" for i in range(40)]
    (tmp_path / "c.csv").write_text("\n".join(["source,caption", *rows]) + "\n")
    choice, store = CaptionerChoice("x", str(tmp_path / "c.csv"), "recorded"), Store(tmp_path / "store")
    with pytest.raises(ModelFailed, match=r"40\.png: no caption"):
        captions_of(choice, images, store, cases.Colours(tmp_path).paths("f"), Contents())
    assert [*(tmp_path / "store").iterdir()] == []


def test_a_captioner_of_files_goes_by_what_they_hold_and_is_not_opened_for_what_it_has_captioned(
    images, tmp_path, monkeypatch
):
    opened = []

    class Reader(Talker):
        def caption(self, photos):
            return [replace(each, text=f"{each.text} {model.read_text()}") for each in super().caption(photos)]

    monkeypatch.setattr(captions, "open_captioner", lambda *given, **named: opened.append(given[1]) or Reader())
    model, paths = tmp_path / "bundle" / "card.toml", cases.Colours(tmp_path).paths("f")
    model.parent.mkdir()

    def captioned(content, **named):
        model.write_text(content)
        choice = CaptionerChoice("x", str(model.parent), **named)
        return captions_of(choice, images, Store(tmp_path / "store"), paths, Contents())[0]

    assert captioned("one") == captioned("one") == "this is 0.png one"
    assert len(opened) == 1
    assert captioned("two") == "this is 0.png two"
    assert captioned("two", beam=5) == "this is 0.png two"
    assert [each.decoding.beam for each in opened] == [3, 3, 5]
    assert captioned("one") == "this is 0.png one"
    assert len(opened) == 3


def test_records_go_by_names_where_images_are_of_equal_bytes(images, tmp_path):
    """Names change hands between images whose bytes are the same: the bytes in order are as they were."""
    rows = [f"{i}.png,image {i}" for i in range(len(images.examples))]
    (tmp_path / "c.csv").write_text("\n".join(["source,caption", *rows]) + "\n")
    choice, paths = CaptionerChoice("x", str(tmp_path / "c.csv"), "recorded"), cases.Colours(tmp_path).paths("f")
    store = Store(tmp_path / "store")
    first, second, *others = images.examples

    class Named(type(images)):
        def photos(self, rows):
            return [
                replace(photo, source=self.examples[i].image)
                for i, photo in zip(rows, super().photos(rows), strict=True)
            ]

    def captioned(*examples):
        fields = {name: getattr(images, name) for name in ("labels", "targets", "groups", "hashes", "digest")}
        return captions_of(choice, Named(examples=examples, **fields), store, paths, Contents())[:3]

    assert captioned(first, second, *others) == ("image 0", "image 1", "image 2")
    assert captioned(second, first, *others) == ("image 1", "image 0", "image 2")
