import json
import unicodedata
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_sets import write_csv, write_image, write_json_lines, write_parquet

from imagist.datasets.labels import Columns, Example, Source, read
from imagist.errors import DataError
from imagist.images.tables.cells import label

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda word: word not in ("nan", "NaN")  # missing
)
tweets = st.lists(words, min_size=1, max_size=4).map(" ".join).filter(lambda s: not s.startswith(("['", '["')))
files = st.from_regex(r"[a-z][\w \"',;-]{0,6}\.(jpg|png)", fullmatch=True).filter(str.isprintable)
HEADER = ("image", "label", "caption", "split", "account")


# Other spellings of one label are a fault, and True or 1.0 is read as true or 1: each has its own test.
labels = words.map(lambda text: " ".join(unicodedata.normalize("NFKC", text).casefold().split())).filter(
    lambda text: text and label(text, "label") == text == unicodedata.normalize("NFKC", text).casefold()
)


@st.composite
def sets(draw, *, content=False):
    return [
        Example(
            image,
            draw(labels),
            draw(st.binary(min_size=1, max_size=9)) if content else None,
            draw(st.sampled_from(["train", "dev"])),
            draw(st.none() | tweets),
            draw(st.none() | words),
        )
        for image in draw(st.lists(files, min_size=1, max_size=5, unique=True))
    ]


def cells(example):
    return [example.image, example.label, example.caption, example.split, example.account]


@given(sets(), st.sampled_from(",;\t"))
def test_round_trip_of_separated_values(tmp_path_factory, examples, delimiter):
    path = tmp_path_factory.mktemp("set") / "a.csv"
    write_csv(path, HEADER, *map(cells, examples), delimiter=delimiter)
    assert read(Source(path), check_images=False) == examples


@given(sets())
def test_round_trip_of_bare_tabs(tmp_path_factory, examples):
    path = tmp_path_factory.mktemp("set") / "a.tsv"
    lines = ["\t".join(cell or "" for cell in cells(example)) for example in examples]
    path.write_text("\n".join(["\t".join(HEADER), *lines]), "utf-8", newline="")
    quoted = [cell for example in examples for cell in cells(example) if cell and cell[0] == cell[-1] == '"']
    if not quoted:  # those are taken for quoted cells
        assert read(Source(path), check_images=False) == examples


@given(sets(), st.booleans())
def test_round_trip_of_json(tmp_path_factory, examples, as_list):
    path = tmp_path_factory.mktemp("set") / ("a.json" if as_list else "a.jsonl")
    objects = [dict(zip(HEADER, cells(example), strict=True)) for example in examples]
    if as_list:
        path.write_text(json.dumps(objects, indent=1))
    else:
        write_json_lines(path, *objects)
    assert read(Source(path), check_images=False) == examples


@given(sets(content=True), st.booleans())
def test_round_trip_of_parquet(tmp_path_factory, examples, content):
    path = tmp_path_factory.mktemp("set") / "a.parquet"
    columns = {name: pa.array([cells(e)[i] for e in examples], pa.string()) for i, name in enumerate(HEADER)}
    columns["image"] = [{"bytes": e.content, "path": e.image} for e in examples]
    write_parquet(path, columns, row_group_size=2)
    expected = examples if content else [replace(example, content=None) for example in examples]
    assert read(Source(path), content=content) == expected


def test_the_table_of_the_first_paper(tmp_path):
    write_image(tmp_path / "1.jpg")
    rows = (("https://example.org/p/1.jpg", "a bag, on a table", "fashion"), ("1.jpg", "Soup", "food"))
    path = write_csv(tmp_path / "posts.csv", ("media link", "caption", "label"), *rows)
    assert read(Source(path)) == [
        Example("https://example.org/p/1.jpg", "fashion", caption="a bag, on a table"),
        Example(f"{tmp_path}/1.jpg", "food", caption="Soup"),
    ]


def test_the_task_files_of_crisismmd(tmp_path):
    header = ("event_name", "tweet_id", "image_id", "tweet_text", "image", "label", "label_text", "label_image", "both")
    tweet = 'RT @x: "Houston, we" need help\u2026 "'
    rows = [
        (
            "hurricane_harvey",
            "90",
            "90_0",
            tweet,
            "data_image/h/90_0.jpg",
            "not_humanitarian",
            "x",
            "severe",
            "Negative",
        ),
        ("mexico_earthquake", "91", "91_1", '"All is well', "data_image/h/91_1.jpg", "rescue", "y", "mild", "Positive"),
    ]
    (tmp_path / "crisismmd_datasplit_all").mkdir()
    path = tmp_path / "crisismmd_datasplit_all" / "task_humanitarian_text_img_train.tsv"
    path.write_text("\n".join("\t".join(row) for row in (header, *rows)) + "\n", "utf-8")
    for seed, row in enumerate(rows):
        write_image(tmp_path / row[4], seed)
    source = Source(path, split="train", images=tmp_path, columns=Columns(account="event_name"))
    assert read(source) == [Example(f"{tmp_path}/{row[4]}", row[5], None, "train", row[3], row[0]) for row in rows]
    seen = Source(path, images=tmp_path, columns=Columns(label="label_image"))
    assert [e.label for e in read(seen)] == ["severe", "mild"]


