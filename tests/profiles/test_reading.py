from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagist.errors import DataError, UsageError
from imagist.profiles import read_classified
from imagist.profiles.reading import is_classified, read_pool, tables_of

ROWS = [
    {"source": "a.jpg", "user": "ann", "probabilities": {"cat": 0.75, "sky": 0.25}},
    {"source": "b.jpg", "user": "bob", "probabilities": {"cat": 0.5, "sky": 0.5}},
    {"source": "c.jpg", "user": "bob", "probabilities": None},
]


def written(folder, suffix):
    path = folder / f"posts.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif suffix == "csv":
        cells = ['"' + json.dumps(row["probabilities"]).replace('"', '""') + '"' for row in ROWS[:2]]
        path.write_text(f"source,user,probabilities\na.jpg,ann,{cells[0]}\nb.jpg,bob,{cells[1]}\nc.jpg,bob,\n")
    else:
        kind = pa.map_(pa.string(), pa.float64())
        rows = [row | {"probabilities": row["probabilities"] and [*row["probabilities"].items()]} for row in ROWS]
        schema = pa.schema([("source", pa.string()), ("user", pa.string()), ("probabilities", kind)])
        pq.write_table(pa.Table.from_pylist(rows, schema), path)
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_classified_table_needs_no_images(tmp_path, suffix):
    path = written(tmp_path, suffix)
    assert is_classified(path)
    posts = read_classified([path])
    assert posts.accounts == ("ann", "bob")
    assert posts.categories == ("cat", "sky")
    assert posts.probabilities.tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert posts.failed == {"bob": 1}


def test_the_parts_of_a_run_are_its_table(tmp_path):
    folder = tmp_path / "classified"
    folder.mkdir()
    for number in (1, 0):
        Path(written(tmp_path, "parquet")).rename(folder / f"part-00-{number:08}-0000.parquet")
    assert tables_of([str(folder)]) == [str(folder)]
    (folder / "_manifest.json").write_text("{}")
    (folder / "part-00-00000002-0000.parquet.tmp").write_text("")
    parts = [str(folder / f"part-00-{number:08}-0000.parquet") for number in range(2)]
    assert tables_of([str(folder), "a.csv"]) == [*parts, "a.csv"]
    assert read_classified([str(folder)]).images.tolist() == [2, 2]


def test_accounts_of_classified_folders_are_those_that_images_lie_in(tmp_path):
    rows = [{"source": f"posts/{name}.jpg", "probabilities": {"cat": 1.0}} for name in ("ann/a", "ann/b", "bob/a")]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_classified([str(tmp_path / "x.jsonl")]).accounts == ("ann", "ann", "bob")


def test_columns_that_were_renamed_have_their_names_again(tmp_path):
    row = {"source": "a.jpg", "user": "ann", "caption": "a cat", "input.caption": "mine", "label": "cat"}
    row |= {"input.label": "sky", "probabilities": {"cat": 0.6, "sky": 0.4}, "error_kind": None}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    posts = read_classified([str(tmp_path / "x.jsonl")])
    assert (posts.captions, posts.texts, posts.labels) == (("a cat",), ("mine",), ("sky",))
    pool = read_pool([str(tmp_path / "x.jsonl")])
    assert (pool.labels, pool.captions) == (("sky",), ("a cat",))


def test_other_files_are_not_classified(tmp_path):
    (tmp_path / "x.csv").write_text("image,user\na.jpg,ann\n")
    assert not is_classified(str(tmp_path / "x.csv"))
    assert not is_classified(str(tmp_path))
    with pytest.raises(UsageError, match="imagist classify"):
        read_classified([str(tmp_path / "x.csv")])


def test_what_is_no_probabilities_is_named(tmp_path):
    (tmp_path / "x.csv").write_text("source,user,probabilities\na.jpg,ann,lots\n")
    with pytest.raises(DataError, match="line 2"):
        read_classified([str(tmp_path / "x.csv")])
