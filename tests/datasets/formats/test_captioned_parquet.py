import pyarrow as pa
import pytest
from captioned_sets import LANGUAGES, parquet_columns, sets, write_parquet
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.captions import Record, read
from imagist.errors import DataError


@given(records=sets(split=True, content=True, translated=True), group=st.integers(1, 4))
def test_round_trip(tmp_path_factory, records, group):
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    write_parquet(path, parquet_columns(records), row_group_size=group)
    assert read(path, languages=LANGUAGES) == records
    assert [r.translations for r in read(path)] == [{}] * len(records)


@given(records=sets(content=True))
def test_round_trip_of_a_sentence_a_row(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    rows = [(r, caption) for r in records for caption in r.captions]
    columns = {"image": [{"bytes": r.content, "path": r.image} for r, _ in rows], "caption": [c for _, c in rows]}
    assert read(write_parquet(path, columns, row_group_size=2)) == records


def test_images_without_names_are_named_by_their_rows_and_joined_by_their_bytes(tmp_path):
    columns = {"image": [b"one", b"two", b"one"], "caption": ["a", "b", "c"]}
    path = write_parquet(tmp_path / "a.parquet", columns)
    assert read(path) == [
        Record(f"{path}#0", ("a", "c"), content=b"one"),
        Record(f"{path}#1", ("b",), content=b"two"),
    ]


def test_names_of_another_column_and_numbered_captions(tmp_path):
    columns = {
        "image": [{"bytes": b"x", "path": None}] * 2,
        "filename": ["a.jpg", "b.jpg"],
        **{f"caption_{i}": [f"sentence {i}", None if i == 3 else f"other {i}"] for i in (10, 2, 3)},
    }
    records = read(write_parquet(tmp_path / "a.parquet", columns))
    assert [(r.image, r.captions) for r in records] == [
        ("a.jpg", ("sentence 2", "sentence 3", "sentence 10")),
        ("b.jpg", ("other 2", "other 10")),
    ]


def test_without_content_bytes_are_not_read(tmp_path):
    columns = {"image": [{"bytes": bytes(1000), "path": "a.jpg"}], "captions": [["x"]]}
    path = write_parquet(tmp_path / "a.parquet", columns, compression="none")
    damaged = path.read_bytes().replace(bytes(500), b"\xff" * 500)  # the page of bytes
    path.write_bytes(damaged)
    assert read(path, content=False) == [Record("a.jpg", ("x",))]
    nameless = write_parquet(tmp_path / "b.parquet", {"image": [b"x", b"y"], "captions": [["x"], ["y"]]})
    assert [r.image for r in read(nameless, content=False)] == [f"{nameless}#0", f"{nameless}#1"]


def test_images_beside_the_file(folder):
    for image in ([{"path": "a.jpg"}], [{"bytes": None, "path": "a.jpg"}], ["a.jpg"]):
        path = write_parquet(folder / "p.parquet", {"image": image, "captions": [["x"]]})
        assert read(path) == [Record(f"{folder}/a.jpg", ("x",))]


def test_rows_at_fault(tmp_path):
    image = pa.array([{"bytes": None, "path": None}, {"bytes": b"", "path": " "}, None, {"bytes": b"x", "path": "a"}])
    columns = {"image": image, "caption": ["x", "x", "x", "fine"]}
    with pytest.raises(DataError, match=r"a\.parquet: 3 faults") as error:
        read(write_parquet(tmp_path / "a.parquet", columns))
    assert all(f"row {n}: column 'image' is empty" in str(error.value) for n in (0, 1, 2))
    path = write_parquet(tmp_path / "a.parquet", {"image": ["a"], "captions": [[1, 2]]})
    with pytest.raises(DataError, match="row 0: column 'captions' holds int, not text"):
        read(path, check_images=False)


def test_a_language_without_a_column(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"image": [b"x"], "caption": ["x"], "de": ["y"]})
    assert read(path, languages=["de"])[0].translations == {"de": ("y",)}
    with pytest.raises(DataError, match=r"no column 'it'; it has 'image', 'caption', 'de'"):
        read(path, languages=["de", "it"])


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"image,caption\n1,2\n"])
def test_what_is_no_parquet(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(tmp_path / "a.parquet")


def test_damage_on_the_way_names_the_rows(tmp_path):
    columns = {"image": [f"{i}" * 100 for i in range(300)], "caption": ["x"] * 300}
    path = write_parquet(tmp_path / "a.parquet", columns, row_group_size=100, use_dictionary=False)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"row \d+: row group 2 \(rows 200 to 299\) is damaged"):
        read(path, check_images=False)


@pytest.mark.data
def test_flickr8k(data):
    records = read(data / "flickr8k" / "dev.parquet", split="dev", languages=LANGUAGES)
    assert (len(records), sum(len(r.captions) for r in records)) == (1000, 5000)
    assert {len(r.translations) for r in records} == {0, 3}
    assert all(r.content.startswith(b"\xff\xd8") for r in records)
    assert [r.captions for r in read(data / "flickr8k" / "dev.parquet", content=False)] == [r.captions for r in records]