def test_the_task_files_of_the_crisis_vision_benchmarks(tmp_path):
    """Those of CrisisMMD in them name the images by the paths of their authors' machine."""
    header = ("event_name", "image_id", "image_path", "class_label")
    rows = [
        ("AIDR", "798_0", "data/aidr_disaster_types/t/14_11_2016/798_0.jpg", "earthquake"),
        ("CrisisMMD", "917_0", "/export/sc2/aidr/data/crisismmd/data_image/w/917_0.jpg", "fire"),
        ("CrisisMMD", "918_0", "/export/sc2/aidr/data/crisismmd/data_image/w/918_0.jpg", "fire"),
    ]
    path = write_csv(tmp_path / "consolidated_disaster_types_dev_final.tsv", header, *rows, delimiter="\t")
    write_image(tmp_path / rows[0][2], 0)
    write_image(tmp_path / "data/crisismmd/data_image/w/917_0.jpg", 1)
    with pytest.raises(DataError, match=r"missing image: dev: /export/sc2/aidr/.*918_0\.jpg: no such file"):
        read(Source(path, images=tmp_path, split="dev"))
    write_image(tmp_path / "data/crisismmd/data_image/w/918_0.jpg", 2)
    examples = read(Source(path, images=tmp_path, split="dev"))
    assert [e.image.removeprefix(f"{tmp_path}/") for e in examples] == [
        rows[0][2],
        "data/crisismmd/data_image/w/917_0.jpg",
        "data/crisismmd/data_image/w/918_0.jpg",
    ]
    assert [e.label for e in examples] == ["earthquake", "fire", "fire"]


def test_a_table_that_pandas_wrote_with_tabs(tmp_path):
    rows = (("a.jpg", "x", 'says "hi"\tand\nmore'), ("b.jpg", "y", "plain"))
    path = write_csv(tmp_path / "a.tsv", ("image", "label", "text"), *rows, delimiter="\t")
    assert [e.caption for e in read(Source(path), check_images=False)] == ['says "hi" and more', "plain"]
    rows = (("a.jpg", "x", 'says "hi"'), ("b.jpg", "y", "plain"))
    path = write_csv(tmp_path / "a.tsv", ("image", "label", "text"), *rows, delimiter="\t")
    assert [e.caption for e in read(Source(path), check_images=False)] == ['says "hi"', "plain"]


def test_rows_at_fault_are_all_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'image,label\n,x\na.jpg,y,z\nb.jpg,\xe9\nc.jpg,\nd.jpg\n"e.jpg,open\n')
    with pytest.raises(DataError, match="6 faults") as error:
        read(Source(path), check_images=False)
    for told in (
        "line 2: column 'image' is empty",
        "line 3 has 3 cells under 2 columns",
        "line 4 has a byte 0xe9",
        "empty label: no split: c.jpg",
        "empty label: no split: d.jpg",
        "line 7 cannot be read",
    ):
        assert told in str(error.value)
    write_json_lines(
        tmp_path / "a.jsonl", {"image": "a", "label": {}}, [1], {"image": "b", "label": 1.5}, {"label": "x"}
    )
    with pytest.raises(DataError, match="unreadable row: 4") as error:
        read(Source(tmp_path / "a.jsonl"), check_images=False)
    assert "line 1: column 'label' holds dict, not a name" in str(error.value)
    assert "line 2 is list, not a JSON object" in str(error.value)


def test_columns_given_and_unknown(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("pic", "what", "who"), ("a.jpg", "x", "me"))
    given = Columns(image="pic", label="what", account="who")
    assert read(Source(path, columns=given), check_images=False) == [Example("a.jpg", "x", account="me")]
    with pytest.raises(DataError) as error:
        read(Source(path, columns=Columns(label="wat", split="part")))
    told = "no column 'wat' and no column 'part' and no column of images; it has 'pic', 'what', 'who'"
    assert told in str(error.value)
    with pytest.raises(DataError, match="no column of images and no column of labels"):
        read(Source(path))


