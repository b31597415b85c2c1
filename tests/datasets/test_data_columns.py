import pytest

from imagist.datasets.columns import Found, entry, find, label_name
from imagist.datasets.source import Columns, Wanted
from imagist.errors import DataError

CAPTIONS, LABELS = Wanted("captions"), Wanted("labels")


def labelled(*names, encoded=(), **given):
    return find(names, LABELS, Columns(**given), "a.csv", encoded)


@pytest.mark.parametrize(
    ("names", "image", "captions"),
    [
        (["image", "caption"], "image", ("caption",)),
        (["Image Name", " Comment_Number", " Comment"], "Image Name", (" Comment",)),
        (["caption", "captions", "id", "file_name"], "file_name", ("captions",)),
        (["url", "text"], "url", ("text",)),
        (["id", "url", "text"], "url", ("text",)),
        (["image_id", "caption"], "image_id", ("caption",)),
        (["caption_1", "caption_10", "caption_2", "Image"], "Image", ("caption_1", "caption_2", "caption_10")),
    ],
)
def test_columns_are_known_by_what_people_call_them(names, image, captions):
    columns = find(names, CAPTIONS, Columns(), "a.csv")
    assert (columns.image, columns.captions, columns.label, columns.account) == (image, captions, None, None)


def test_what_is_found_of_each_kind():
    columns = labelled("Media Link", "Caption", "Label", "Split", "User_Name", "likes")
    assert (columns.image, columns.captions, columns.split) == ("Media Link", ("Caption",), "Split")
    assert (columns.label, columns.account, columns.label_names) == ("Label", "User_Name", ())
    bare = labelled("url", "category")
    assert (bare.captions, bare.split, bare.account) == ((), None, None)
    assert bare.all() == ["url", "category"]


def test_what_is_asked_for_goes_before_what_is_found():
    columns = labelled("image", "photo", "label", "kind", "text", "who", image="photo", label="KIND", account="who")
    assert (columns.image, columns.label, columns.account, columns.captions) == ("photo", "kind", "who", ("text",))
    named = find(["image", "caption", "tweet"], CAPTIONS, Columns(caption="tweet"), "a.csv")
    assert named.captions == ("tweet",)


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [((), None), (("image",), "path"), (("image", "path"), "image_id"), (("image", "path", "image_id"), None)],
)
def test_a_column_of_bytes_takes_its_names_from_another(encoded, expected):
    columns = labelled("image", "image_id", "path", "label", encoded=encoded)
    assert (columns.name, columns.held) == (expected, "image" in encoded)


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(DataError) as error:
        labelled("a", "b", label="c", account="d")
    assert error.value.message == "no column 'c' and no column 'd' and no column of images; it has 'a', 'b'"
    assert error.value.item == "a.csv"
    with pytest.raises(
        DataError, match="no column of images and no column of captions and no column 'de'; it has none"
    ):
        find([], Wanted("captions", ("de",)), Columns(), "a.csv")


def test_a_labelled_row():
    columns = labelled("image", "label", "caption", "account")
    row = entry({"image": " a.jpg ", "label": " x ", "caption": "two\n words", "account": 7}, columns, "row 3")
    assert (row.place, row.image, row.label, row.captions, row.account) == ("row 3", "a.jpg", "x", ("two words",), "7")
    assert entry({"image": "a.jpg"}, columns, "row 4").label == ""


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"caption": "y"}, "column 'image' is empty; each row names or holds an image"),
        ({"image": "a", "caption": 3}, "column 'caption' holds int, not text"),
        ({"image": "a", "label": ["x"]}, "column 'label' holds list, not a name"),
        ({"image": "a", "label": 1.5}, "column 'label' holds float, not a name"),
        ({"image": "a", "label": "x", "account": 0.5}, "column 'account' holds float, not a name"),
        ({"image": True, "label": "x"}, "column 'image' holds bool, not a name"),
        ({"image": "a", "caption": "['x' 'y']"}, "column 'caption' looks like a list but is no JSON"),
    ],
)
def test_rows_at_fault(cells, message):
    columns = Found("image", ("caption",), label="label", account="account")
    with pytest.raises(ValueError, match="column") as error:
        entry(cells, columns, "row 5")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("cells", "name", "held"),
    [
        ({"image": {"bytes": b"x", "path": "a.jpg"}}, "a.jpg", True),
        ({"image": {"bytes": b"x", "path": None}, "file": "b.jpg"}, "b.jpg", True),
        ({"image": b"x", "file": "b.jpg"}, "b.jpg", True),
        ({"image": {"path": "a.jpg"}}, "a.jpg", True),  # its bytes were not asked for
        ({"image": {"bytes": None, "path": "a.jpg"}}, "a.jpg", False),
        ({"image": b"x"}, "", True),
        ({}, "", True),
    ],
)
def test_names_of_images_that_are_held(cells, name, held):
    found = entry(cells, Found("image", name="file", held=True), "row 0")
    assert (found.image, found.held) == (name, held)


def test_names_of_numbers():
    assert label_name("1", ("a", "b")) == "b"
    for label in ("2", "-1", "", "1.0", "\u0661", "b"):
        with pytest.raises(ValueError, match="not a number from 0 to 1"):
            label_name(label, ("a", "b"))
