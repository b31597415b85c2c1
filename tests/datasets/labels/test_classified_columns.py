import pytest

from imagist.datasets.captions.faults import Faults
from imagist.datasets.labels.columns import find, labelled, name_of
from imagist.datasets.labels.source import Columns
from imagist.errors import DataError


def found(*names, holding=(), **asked):
    return find(names, Columns(**asked), "a.csv", holding)


def test_what_is_found_of_each_kind():
    columns = found("Media Link", "Caption", "Label", "Split", "User_Name", "likes")
    assert (columns.entry.image, columns.entry.captions, columns.entry.split) == ("Media Link", ("Caption",), "Split")
    assert (columns.label, columns.account, columns.names) == ("Label", "User_Name", ())
    bare = found("url", "category")
    assert (bare.entry.captions, bare.entry.split, bare.account) == ((), None, None)


def test_what_is_asked_for_goes_before_what_is_found():
    columns = found("image", "photo", "label", "kind", "text", "who", image="photo", label="kind", account="who")
    assert (columns.entry.image, columns.label, columns.account) == ("photo", "kind", "who")
    assert columns.entry.captions == ("text",)
    assert Columns(label="kind").asked() == {"label": "kind"}


def test_a_column_of_bytes_takes_its_names_from_another():
    assert found("image", "filename", "label", holding=["image"]).entry.name == "filename"
    assert found("image", "filename", "label").entry.name is None
    assert found("image", "label", holding=["image"]).entry.held


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(DataError) as error:
        found("a", "b", label="c", account="d")
    assert error.value.message == "no column 'c' and no column 'd' and no column of images; it has 'a', 'b'"
    assert error.value.item == "a.csv"
    with pytest.raises(DataError, match="it has none"):
        found()


def test_rows():
    columns, faults = found("image", "label", "caption", "account"), Faults()
    row = labelled(
        {"image": " a.jpg ", "label": " x ", "caption": "two\n words", "account": 7}, columns, "row 3", faults
    )
    assert (row.place, row.image, row.label, row.captions, row.account) == ("row 3", "a.jpg", "x", ("two words",), "7")
    assert labelled({"image": "a.jpg"}, columns, "row 4", faults).label == ""
    assert not faults
    assert labelled({"image": "a.jpg", "label": ["x"]}, columns, "row 5", faults) is None
    assert labelled({"image": "a.jpg", "label": "x", "account": 0.5}, columns, "row 6", faults) is None
    with pytest.raises(DataError) as error:
        faults.raise_any()
    assert "row 5: column 'label' holds list, not a name" in str(error.value)
    assert "row 6: column 'account' holds float, not a name" in str(error.value)


def test_names_of_numbers():
    assert name_of("1", ("a", "b")) == "b"
    for label in ("2", "-1", "", "1.0", "\u0661", "b"):
        with pytest.raises(ValueError, match="not a number from 0 to 1"):
            name_of(label, ("a", "b"))
