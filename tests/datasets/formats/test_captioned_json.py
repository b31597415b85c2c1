import json

import pytest
from captioned_sets import LANGUAGES, sets
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.captions import read
from imagist.errors import DataError


@given(records=sets(split=True, translated=True), ascii_only=st.booleans(), one_list=st.booleans())
def test_round_trip_of_lists(tmp_path_factory, records, ascii_only, one_list):
    rows = [{"image": r.image, "captions": r.captions, "split": r.split, **r.translations} for r in records]
    rows[0] |= {code: rows[0].get(code) for code in LANGUAGES}  # every language has its column
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    path = tmp_path_factory.mktemp("json") / ("a.json" if one_list else "a.jsonl")
    path.write_text(f"[{','.join(lines)}]" if one_list else "\n".join(lines), "utf-8")
    assert read(path, check_images=False, languages=LANGUAGES) == records


@given(records=sets())
def test_round_trip_of_a_sentence_a_row(tmp_path_factory, records):
    rows = [{"image_id": r.image, "caption": caption} for r in records for caption in r.captions]
    path = tmp_path_factory.mktemp("json") / "a.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert read(path, check_images=False) == records


def test_results_of_coco_and_one_object(tmp_path):
    (tmp_path / "a.json").write_text('[{"image_id": 42, "caption": "a cat"}, {"image_id": 7, "caption": "a dog"}]')
    assert [(r.image, r.captions) for r in read(tmp_path / "a.json", check_images=False)] == [
        ("42", ("a cat",)),
        ("7", ("a dog",)),
    ]
    (tmp_path / "b.json").write_text('{"image": "a.jpg", "captions": ["x", "y"]}')
    assert read(tmp_path / "b.json", check_images=False)[0].captions == ("x", "y")


def test_lines_are_known_without_the_suffix(tmp_path):
    (tmp_path / "a.json").write_text('{"image": "a.jpg", "caption": "x"}\n{"image": "b.jpg", "caption": "y"}\n')
    assert [r.image for r in read(tmp_path / "a.json", check_images=False)] == ["a.jpg", "b.jpg"]


def test_faults_have_their_lines(tmp_path):
    lines = [
        '{"image": "a", "caption": "x"}',
        "{broken",
        "[1]",
        '{"image": null, "caption": "x"}',
        '{"image": "b", "caption": 3}',
        '{"image": true, "caption": "x"}',
        '{"image": "c", "caption": ["x", {"y": 1}, 2]}',
        "[" * 100_000,
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="7 faults") as error:
        read(tmp_path / "a.jsonl", check_images=False)
    text = str(error.value)
    assert "line 2 is not JSON" in text
    assert "line 3 is list, not a JSON object" in text
    assert "line 4: column 'image' is empty" in text
    assert "line 5: column 'caption' holds int, not text" in text
    assert "line 6: column 'image' holds bool, not a name" in text
    assert "line 7: column 'caption' holds int, not text" in text
    assert "line 8 is not JSON" in text


def test_nulls_are_empty_sentences_and_absent_translations(tmp_path):
    rows = '{"image": "a", "captions": [null, "x"], "de": null}\n{"image": "b", "caption": NaN, "captions": null}\n'
    (tmp_path / "a.jsonl").write_text(rows)
    first, second = read(tmp_path / "a.jsonl", check_images=False, languages=["de"])
    assert (first.captions, first.translations, second.captions) == (("", "x"), {}, ("",))
