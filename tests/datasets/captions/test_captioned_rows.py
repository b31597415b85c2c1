import pytest

from imagist.datasets.captions.columns import Columns
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.rows import read_name, row_entries
from imagist.errors import DataError


@pytest.mark.parametrize(
    ("cell", "expected"), [(" a b ", "a b"), (7, "7"), (0, "0"), (None, None), ("  ", None), (float("nan"), None)]
)
def test_names(cell, expected):
    assert read_name(cell, "image") == expected


@pytest.mark.parametrize("cell", [True, 1.5, ["a"], b"a"])
def test_what_is_no_name(cell):
    with pytest.raises(ValueError, match=f"column 'image' holds {type(cell).__name__}, not a name"):
        read_name(cell, "image")


def test_rows_keep_their_order_and_those_at_fault_are_left_out():
    faults = Faults()
    rows = [
        ("line 2", {"image": "b", "caption": "x"}),
        ("line 3", {"caption": "y"}),
        ("line 5", {"image": "a", "caption": 3}),
        ("line 6", {"image": "a", "caption": "z"}),
    ]
    entries = list(row_entries(rows, Columns("image", ("caption",)), faults))
    assert [(e.place, e.image, e.captions) for e in entries] == [("line 2", "b", ("x",)), ("line 6", "a", ("z",))]
    with pytest.raises(DataError, match="2 faults") as error:
        faults.raise_any()
    assert "line 3: column 'image' is empty" in str(error.value)
    assert "line 5: column 'caption' holds int, not text" in str(error.value)


@pytest.mark.parametrize(
    ("cells", "name", "held"),
    [
        ({"image": {"bytes": b"x", "path": "a.jpg"}}, "a.jpg", True),
        ({"image": {"bytes": b"x", "path": None}, "file": "b.jpg"}, "b.jpg", True),
        ({"image": b"x", "file": "b.jpg"}, "b.jpg", True),
        ({"image": {"path": "a.jpg"}}, "a.jpg", True),  # its bytes were not asked for
        ({"image": {"bytes": None, "path": "a.jpg"}}, "a.jpg", False),
        ({"image": b"x"}, "", True),
    ],
)
def test_names_of_images_that_are_held(cells, name, held):
    (entry,) = row_entries([("row 0", cells)], Columns("image", (), name="file", held=True), Faults())
    assert (entry.image, entry.held) == (name, held)
