import base64
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.images.tables import cells

DATA = "data:image/jpeg;base64," + base64.b64encode(b"jpeg").decode()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(" a b ", "a b"), (7, "7"), (0, "0"), (None, None), ("  ", None), (float("nan"), None), (1.0, "1")],
)
def test_names(cell, expected):
    assert cells.name(cell, "image") == expected


@pytest.mark.parametrize("cell", [True, 1.5, float("inf"), ["a"], b"a"])
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
        (-0.0, "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0.00", "0"),
        ("-1.0", "-1"),
        ("-10", "-10"),
        ("007", "007"),
        ("1.50", "1.50"),
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
        ("data:image/png ;base64,anBl\n Zw", (None, b"jpeg")),
        ("data:image/png;base64,anBlZw%3D%3D", (None, b"jpeg")),
        ("data:image/png;base64,__79", (None, b"\xff\xfe\xfd")),
        ("a/" * 200, ("a/" * 200, None)),
        ("aaaa" * 100, ("aaaa" * 100, None)),
        (7, (7, None)),
        (None, (None, None)),
    ],
)
def test_images(cell, expected):
    assert cells.image(cell) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cat", "cat "),
        ("hot  dog", "Hot\u00a0dog"),
        ("caf\u00e9", "cafe\u0301"),
        ("cat\u200b", "\ufeffcat"),
        ("STRASSE", "stra\u00dfe"),
    ],
)
def test_labels_of_one_spelling(one, other):
    assert cells.spelling(one) == cells.spelling(other)
    assert cells.spelling(one) != cells.spelling("dog")


JPEG = b"\xff\xd8\xff" + bytes(range(256))


@pytest.mark.parametrize("content", [JPEG, JPEG[:30], b"GIF89a" + bytes(35)])
@pytest.mark.parametrize(
    "text",
    [
        lambda content: base64.b64encode(content).decode(),
        lambda content: base64.b64encode(content).decode().rstrip("="),
        lambda content: base64.urlsafe_b64encode(content).decode(),
        lambda content: base64.urlsafe_b64encode(content).decode().rstrip("=") + " ",
        lambda content: base64.encodebytes(content).decode(),
        lambda content: base64.encodebytes(content).decode().replace("\n", "\r\n"),
        lambda content: str(base64.b64encode(content)),
        lambda content: str(content),
        lambda content: content.hex(),
        lambda content: "\\x" + content.hex(),
        lambda content: "0x" + content.hex().upper(),
        lambda content: "data:image/jpeg;base64," + base64.urlsafe_b64encode(content).decode().rstrip("="),
        lambda content: "data:image/jpeg;base64," + base64.encodebytes(content).decode(),
    ],
)
def test_encoded_images_as_text(content, text):
    assert cells.image(text(content)) == (None, content)
    assert cells.image({"url": text(content)}) == (None, content)


@given(st.text(max_size=60))
def test_any_text_is_an_image_or_a_name(text):
    name, content = cells.image(text)
    assert (name == text) is not (name is None)
    assert content is None or name is None


@pytest.mark.parametrize(("cell", "weight"), [(2, 2.0), ("0.25", 0.25), (" 3 ", 3.0), (1e-9, 1e-9)])
def test_a_weight_is_a_number_or_its_text(cell, weight):
    assert cells.weight(cell, "w") == weight


@pytest.mark.parametrize("cell", [-1, 0, float("nan"), "nan", "inf", "", None, "heavy", True, [1]])
def test_a_weight_that_is_no_number_above_0_is_named_with_its_column(cell):
    with pytest.raises(ValueError, match=r"column 'w' holds .*, and a weight is a number above 0"):
        cells.weight(cell, "w")
