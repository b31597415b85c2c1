"""Random captioned sets, and the files that others would write of them."""

import csv
import json

import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet as pq

from imagist.datasets.captions import Record

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
sentences = st.lists(words, min_size=1, max_size=6).map(" ".join).filter(lambda s: not s.startswith(("['", '["')))
names = st.from_regex(r"[\w#,;\"'(-][\w#,;\"'( -]{0,8}\.(jpg|png)", fullmatch=True).filter(str.isprintable)
translations = st.dictionaries(st.sampled_from(["de", "fr", "cs"]), st.tuples(sentences))
LANGUAGES = ("de", "fr", "cs")


@st.composite
def sets(draw, *, split=False, content=False, translated=False, most=5):
    """One to six records with names of their own, in no order."""
    return [
        Record(
            image,
            tuple(draw(st.lists(sentences, min_size=1, max_size=most))),
            draw(st.sampled_from(["train", "val", "test"])) if split else None,
            draw(st.binary(min_size=1, max_size=20)) if content else None,
            draw(translations) if translated else {},
        )
        for image in draw(st.lists(names, min_size=1, max_size=6, unique=True))
    ]


def write_tokens(path, records):
    lines = [f"{r.image}#{i}\t{caption}\n" for r in records for i, caption in enumerate(r.captions)]
    path.write_text("".join(lines), "utf-8", newline="")
    return path


def write_csv(path, header, rows, **dialect):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, **dialect)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_coco(path, records):
    images = [{"id": 1000 - i, "file_name": r.image} for i, r in enumerate(records)]
    annotations = [
        {"id": 7, "image_id": 1000 - i, "caption": caption} for i, r in enumerate(records) for caption in r.captions
    ]
    annotations.sort(key=lambda each: -len(each["caption"]))  # stable within no image: order is that of annotations
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": annotations}), "utf-8")
    return path


def write_karpathy(path, records):
    images = [
        {
            "filename": r.image.rpartition("/")[2],
            **({"filepath": r.image.rpartition("/")[0]} if "/" in r.image else {}),
            "split": r.split,
            "sentences": [{"tokens": caption.lower().split(), "raw": caption} for caption in r.captions],
        }
        for r in records
    ]
    path.write_text(json.dumps({"images": images, "dataset": "flickr8k"}), "utf-8")
    return path


def write_parquet(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def parquet_columns(records):
    strings = pa.list_(pa.string())
    return {
        "image": [{"bytes": r.content, "path": r.image} for r in records],
        "split": pa.array([r.split for r in records], pa.string()),
        "captions": pa.array([list(r.captions) for r in records], strings),
        **{code: pa.array([r.translations.get(code, (None,))[0] for r in records], pa.string()) for code in LANGUAGES},
    }
