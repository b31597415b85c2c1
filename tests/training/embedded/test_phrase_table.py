"""The embedded phrase table: what captions say, without guesses at people."""

from __future__ import annotations

import json

import pytest

from imagist.training.embedded import phrases
from imagist.training.embedded.phrases import table

CAPTIONS = [
    "A man riding a red bike down a city street .",
    "Two young women are riding bikes on a street",
    "A pretty girl in a blue dress riding a bike through the snow.",
    "A brown and white dog stands near a fire hydrant on a street",
    "The old man is holding a red umbrella on a street",
]


@pytest.fixture(autouse=True)
def rare_phrases_count(monkeypatch):
    monkeypatch.setattr(phrases, "LEAST", 1)


def test_nouns_descriptions_actions_and_settings():
    found = table(CAPTIONS, [])
    assert {"person", "bike", "fire hydrant", "city street"} <= {*found}
    assert {"red bike", "blue dress", "white dog", "red umbrella"} <= {*found}
    assert {"riding a bike", "holding an umbrella"} <= {*found}
    assert {"on a street", "through the snow"} <= {*found}
    assert found[:3] == ["bike", "person", "street"]


def test_no_guesses_at_people():
    words = {word for phrase in table(CAPTIONS, ["baby carriage", "cat"]) for word in phrase.split()}
    assert words.isdisjoint({"man", "women", "girl", "young", "old", "pretty", "baby"})
    assert "cat" in words


def test_of_the_forms_of_a_phrase_the_most_frequent():
    found = table(["a dog", "a dog", "two dogs"], ["dogs", "hot dog"])
    assert found == ["dog", "hot dog"]


def test_rare_phrases_are_left_out(monkeypatch):
    monkeypatch.setattr(phrases, "LEAST", 2)
    assert table(["a dog", "a dog", "a cat"], []) == ["dog"]


def test_the_command_writes_the_table(tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "flickr8k").mkdir()
    row = {"image": [{"bytes": b"", "path": "a.jpg"}], "captions": [["a dog on a beach"]]}
    for number in (0, 1):
        pq.write_table(pa.table(row), tmp_path / "flickr8k" / f"train-{number}.parquet")
    (tmp_path / "coco_captions_val2017.json").write_text(json.dumps({"annotations": [{"caption": "A cat"}]}))
    (tmp_path / "coco_sentences.txt").write_text("a cat on a beach\n")
    (tmp_path / "classes.toml").write_text(
        '[data.class_names]\n[data.class_names.groups]\nfish = "0-6"\n[data.class_names.kinds]\n'
        '[data.class_names.frames]\nthing = ["{a}"]\n'
    )
    arguments = ["--data", str(tmp_path), "--classes", str(tmp_path / "classes.toml"), "--out", str(tmp_path / "t.txt")]
    assert phrases.main(arguments) == 0
    lines = (tmp_path / "t.txt").read_text().splitlines()
    assert lines[:3] == ["beach", "cat", "dog"]
    assert {"on a beach", "fish", "goldfish"} <= {*lines}
    assert capsys.readouterr().out == f"{len(lines):,} phrases\n"
