import base64
from decimal import Decimal

import pytest

from imagist.images.tables import cells

DATA = "data:image/jpeg;base64," + base64.b64encode(b"jpeg").decode()


@pytest.mark.parametrize(
    ("cell", "expected"), [(" a b ", "a b"), (7, "7"), (0, "0"), (None, None), ("  ", None), (float("nan"), None)]
)
def test_names(cell, expected):
    assert cells.name(cell, "image") == expected


@pytest.mark.parametrize("cell", [True, 1.5, 1.0, ["a"], b"a"])
def test_what_is_no_name(cell):
    with pytest.raises(ValueError, match=f"column 'image' holds {type(cell).__name__}, not a name"):
        cells.name(cell, "image")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("cat", "cat"),
        (3, "3"),
        (1.0, "1"),
        (Decimal("2.00"), "2"),
        (True, "true"),
        (False, "false"),
        ("nan", ""),
        (" NaN", ""),
        (None, ""),
        (float("nan"), ""),
        ("", ""),
    ],
)
def test_labels(cell, expected):
    assert cells.label(cell, "label") == expected


@pytest.mark.parametrize("cell", [1.5, float("inf"), Decimal("0.5"), ["a"], b"a"])
def test_what_is_no_label(cell):
    with pytest.raises(ValueError, match="not a name"):
        cells.label(cell, "label")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a.jpg", ("a.jpg", None)),
        (b"jpeg", (None, b"jpeg")),
        (b"", (None, None)),
        ({"path": "a.jpg", "bytes": b"jpeg"}, ("a.jpg", b"jpeg")),
        ({"path": "a.jpg", "bytes": None}, ("a.jpg", None)),
        ({"bytes": b"jpeg"}, (None, b"jpeg")),
        (DATA, (None, b"jpeg")),
        ({"path": DATA}, (None, b"jpeg")),
        ("Data:,%6apeg", (None, b"jpeg")),
        ("data:image/png;base64,x", (None, None)),
        (base64.b64encode(b"\xff\xd8\xff" + bytes(300)).decode(), (None, b"\xff\xd8\xff" + bytes(300))),
        ("a/" * 200, ("a/" * 200, None)),
        ("aaaa" * 100, ("aaaa" * 100, None)),
        (7, (7, None)),
        (None, (None, None)),
    ],
)
def test_images(cell, expected):
    assert cells.image(cell) == expected


@pytest.mark.parametrize(("cell", "weight"), [(2, 2.0), ("0.25", 0.25), (" 3 ", 3.0), (1e-9, 1e-9)])
def test_a_weight_is_a_number_or_its_text(cell, weight):
    assert cells.weight(cell, "w") == weight


@pytest.mark.parametrize("cell", [-1, 0, float("nan"), "nan", "inf", "", None, "heavy", True, [1]])
def test_a_weight_that_is_no_number_above_0_is_named_with_its_column(cell):
    with pytest.raises(ValueError, match=r"column 'w' holds .*, and a weight is a number above 0"):
        cells.weight(cell, "w")
