"""Captions that were written before come back as they were."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.captioning.backends.recorded import load as load_captioner
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions
from imagist.cli.main import main
from imagist.engine.writer import write
from imagist.errors import CorruptImage, DataError, ManifestError, ModelFailed
from imagist.images.stream import run
from imagist.protocols import Captioner
from imagist.records import Caption, Failure, Hypothesis, Photo
from imagist.records.flat import CAPTION_FIELDS, PREDICTION_FIELDS, as_record, columns

SUFFIXES = [".csv", ".jsonl", ".parquet"]
ALL = CaptionOptions(Decoding(beam=5, nbest=5))


def photo(source="a.jpg"):
    return Photo(np.zeros((1, 1, 3), np.uint8), source)


def record(path, captions):
    """Writes captions and failures by source as `imagist caption --out` does."""
    own = [as_record(source, result) for source, result in captions.items()]
    write(path, [[(row, {}) for row in own]], columns(CAPTION_FIELDS))
    return path


def said(text, logprob=-1.5):
    tokens = tuple(text.split())
    return Caption(text, logprob, tokens, (Hypothesis(text, logprob),))


def replay(path, options=ALL):
    return load_captioner(str(path), options)


def of(captioner, source):
    return captioner.caption([photo(source)])[0]


words = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)
texts = st.lists(words, min_size=1, max_size=5).map(" ".join)
logprobs = st.just(math.nan) | st.floats(max_value=0, allow_nan=False, allow_infinity=False, width=32)
captions = st.builds(
    lambda best: Caption(best[0].text, best[0].logprob, tuple(best[0].text.split()), tuple(best)),
    st.lists(st.builds(Hypothesis, texts, logprobs), min_size=1, max_size=5),
)
sources = st.text(st.characters(exclude_categories=["C"]), min_size=1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=30)
@given(recorded=st.dictionaries(sources, captions, min_size=1, max_size=6))
def test_what_the_writer_wrote_is_replayed(tmp_path_factory, suffix, recorded):
    captioner = replay(record(tmp_path_factory.mktemp("recorded") / f"x{suffix}", recorded))
    for caption, again in zip(recorded.values(), captioner.caption([*map(photo, recorded)]), strict=True):
        assert (again.text, again.tokens, again.attention) == (caption.text, caption.tokens, None)
        assert [h.text for h in again.nbest] == [h.text for h in caption.nbest]
        one, other = (np.float32([c.logprob, *(h.logprob for h in c.nbest)]) for c in (again, caption))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_command_lines_captions_are_replayed(tmp_path, pipeline, photos, suffix):
    from PIL import Image

    for each in photos[:3]:
        Image.fromarray(each.pixels).save(tmp_path / f"{each.source}.png")
    out = tmp_path / f"x{suffix}"
    names = [str(tmp_path / f"{each.source}.png") for each in photos[:3]]
    assert main(["caption", *names, "--nbest", "3", "--threads", "1", "--quiet", "--out", str(out)]) == 0
    fresh = pipeline.captioner.caption(photos[:3])  # the same but for what nbest changes: the best is the same
    again = replay(out).caption([Photo(each.pixels, name) for each, name in zip(photos, names, strict=False)])
    assert [(c.text, c.tokens) for c in again] == [(c.text, c.tokens) for c in fresh]
    assert [c.logprob for c in again] == pytest.approx([c.logprob for c in fresh], rel=1e-6)
    assert [len(c.nbest) for c in again] == [3] * 3
    assert replay(out, CaptionOptions()).caption([photo(names[0])])[0].nbest == again[0].nbest[:1]


def test_it_is_a_captioner(tmp_path):
    captioner = replay(record(tmp_path / "x.csv", {"a.jpg": said("a dog")}))
    assert isinstance(captioner, Captioner)
    assert captioner.caption([]) == []
    assert captioner.id.startswith("x-")
    assert captioner.id.endswith("/recorded(nbest=5)")


def test_the_id_changes_with_the_file_and_the_settings(tmp_path):
    path = tmp_path / "x.csv"
    ids = {replay(record(path, {"a.jpg": said(text)})).id for text in ("a dog", "a cat")}
    ids.add(replay(path, CaptionOptions()).id)
    assert len(ids) == 3
    assert replay(path).id in ids


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("photos/a.jpg", "photos/a.jpg"),
        ("photos/a.jpg", "/elsewhere/a.jpg"),
        ("photos/a.jpg", "a.png"),
        ("a", "photos/a.jpeg"),
        ("C:\\photos\\a.jpg", "photos/a.jpg"),
        ("https://x.org/p/a.jpg?size=3#top", "a.jpg"),
        ("shard.tar#deep/a.jpg", "a.jpg"),
        ("shard.tar#a.jpg", "other.tar#a.png"),
        ("table.parquet#3", "table.parquet#3"),
        ("table.parquet#3", "elsewhere/table.parquet#3"),
        ("version 1.5", "version 1.5.jpg"),
    ],
)
def test_a_photo_is_found_by_its_source_its_name_or_its_stem(tmp_path, recorded, asked):
    captioner = replay(record(tmp_path / "x.csv", {recorded: said("a dog"), "photos/b.jpg": said("a cat")}))
    assert of(captioner, asked).text == "a dog"


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("a.jpg", "b.jpg"),
        ("table.parquet#3", "table.parquet#4"),
        ("table.parquet#3", "table.jpg"),
        ("table.parquet#3", "other.parquet#3"),
        ("3.jpg", "table.parquet#3"),
        ("https://x.org/", "https://y.org/"),
        ("version 1.5", "version 1.jpg"),
    ],
)
def test_a_photo_without_a_record_fails(tmp_path, recorded, asked):
    with pytest.raises(ModelFailed, match="no caption of it was recorded") as caught:
        of(replay(record(tmp_path / "x.csv", {recorded: said("a dog")})), asked)
    assert caught.value.item == asked


def test_a_better_match_goes_before_a_worse(tmp_path):
    names = {"x/a.jpg": said("one"), "y/a.png": said("two"), "a.png": said("three")}
    captioner = replay(record(tmp_path / "x.csv", names))
    assert [of(captioner, source).text for source in (*names, "z/a.jpg")] == ["one", "two", "three", "one"]


def test_records_that_could_all_be_meant_are_an_error(tmp_path):
    names = {f"{folder}/a.jpg": said(f"a dog of {folder}") for folder in "wxyz"}
    captioner = replay(record(tmp_path / "x.csv", {**names, "w/b.jpg": said("a cat"), "x/b.jpg": said("a cat")}))
    for asked in ("a.jpg", "a.png"):
        with pytest.raises(ModelFailed, match=r"4 records .*: w/a.jpg, x/a.jpg, y/a.jpg, \.\.\.") as caught:
            of(captioner, asked)
        assert caught.value.item == asked
    assert of(captioner, "b.jpg").text == "a cat"  # they agree


def test_only_the_photos_without_a_record_are_lost(tmp_path):
    captioner = replay(record(tmp_path / "x.csv", {"a.jpg": said("a dog"), "c.jpg": said("a cat")}))
    (outcomes,) = run([photo(f"{letter}.jpg") for letter in "abc"], captioner.caption)
    texts = [o.result.text if isinstance(o.result, Caption) else o.result.error.kind for o in outcomes]
    assert texts == ["a dog", "model_failed", "a cat"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recorded_failure_is_one_again(tmp_path, suffix):
    failure = Failure("b.jpg", CorruptImage("is cut short", item="b.jpg"))
    captioner = replay(record(tmp_path / f"x{suffix}", {"a.jpg": said("a dog"), "b.jpg": failure}))
    assert of(captioner, "a.jpg").text == "a dog"
    with pytest.raises(ModelFailed, match="recorded as a failure: corrupt_image: is cut short"):
        of(captioner, "b.jpg")


def test_a_table_of_two_columns_will_do(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("source;caption\na.jpg;  a  dog\nb.jpg;a cat\na.jpg;a dog\n")
    caption = of(replay(path), "a.jpg")
    assert (caption.text, caption.tokens) == ("a dog", ("a", "dog"))
    assert math.isnan(caption.logprob)
    assert [h.text for h in caption.nbest] == ["a dog"]


def test_what_classify_wrote_will_do(tmp_path):
    path = tmp_path / "x.jsonl"
    row = dict.fromkeys(columns(PREDICTION_FIELDS)) | {"source": "a.jpg", "caption": "a dog", "caption_logprob": -2.5}
    path.write_text(json.dumps(row) + "\n")
    caption = of(replay(path), "a.jpg")
    assert (caption.text, caption.logprob) == ("a dog", -2.5)


@pytest.mark.parametrize(("cell", "logprob"), [("", math.nan), ("nan", math.nan), ("-inf", -math.inf), ("1e-7", 1e-7)])
def test_log_probabilities_that_are_missing_or_rounded(tmp_path, cell, logprob):
    path = tmp_path / "x.csv"
    path.write_text(f"source,caption,caption_logprob\na.jpg,a dog,{cell}\n")
    np.testing.assert_equal(of(replay(path), "a.jpg").logprob, logprob)


def test_the_log_probability_of_the_best_stands_in_for_the_captions(tmp_path):
    path = tmp_path / "x.parquet"
    best = [{"text": "a dog", "logprob": -2.0}, {"text": "dog", "logprob": None}]
    pq.write_table(pa.table({"source": ["a.jpg"], "caption": ["a dog"], "nbest": [best]}), path)
    caption = of(replay(path), "a.jpg")
    assert caption.logprob == -2.0
    assert math.isnan(caption.nbest[1].logprob)


ROWS = """source,caption,caption_logprob,nbest
,a dog,-1,
b.jpg,,-1,
c.jpg,a dog,high,
d.jpg,a dog,2,
e.jpg,a dog,-1,"[{"
f.jpg,a dog,-1,"{}"
g.jpg,a dog,-1,[3]
h.jpg,a dog,-1,"[{""text"": ""a cat"", ""logprob"": -1}]"
i.jpg,a dog,-1,"[{""text"": null, ""logprob"": -1}]"
a.jpg,a dog,-1,
a.jpg,a cat,-1,
j.jpg,a dog,-1,,too many
k.jpg,a dog,-1,
"""


def test_all_faults_of_a_file_are_raised_at_once(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(ROWS)
    with pytest.raises(DataError) as caught:
        replay(path)
    assert caught.value.item == str(path)
    lines = caught.value.message.splitlines()
    assert lines[0].startswith("11 faults")
    for fault in (
        "row without a source: line 2",
        "unusable caption: line 3: b.jpg: the caption is empty",
        "unusable caption: line 4: c.jpg: its log-probability is no number: 'high'",
        "unusable caption: line 5: d.jpg: its log-probability is above 0: 2.0",
        "unusable caption: line 7: f.jpg: its n-best are no list",
        'unusable caption: line 8: g.jpg: its n-best are no objects of "text" and "logprob"',
        "unusable caption: line 9: h.jpg: its n-best do not begin with it",
        "unusable caption: line 10: i.jpg: the caption is empty",
        "source with several captions: line 12: a.jpg",
        "unreadable row: line 13 has 5 cells under 4 columns; a cell with ',' in it stands in double quotes",
    ):
        assert f"  {fault}" in lines
    assert not [line for line in lines if "k.jpg" in line]


def test_types_of_parquet_that_are_no_captions(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"source": ["a.jpg", None], "caption": [3, 4]}), path)
    with pytest.raises(DataError) as caught:
        replay(path)
    assert "row 0: a.jpg: int is no caption" in caught.value.message
    assert "row without a source: row 1" in caught.value.message


def test_deep_json_is_a_fault(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"source,caption,nbest\na.jpg,a dog,{'[' * 100_000}\n")
    with pytest.raises(DataError, match=r"line 2: a\.jpg"):
        replay(path)


def test_a_file_without_the_columns_lists_what_it_has(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("image,text\na.jpg,a dog\n")
    with pytest.raises(ManifestError, match="no column 'source' and no column 'caption'; it has image, text"):
        replay(path)


@pytest.mark.parametrize("name", ["x.txt", "missing.csv", "missing.parquet"])
def test_a_file_that_is_no_table_is_named(tmp_path, name):
    with pytest.raises(ManifestError) as caught:
        replay(tmp_path / name)
    assert caught.value.item == str(tmp_path / name)
