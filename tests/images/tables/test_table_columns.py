import pytest

from imagist.images.tables.columns import CAPTIONS, IMAGES, NAMES, assign, find, lacking, named
from imagist.images.tables.table import distinct, plain


def test_names_are_compared_without_case_and_punctuation():
    assert [plain(name) for name in ("File Name", "file_name", "Größe [m]")] == ["filename", "filename", "größem"]
    assert find(["File Name", "url"], IMAGES) == "File Name"
    assert find(["file_name", "File Name"], NAMES) == "file_name"
    assert find(["url"], CAPTIONS) is None


def test_a_user_names_a_column_in_any_case():
    assert named("shot", ["Shot", "shot"]) == "shot"
    assert named("SHOT", ["Shot", "shot"]) == "Shot"
    assert named("frame", ["shot"]) is None


def test_what_a_user_names_goes_before_what_is_known():
    known = {"image": IMAGES, "label": ("label",), "split": ("split",)}
    found, missing = assign(["image", "photo", "label"], known, {"image": "Photo", "label": "wat"})
    assert found == {"image": "photo", "label": None, "split": None}
    assert missing == ["column 'wat'"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x", "x", "y"], ["x", "x.1", "y"]),
        (["x", "x.1", "x"], ["x", "x.1", "x.2"]),
        (["", "", ""], ["", ".1", ".2"]),
        ([], []),
    ],
)
def test_every_column_has_a_name_of_its_own(names, expected):
    assert distinct(names) == expected


def test_the_message_about_missing_columns_lists_those_there_are():
    message = lacking(["column of images", "column 'de'"], ["a", "b"])
    assert message == "no column of images and no column 'de'; it has a, b"
    many = lacking(["column of images"], ["a\0\n", "x" * 99, *map(str, range(30))])
    assert many.startswith(f"no column of images; it has a\\x00\\x0a, {'x' * 60}..., 0, 1")
    assert many.endswith(", 17, and 12 more")
    assert lacking(["column of images"], []) == "no column of images; it has none"
