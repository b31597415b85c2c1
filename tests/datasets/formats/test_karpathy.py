import json

import pytest
from captioned_sets import sets, write_karpathy
from hypothesis import given

from imagist.datasets.captions import read
from imagist.errors import DataError


@given(records=sets(split=True))
def test_round_trip(tmp_path_factory, records):
    path = write_karpathy(tmp_path_factory.mktemp("karpathy") / "dataset_flickr8k.json", records)
    assert read(path, check_images=False) == records


def test_the_folder_of_coco_is_in_the_name_and_splits_can_be_added(tmp_path):
    images = [
        {"filepath": "train2014", "filename": "a.jpg", "split": "train", "sentences": [{"raw": "A dog."}]},
        {"filepath": "val2014", "filename": "b.jpg", "split": "restval", "sentences": [{"raw": "A\ncat."}]},
        {"filepath": "val2014", "filename": "c.jpg", "split": "val", "sentences": []},
    ]
    path = tmp_path / "dataset_coco.json"
    path.write_text(json.dumps({"images": images, "dataset": "coco"}))
    records = read(path, split="train+restval", images="coco", check_images=False)
    assert [(r.image, r.captions, r.split) for r in records] == [
        ("coco/train2014/a.jpg", ("A dog.",), "train"),
        ("coco/val2014/b.jpg", ("A cat.",), "restval"),
    ]
    assert read(path, split="val", check_images=False)[0].captions == ()
    with pytest.raises(DataError, match=r"no split 'dev' \(one of restval, train, val\)"):
        read(path, split="dev", check_images=False)


def test_all_faults_are_named(tmp_path):
    images = [
        {"filename": "a.jpg", "sentences": [{"raw": "x"}, {"tokens": ["y"]}]},
        {"sentences": [{"raw": "x"}]},
        {"filename": 3, "sentences": []},
        "b.jpg",
    ]
    (tmp_path / "a.json").write_text(json.dumps({"images": images}))
    with pytest.raises(DataError, match="4 faults") as error:
        read(tmp_path / "a.json", check_images=False)
    assert "images[0], a.jpg, has a sentence without its raw text" in str(error.value)
    assert all(f"images[{i}] has no filename" in str(error.value) for i in (1, 2, 3))
