import json

import pytest
from captioned_sets import sets, write_coco
from hypothesis import given

from imagist.datasets.captions import read
from imagist.errors import DataError


def write(path, document):
    path.write_text(json.dumps(document), "utf-8")
    return path


@given(records=sets())
def test_round_trip(tmp_path_factory, records):
    path = write_coco(tmp_path_factory.mktemp("coco") / "captions_val2017.json", records)
    found = read(path, check_images=False)
    assert [r.image for r in found] == [r.image for r in records]
    assert [r.captions for r in found] == [tuple(sorted(r.captions, key=lambda c: -len(c))) for r in records]


def test_sentences_are_one_line(tmp_path):
    document = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": " a\ncat. "}]}
    assert read(write(tmp_path / "a.json", document), check_images=False)[0].captions == ("a cat.",)


def test_text_alone_has_numbers_for_names(tmp_path):
    annotations = [{"image_id": n, "caption": f"c{n}"} for n in (5, 3, 5)]
    records = read(write(tmp_path / "a.json", {"annotations": annotations}), check_images=False)
    assert [(r.image, r.captions) for r in records] == [("5", ("c5", "c5")), ("3", ("c3",))]
    named = {"images": [{"id": 3}, {"id": 5}], "annotations": annotations}
    assert [r.image for r in read(write(tmp_path / "b.json", named), check_images=False)] == ["3", "5"]


def test_an_image_without_sentences_is_left_for_check(tmp_path):
    document = {"images": [{"id": 1}, {"id": 2}], "annotations": [{"image_id": 1, "caption": None}]}
    assert [r.captions for r in read(write(tmp_path / "a.json", document), check_images=False)] == [("",), ()]


def test_all_faults_are_named(tmp_path):
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1}, {"file_name": "b.jpg"}, 3],
        "annotations": [
            {"image_id": 1, "caption": "fine"},
            {"image_id": 9, "caption": "x"},
            {"caption": "x"},
            {"image_id": 1, "caption": 3},
            None,
        ],
    }
    with pytest.raises(DataError, match="7 faults") as error:
        read(write(tmp_path / "a.json", document), check_images=False)
    text = str(error.value)
    assert "images[1] repeats id 1" in text
    assert "images[2] has no id" in text
    assert "images[3] is int, not a JSON object" in text
    assert "annotations[1] has image_id 9, which is not among the images" in text
    assert "annotations[2] has no image_id" in text
    assert "annotations[3] has int for a caption" in text
    assert "annotations[4] is NoneType" in text


def test_boxes_are_no_captions(tmp_path):
    document = {"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]}
    with pytest.raises(DataError, match=r"no annotation has a caption .*captions_"):
        read(write(tmp_path / "instances.json", document), check_images=False)


@pytest.mark.data
def test_coco_val2017(data):
    records = read(data / "coco_captions_val2017.json", check_images=False)
    assert (len(records), sum(len(r.captions) for r in records)) == (5000, 25_014)
    assert records[0].image == "000000397133.jpg"
    assert all(caption == caption.strip() != "" and "\n" not in caption for r in records for caption in r.captions)
