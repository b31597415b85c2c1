"""Model folders and the folders of their parts: what is opened, what is refused, what ships."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from imagist.bundle import (
    CARD,
    MODEL_CARD,
    SHIPPED,
    add_part,
    copy_part,
    fingerprint,
    hashes,
    is_bundle,
    list_bundles,
    npz,
    open_bundle,
    open_folder,
    open_part,
    write_bundle,
    write_part,
)
from imagist.errors import BundleError, BundleNotFound, BundleTampered

WORDS = b"<end>\n<start>\ncaf\xc3\xa9\n"


@pytest.fixture
def folder(tmp_path):
    """A part of one word list."""
    write_part(tmp_path / "part", "words", {"settings": {"size": 3}}, words__txt=WORDS)
    return tmp_path / "part"


@pytest.fixture
def model(tmp_path):
    """A model of two parts."""
    parts = {
        "fusion": lambda path: write_part(path, "score", {"weight": 0.5}),
        "captioner": lambda path: write_part(path, "words", words__txt=WORDS),
    }
    return write_bundle(tmp_path / "small", {"name": "small", "description": "words"}, parts)


class TestParts:
    def test_a_folder_is_opened(self, folder):
        part = open_folder(folder)
        assert (part.path, part.kind, part.card["settings"]["size"]) == (folder, "words", 3)
        assert part.lines("words.txt") == ("<end>", "<start>", "café")
        assert open_folder(str(folder)).read("words.txt") == WORDS
        assert part.checked() == folder

    def test_files_may_lie_in_folders_and_be_written_by_a_function(self, tmp_path):
        def fill(path):
            write_part(path / "inner", "words", words__txt=WORDS)

        write_part(tmp_path / "outer", "outer", fill=fill)
        assert set(open_folder(tmp_path / "outer").files) == {"inner/card.toml", "inner/words.txt"}
        (tmp_path / "outer/inner/words.txt").write_bytes(b"")
        with pytest.raises(BundleTampered):
            open_folder(tmp_path / "outer").checked()

    def test_one_that_is_there_is_replaced(self, folder):
        write_part(folder, "other")
        assert [file.name for file in folder.iterdir()] == [CARD]

    def test_arrays_are_read_back(self, tmp_path):
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        write_part(tmp_path / "a", "numbers", weights__npz=npz(matrix=array), broken__npz=b"PK")
        np.testing.assert_array_equal(open_folder(tmp_path / "a").arrays("weights.npz")["matrix"], array)
        with pytest.raises(BundleError, match="holds no arrays"):
            open_folder(tmp_path / "a").arrays("broken.npz")

    def test_a_changed_file_is_refused_by_name(self, folder):
        (folder / "words.txt").write_bytes(b"<end>\n")
        for read in (lambda part: part.read("words.txt"), lambda part: part.checked(), lambda part: copied(part)):
            with pytest.raises(BundleTampered) as caught:
                read(open_folder(folder))
            assert caught.value.item == str(folder / "words.txt")
            assert caught.value.remedy

    def test_a_missing_file_is_refused_by_name(self, folder):
        (folder / "words.txt").unlink()
        with pytest.raises(BundleError) as caught:
            open_folder(folder).read("words.txt")
        assert caught.value.item == str(folder / "words.txt")
        assert type(caught.value) is BundleError

    def test_a_file_that_the_card_does_not_name_is_not_read(self, folder):
        (folder / "extra.txt").write_text("x")
        with pytest.raises(BundleError, match=r"does not name extra\.txt"):
            open_folder(folder).read("extra.txt")

    def test_a_graph_that_is_none_is_refused_by_name(self, folder):
        with pytest.raises(BundleError, match=r"words\.txt: onnxruntime refuses it"):
            open_folder(folder).session("words.txt")

    def test_a_changed_graph_is_refused_before_it_runs(self, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(SHIPPED / "embedded", copy)
        content = bytearray((copy / "captioner" / "begin.onnx").read_bytes())
        content[-1] ^= 1
        (copy / "captioner" / "begin.onnx").write_bytes(content)
        with pytest.raises(BundleTampered, match=r"begin\.onnx"):
            open_bundle(copy).part("captioner").session("begin.onnx")

    def test_a_folder_without_a_card_is_no_part(self, tmp_path):
        with pytest.raises(BundleNotFound, match=r"has no card\.toml"):
            open_folder(tmp_path)

    def test_what_a_card_lacks_is_the_model_s_fault(self, folder):
        part = open_folder(folder)
        for look in (lambda: part.card["texts"], lambda: part.card["settings"]["kind"]):
            with pytest.raises(BundleError, match=r"lacks '(texts|kind)'"):
                look()

    def test_the_version_changes_with_files_and_settings(self, tmp_path):
        def version(card, content):
            write_part(tmp_path / "part", "words", card, words__txt=content)
            return open_folder(tmp_path / "part").version

        assert version({"size": 3}, WORDS) == version({"size": 3}, WORDS)
        assert len({version({"size": 3}, WORDS), version({"size": 4}, WORDS), version({"size": 3}, b"")}) == 3
        assert len(version({}, WORDS)) == 8


def copied(part):
    copy_part(part)(part.path.parent / "copy")


class TestModels:
    def test_a_folder_is_opened(self, model, tmp_path):
        assert open_bundle(tmp_path / "small") == model
        assert (model.name, model.description, model.path) == ("small", "words", tmp_path / "small")
        assert model.size == len(WORDS)
        assert [folder.kind for folder in model.folders()] == ["score", "words"]
        assert (model.has("captioner"), model.has("image_classifier")) == (True, False)
        assert model.part("captioner").lines("words.txt")[0] == "<end>"
        assert is_bundle(tmp_path / "small")
        assert not is_bundle(tmp_path)

    def test_a_part_is_opened_from_its_folder_or_its_model(self, model, tmp_path):
        for place in (model.path, model.path / "captioner"):
            assert open_part(place, "captioner").version == model.part("captioner").version

    def test_a_part_that_is_not_there_is_named_with_those_that_are(self, model):
        with pytest.raises(BundleError, match=r"has no image classifier; it has fusion, captioner") as caught:
            model.part("image_classifier")
        assert "--image-classifier" in caught.value.remedy

    def test_a_part_of_another_version_is_refused(self, model):
        write_part(model.path / "fusion", "score", {"weight": 0.25})
        with pytest.raises(BundleTampered, match="fusion"):
            model.part("fusion")

    def test_parts_are_copied_as_they_are(self, model, tmp_path):
        writers = {name: copy_part(model.part(name)) for name in ("captioner", "fusion")}
        copy = write_bundle(tmp_path / "copy", {"name": "copy"}, writers)
        assert copy.card["parts"] == model.card["parts"]

    def test_a_part_is_added_and_then_replaced(self, model, tmp_path):
        for number in (1, 2):
            write_part(tmp_path / f"matcher-{number}", "score", {"weight": 0.1 * number})
            more = add_part(open_bundle(model.path), "matcher", open_folder(tmp_path / f"matcher-{number}"))
            assert more.part("matcher").card["weight"] == 0.1 * number
            assert (more.name, more.description) == (model.name, model.description)
            assert {*more.card["parts"]} == {*model.card["parts"], "matcher"}

    def test_a_model_that_fails_to_be_written_leaves_the_one_that_was_there(self, model):
        def fail(path):
            raise RuntimeError("no space in the head")

        with pytest.raises(RuntimeError):
            write_bundle(model.path, {"name": "small"}, {"fusion": fail})
        assert open_bundle(model.path) == model
        assert [file.name for file in model.path.parent.iterdir()] == ["small"]

    @pytest.mark.parametrize("name", ["nothing", "", "embedded/nothing", "/nowhere"])
    def test_an_unknown_name_lists_what_ships(self, name):
        with pytest.raises(BundleNotFound, match=r"shipped: .*embedded"):
            open_bundle(name)

    @pytest.mark.parametrize("card", [b"name = ", b"\xff\xfe"])
    def test_a_broken_card_is_a_bundle_error(self, tmp_path, card):
        (tmp_path / CARD).write_bytes(card)
        with pytest.raises(BundleError, match=r"card\.toml: the card cannot be understood"):
            open_bundle(tmp_path)

    @pytest.mark.parametrize("card", ["", 'name = "x"', "[parts]", "name = 3\n[parts]", 'name = "x"\nparts = "y"'])
    def test_a_card_without_a_name_or_parts_is_none_of_a_model(self, tmp_path, card):
        (tmp_path / CARD).write_text(card)
        with pytest.raises(BundleError, match=r"has a name and a table \[parts\]"):
            open_bundle(tmp_path)

    def test_shipped_models_are_listed_by_name(self):
        bundles = list(list_bundles())
        assert "embedded" in [bundle.name for bundle in bundles]
        for bundle in bundles:
            assert open_bundle(bundle.name).path == bundle.path
            assert bundle.description


def test_fingerprints_change_with_values_types_shapes_and_order():
    array = np.arange(4, dtype=np.float32)
    others = [(array,), (array.astype(np.float64),), (array.reshape(2, 2),), (array, 1), (1, array), (("a", "b"),)]
    assert len({fingerprint(*each) for each in others}) == len(others)
    assert fingerprint(array, "x") == fingerprint(array.copy(), "x")


@pytest.mark.parametrize("bundle", [*list_bundles()], ids=lambda bundle: bundle.name)
class TestShipped:
    def test_it_is_small(self, bundle):
        assert sum(file.stat().st_size for file in bundle.path.rglob("*")) <= 36e6

    def test_it_holds_nothing_that_could_run_code(self, bundle):
        files = [file for file in bundle.path.rglob("*") if file.is_file()]
        assert {file.suffix for file in files} <= {".onnx", ".npz", ".npy", ".txt", ".toml", ".md"}
        for part in bundle.folders():
            for name in part.files:
                if name.endswith(".npz"):
                    part.arrays(name)  # refuses pickles

    def test_every_file_is_as_its_card_says(self, bundle):
        expected = {CARD, MODEL_CARD, hashes.FILE}
        for part in bundle.folders():
            assert bundle.card["parts"][part.path.name] == part.version
            part.checked()
            expected |= {f"{part.path.name}/{name}" for name in (CARD, *part.files)}
        on_disk = {file.relative_to(bundle.path).as_posix() for file in bundle.path.rglob("*") if file.is_file()}
        assert on_disk == expected

    def test_its_words_begin_with_the_special_ones(self, bundle):
        words = bundle.part("captioner").lines("vocabulary.txt")
        assert words[:3] == ("<end>", "<start>", "<unknown>")
        assert len({*words}) == len(words)
        assert all(words)


@pytest.mark.parametrize("write", ["part", "model"])
def test_a_folder_of_something_else_is_not_replaced(tmp_path, write):
    from imagist.bundle import write_bundle, write_part
    from imagist.errors import OutputError

    (tmp_path / "photo.jpg").write_bytes(b"kept")
    with pytest.raises(OutputError, match="is a folder of something else"):
        write_part(tmp_path, "uniform") if write == "part" else write_bundle(tmp_path, {"name": "x"}, {})
    with pytest.raises(OutputError, match="is a file"):
        write_part(tmp_path / "photo.jpg", "uniform")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    assert (tmp_path / "photo.jpg").read_bytes() == b"kept"