@pytest.mark.parametrize(
    ("header", "image", "label"),
    [
        ("image_id,image_path,class_label", 1, 2),
        ("Image URL,Category", 0, 1),
        ("label,File Name", 1, 0),
        ("label_image,label,image_id,image", 3, 1),
        ("media link,caption,label,url", 0, 2),
        ("coarse_label,img,fine_label", 1, 2),
    ],
)
def test_columns_by_their_names(tmp_path, header, image, label):
    names = header.split(",")
    path = write_csv(tmp_path / "a.csv", names, [f"cell {i}" for i in range(len(names))])
    (example,) = read(Source(path), check_images=False)
    assert (example.image, example.label) == (f"cell {image}", f"cell {label}")


def test_label_numbers_with_names(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    path = write_csv(tmp_path / "a.csv", ("image", "label"), ("a.jpg", 1), ("b.jpg", 0))
    assert [e.label for e in read(Source(path, names=tmp_path / "names.txt"), check_images=False)] == ["dog", "cat"]
    path = write_csv(
        tmp_path / "a.csv", ("image", "label"), ("a.jpg", 2), ("b.jpg", "cat"), ("c.jpg", "-1"), ("d.jpg", "")
    )
    with pytest.raises(DataError, match=r"unreadable row: 3, empty label: 1") as error:
        read(Source(path, names=tmp_path / "names.txt"), check_images=False)
    assert "line 3: label cat is not a number from 0 to 1" in str(error.value)


def test_labels_that_are_booleans_or_whole_floats(tmp_path):
    rows = [{"image": f"{i}.jpg", "label": label} for i, label in enumerate([True, False, 1.0])]
    write_json_lines(tmp_path / "a.jsonl", *rows)
    assert [e.label for e in read(Source(tmp_path / "a.jsonl"), check_images=False)] == ["true", "false", "1"]


def test_labels_of_a_table_without_types_are_the_same(tmp_path):
    rows = [(f"{i}.jpg", label) for i, label in enumerate(["True", "FALSE", "1.0", " 2 ", "1.5", "v1.0"])]
    path = write_csv(tmp_path / "a.csv", ("image", "label"), *rows)
    labels = [e.label for e in read(Source(path), check_images=False)]
    assert labels == ["true", "false", "1", "2", "1.5", "v1.0"]


def test_labels_that_differ_by_case_or_blanks_alone(tmp_path):
    labels = ["Cat", "cat", "cat", "hot dog", "hot  dog", "caf\u00e9", "cafe\u0301", "dog"]
    path = write_csv(tmp_path / "a.csv", ("image", "label"), *((f"{i}.jpg", label) for i, label in enumerate(labels)))
    with pytest.raises(DataError, match="label spelled in several ways: 3") as error:
        read(Source(path), check_images=False)
    assert "label spelled in several ways: 'Cat' (1), 'cat' (2)" in str(error.value)


def test_labels_that_pandas_left_empty(tmp_path):
    rows = [(f"{i}.jpg", label) for i, label in enumerate(["nan", "NaN", "<NA>", "NaT"])]
    path = write_csv(tmp_path / "a.csv", ("image", "label"), *rows)
    with pytest.raises(DataError, match="empty label: 4"):
        read(Source(path), check_images=False)


def test_without_content_bytes_are_not_read(tmp_path):
    columns = {"image": [{"bytes": bytes(1000), "path": "a.jpg"}], "label": ["x"], "user": ["me"]}
    path = write_parquet(tmp_path / "a.parquet", columns, compression="none")
    path.write_bytes(path.read_bytes().replace(bytes(500), b"\xff" * 500))  # the page of bytes
    assert read(Source(path), content=False) == [Example("a.jpg", "x", account="me")]


def test_parquet_at_fault(tmp_path):
    columns = {"image": [None, {"bytes": b"x", "path": "a"}], "label": [1.5, 2.5]}
    with pytest.raises(DataError, match="row 0: column 'image' is empty") as error:
        read(Source(write_parquet(tmp_path / "a.parquet", columns)))
    assert "row 1: column 'label' holds float, not a name" in str(error.value)
    for metadata in ({"huggingface": "{"}, {"huggingface": "[]"}, {"huggingface": '{"info": {"features": null}}'}):
        table = pa.table({"image": [b"x"], "label": [3]}).replace_schema_metadata(metadata)
        pa.parquet.write_table(table, tmp_path / "b.parquet")
        assert [e.label for e in read(Source(tmp_path / "b.parquet"))] == ["3"]
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(Source(tmp_path / "c.parquet"))


def test_a_list_of_captions_gives_its_first(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"image": [b"x"], "label": ["y"], "captions": [["one", "two"]]})
    assert read(Source(path))[0].caption == "one"
