"""Model folders: what is believed, what is refused, what ships."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from imagist.bundle import CARD, SHIPPED, list_bundles, open_bundle
from imagist.errors import BundleError, BundleNotFound, BundleTampered


@pytest.fixture
def folder(tmp_path):
    """A bundle of one word list."""
    words = b"<end>\n<start>\ncaf\xc3\xa9\n"
    (tmp_path / "words.txt").write_bytes(words)
    card = f'name = "small"\ndescription = "words"\n[files]\n"words.txt" = "{hashlib.sha256(words).hexdigest()}"\n'
    (tmp_path / CARD).write_text(card, "utf-8")
    return tmp_path


def test_a_folder_is_opened(folder):
    bundle = open_bundle(folder)
    assert (bundle.name, bundle.description, bundle.folder) == ("small", "words", folder)
    assert bundle.size == (folder / "words.txt").stat().st_size
    assert bundle.lines("words.txt") == ("<end>", "<start>", "café")
    assert open_bundle(str(folder)).read("words.txt") == (folder / "words.txt").read_bytes()


def test_a_changed_file_is_refused_by_name(folder):
    (folder / "words.txt").write_bytes(b"<end>\n")
    with pytest.raises(BundleTampered) as caught:
        open_bundle(folder).read("words.txt")
    assert caught.value.item == str(folder / "words.txt")
    assert caught.value.remedy


def test_a_missing_file_is_refused_by_name(folder):
    (folder / "words.txt").unlink()
    with pytest.raises(BundleError) as caught:
        open_bundle(folder).read("words.txt")
    assert caught.value.item == str(folder / "words.txt")
    assert type(caught.value) is BundleError


def test_a_file_that_the_card_does_not_name_is_not_read(folder):
    (folder / "extra.txt").write_text("x")
    with pytest.raises(BundleError, match=r"does not name extra\.txt"):
        open_bundle(folder).read("extra.txt")


def test_a_graph_that_is_none_is_refused_by_name(folder):
    with pytest.raises(BundleError, match=r"words\.txt: onnxruntime refuses it"):
        open_bundle(folder).session("words.txt")


def test_a_changed_graph_is_refused_before_it_runs(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(SHIPPED / "embedded", copy)
    content = bytearray((copy / "text-classifier.onnx").read_bytes())
    content[-1] ^= 1
    (copy / "text-classifier.onnx").write_bytes(content)
    with pytest.raises(BundleTampered, match=r"texts\.onnx"):
        open_bundle(copy).session("text-classifier.onnx")


@pytest.mark.parametrize("name", ["nothing", "", "embedded/nothing", "/nowhere"])
def test_an_unknown_name_lists_what_ships(name):
    with pytest.raises(BundleNotFound, match=r"shipped: .*embedded"):
        open_bundle(name)


@pytest.mark.parametrize(
    "card",
    [b"name = ", b"\xff\xfe", b"", b'name = "x"', b"[files]", b"name = 3\n[files]", b'name = "x"\nfiles = "y"'],
)
def test_a_broken_card_is_a_bundle_error(tmp_path, card):
    (tmp_path / CARD).write_bytes(card)
    with pytest.raises(BundleError, match=r"card\.toml: the card cannot be understood"):
        open_bundle(tmp_path)


def test_what_a_card_lacks_is_the_model_s_fault(folder):
    with (folder / CARD).open("a") as card:
        card.write("[captioner]\n")
    bundle = open_bundle(folder)
    for look in (lambda: bundle.card["texts"], lambda: bundle.card["captioner"]["kind"]):
        with pytest.raises(BundleError, match=r"lacks '(texts|kind)'"):
            look()


def test_the_version_changes_with_any_file(folder):
    before = open_bundle(folder).version
    assert before == open_bundle(folder).version
    assert len(before) == 8
    card = (folder / CARD).read_text()
    (folder / CARD).write_text(card + f'"more.txt" = "{64 * "0"}"\n')
    assert open_bundle(folder).version != before


def test_shipped_models_are_listed_by_name():
    bundles = list(list_bundles())
    assert "embedded" in [bundle.name for bundle in bundles]
    for bundle in bundles:
        assert open_bundle(bundle.name).folder == bundle.folder
        assert bundle.description


@pytest.mark.parametrize("bundle", [*list_bundles()], ids=lambda bundle: bundle.name)
class TestShipped:
    def test_it_is_small(self, bundle):
        assert sum(file.stat().st_size for file in bundle.folder.iterdir()) <= 24e6

    def test_it_holds_nothing_that_could_run_code(self, bundle):
        assert {file.suffix for file in bundle.folder.iterdir()} <= {".onnx", ".txt", ".toml", ".md"}

    def test_every_file_is_as_its_card_says(self, bundle):
        for name in bundle.card["files"]:
            assert bundle.read(name)
        on_disk = {file.name for file in bundle.folder.iterdir() if file.suffix in {".onnx", ".txt"}}
        assert on_disk == {*bundle.card["files"]}

    def test_its_words_begin_with_the_special_ones(self, bundle):
        words = bundle.lines("vocabulary.txt")
        assert words[:3] == ("<end>", "<start>", "<unknown>")
        assert len({*words}) == len(words)
        assert all(words)
