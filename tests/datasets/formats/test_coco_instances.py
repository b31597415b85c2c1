import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_sets import write_image, write_instances

from imagist.datasets.labels import Source, read
from imagist.errors import DataError

CATEGORIES = {1: "person", 18: "dog", 3: "car"}


def test_the_largest_area_in_sum(tmp_path):
    boxes = [(7, 1, 30.0), (7, 18, 50), (7, 1, 30.5), (9, 3, 4), (9, 18, 4)]
    path = write_instances(tmp_path / "instances.json", {9: "b.jpg", 7: "a.jpg", 5: "none.jpg"}, boxes, CATEGORIES)
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        write_image(tmp_path / "val2017" / name, seed)
    examples = read(Source(path, images=tmp_path / "val2017", split="val"))
    assert [(e.image, e.label, e.split) for e in examples] == [
        (f"{tmp_path}/val2017/b.jpg", "dog", "val"),
        (f"{tmp_path}/val2017/a.jpg", "person", "val"),
    ]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([*CATEGORIES]), st.integers(0, 50)), max_size=20))
def test_against_a_count_by_hand(tmp_path_factory, boxes):
    images = {1: "1.jpg", 2: "2.jpg", 3: "3.jpg"}
    path = write_instances(tmp_path_factory.mktemp("coco") / "i.json", images, boxes or [(1, 1, 1)], CATEGORIES)
    found = {e.image: e.label for e in read(Source(path), check_images=False)}
    for number, name in images.items():
        sums = {c: sum(a for i, k, a in boxes or [(1, 1, 1)] if (i, k) == (number, c)) for c in CATEGORIES}
        listed = {k for i, k, _ in boxes or [(1, 1, 1)] if i == number}
        best = max((sums[c] for c in listed), default=None)
        assert found.get(name) in [CATEGORIES[c] for c in listed if sums[c] == best] or (
            name not in found and not listed
        )


def test_faults(tmp_path):
    boxes = [(1, 99, 1.0), (4, 1, 1.0), (1, 1, "big"), (1, 1, float("nan")), (1, 3, -1), (1, 18, 0)]
    path = write_instances(tmp_path / "i.json", {1: "1.jpg", 2: None}, boxes, CATEGORIES)
    with pytest.raises(DataError, match="6 faults") as error:
        read(Source(path), check_images=False)
    for told in (
        "annotations[0] has category_id 99",
        "image_id 4, which is not among the images",
        "images[1] has no file_name",
        *(f"annotations[{i}] has no area" for i in (2, 3, 4)),
    ):
        assert told in str(error.value)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"annotations": [{"caption": "x"}], "images": []}, "no annotations with categories"),
        ({"something": 1}, "JSON with 'something' is of no known layout"),
        ({"annotations": [], "categories": [3], "images": []}, "categories\\[0\\] is int, not a JSON object"),
        ({"annotations": [], "categories": [{"id": 1, "name": "x"}], "images": []}, "no labelled image in it"),
    ],
)
def test_other_documents(tmp_path, document, told):
    (tmp_path / "x.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=told):
        read(Source(tmp_path / "x.json"))


def test_what_is_no_json(tmp_path):
    (tmp_path / "x.json").write_text('{"annotations": [')
    with pytest.raises(DataError, match="not JSON"):
        read(Source(tmp_path / "x.json"))
