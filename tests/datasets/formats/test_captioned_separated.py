import json

import pytest
from captioned_sets import LANGUAGES, sets, write_csv
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.captions import read
from imagist.errors import DataError


@given(records=sets(), delimiter=st.sampled_from(",;\t"))
def test_round_trip_of_a_sentence_a_row(tmp_path_factory, records, delimiter):
    rows = [(r.image, caption) for r in records for caption in r.captions]
    path = write_csv(tmp_path_factory.mktemp("csv") / "captions.txt", ("image", "caption"), rows, delimiter=delimiter)
    assert read(path, check_images=False) == records


@given(records=sets(split=True, translated=True))
def test_round_trip_of_lists(tmp_path_factory, records):
    rows = [
        (r.image, json.dumps(r.captions), r.split, *(r.translations.get(code, ("",))[0] for code in LANGUAGES))
        for r in records
    ]
    path = write_csv(tmp_path_factory.mktemp("csv") / "a.csv", ("filename", "raw", "split", *LANGUAGES), rows)
    assert read(path, check_images=False, languages=LANGUAGES) == records


def test_the_csv_of_flickr8k(tmp_path):
    (tmp_path / "captions.txt").write_text(
        'image,caption\r\n1.jpg,A child .\r\n1.jpg,"A girl , a ""cabin"" ."\r\n2.jpg,One\r\n'
    )
    assert [(r.image, r.captions) for r in read(tmp_path / "captions.txt", check_images=False)] == [
        ("1.jpg", ("A child .", 'A girl , a "cabin" .')),
        ("2.jpg", ("One",)),
    ]


def test_a_byte_order_mark_and_a_cell_of_several_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfimage,caption\na.jpg,"one\ntwo"\nb.jpg,x,y\n')
    with pytest.raises(DataError, match="line 4 has 3 cells under 2 columns") as error:
        read(tmp_path / "a.csv", check_images=False)
    assert "double quotes" in str(error.value)
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfimage,caption\na.jpg,"one\ntwo"\n')
    assert read(tmp_path / "a.csv", check_images=False)[0].captions == ("one two",)


def test_faults_have_their_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"image,caption\n,one\na,\xe9t\xe9\n\nb,x\nc,['x' 'y']\nd\n")
    with pytest.raises(DataError, match=r"a\.csv: 3 faults") as error:
        read(tmp_path / "a.csv", check_images=False)
    text = str(error.value)
    assert "line 2: column 'image' is empty" in text
    assert "line 3 has a byte 0xe9 that is not UTF-8" in text
    assert "line 6: column 'caption' looks like a list but is no JSON" in text


def test_a_short_row_has_an_empty_caption(tmp_path):
    (tmp_path / "a.csv").write_text("image,caption\na.jpg\n")
    assert read(tmp_path / "a.csv", check_images=False)[0].captions == ("",)


def test_a_quote_left_open_is_a_fault(tmp_path):
    (tmp_path / "a.csv").write_text('image,caption\na.jpg,one\nb.jpg,"two\nc.jpg,three\n')
    with pytest.raises(DataError, match="line 3 cannot be read"):
        read(tmp_path / "a.csv", check_images=False)
    (tmp_path / "a.csv").write_text('image,caption\na.jpg,one "two" three\n')
    assert read(tmp_path / "a.csv", check_images=False)[0].captions == ('one "two" three',)


def test_utf_16_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("image,caption\na.jpg,x\n", "utf-16")
    assert [r.captions for r in read(tmp_path / "a.csv", check_images=False)] == [("x",)]


def test_the_same_image_in_two_splits_stays_two_records(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("image", "caption", "split"), [("a", "x", "train"), ("a", "y", "val")])
    assert [(r.split, r.captions) for r in read(path, check_images=False)] == [("train", ("x",)), ("val", ("y",))]
