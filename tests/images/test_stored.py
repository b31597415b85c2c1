"""Images, tables and shards in object stores, and results into them: servers on this machine."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import Interrupted, RunSpec
from imagist.errors import ImageTooLarge, OutputError, SourceNotFound
from imagist.images import as_photo, filesystems, rows
from imagist.images.decode import DecodeLimits
from imagist.images.filesystems import filesystem_of
from imagist.images.stored import StoredFile, stored_files
from object_servers import amazon, serving
from red_task import TASK, work

STORES = [pytest.param("s3", marks=pytest.mark.stores), "gs", "hf"]


@pytest.fixture(scope="module", params=STORES)
def store(request):
    """A store with a bucket, on a free port: its address."""
    with pytest.MonkeyPatch.context() as patch:
        filesystems._filesystem.cache_clear()
        if request.param == "s3":
            with amazon(patch, "posts"):
                yield "s3://posts"
        elif request.param == "gs":
            with serving("google") as address:
                patch.setenv("STORAGE_EMULATOR_HOST", address)
                yield "gs://posts"
        else:
            pytest.importorskip("huggingface_hub")
            with serving("hub") as address:
                patch.setenv("HF_ENDPOINT", address)
                yield "hf://datasets/me/posts"


def png(red):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), red, np.uint8)).save(file, "png")
    return file.getvalue()


def put(address, content):
    files, path = filesystem_of(address)
    with files.open_output_stream(path, compression=None) as file:
        file.write(content)


@pytest.fixture(scope="module")
def bucket(store, tmp_path_factory):
    """Images in folders, and a list, a table, a Parquet, a tar and a zip of them."""
    folder = tmp_path_factory.mktemp("stored")
    for n in range(5):
        put(f"{store}/in/{'ab'[n % 2]}/{n}.png", png(n))
        (folder / f"{n}.png").write_bytes(png(n))
    put(f"{store}/in/a/notes.md", b"text")
    put(f"{store}/in/.hidden.png", png(9))
    put(f"{store}/list.txt", b"in/a/0.png\nin/b/1.png\n")
    put(f"{store}/posts.csv.gz", gzip.compress(b"image,likes\nin/a/0.png,5\nin/none.png,6\n"))
    pq.write_table(pa.table({"image": [png(3), png(4)], "likes": [1, 2]}), folder / "x.parquet")
    with tarfile.open(folder / "x.tar", "w") as tar, zipfile.ZipFile(folder / "x.zip", "w") as packed:
        for n in range(5):
            tar.add(folder / f"{n}.png", f"{n}.png")
            packed.write(folder / f"{n}.png", f"{n}.png")
    with tarfile.open(folder / "x.tar.gz", "w:gz") as tar:
        tar.add(folder / "2.png", "2.png")
    for name in ("x.parquet", "x.tar", "x.zip", "x.tar.gz"):
        put(f"{store}/shards/{name}", (folder / name).read_bytes())
    return store


def reds(sources, **options):
    return [int(as_photo(row).pixels[0, 0, 0]) for row in rows(sources, **options)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("in/a/0.png", [0]),
        ("in/a", [0, 2, 4]),
        ("in/", [0, 2, 4, 1, 3]),
        ("in/*/[1-3].png", [2, 1, 3]),
        ("in/**/*.png", [0, 2, 4, 1, 3]),
        ("list.txt", [0, 1]),
        ("shards/x.parquet", [3, 4]),
        ("shards/x.tar", [0, 1, 2, 3, 4]),
        ("shards/x.zip", [0, 1, 2, 3, 4]),
        ("shards/*.tar.gz", [2]),
    ],
)
def test_sources_are_read_as_from_a_disk(bucket, source, expected):
    assert reds([f"{bucket}/{source}"]) == expected


def test_a_table_names_images_next_to_it(bucket):
    found = list(rows([f"{bucket}/posts.csv.gz"]))
    assert [(row.source, row.columns) for row in found] == [
        (f"{bucket}/in/a/0.png", {"likes": "5"}),
        (f"{bucket}/in/none.png", {"likes": "6"}),
    ]
    with pytest.raises(SourceNotFound, match="no such object"):
        as_photo(found[1])


@pytest.mark.parametrize("source", ["none.png", "none/", "none/*.png", "shards/none.tar", "in/a/*.jpg"])
def test_what_names_nothing_is_an_error_of_its_own(bucket, source):
    (row,) = rows([f"{bucket}/{source}"])
    assert isinstance(row.error, SourceNotFound)


def test_an_image_over_the_limit_is_not_read(bucket):
    with pytest.raises(ImageTooLarge):
        as_photo(f"{bucket}/in/a/0.png", limits=DecodeLimits(max_bytes=10))


def test_a_shard_is_read_by_ranges(bucket):
    with StoredFile(f"{bucket}/shards/x.tar").open() as file:
        file.seek(257)
        assert file.read(5) == b"ustar"
    assert [*stored_files(f"{bucket}/shards/*.zip")] == [f"{bucket}/shards/x.zip"]


def test_parts_are_written_into_a_store_and_resumed_there(bucket):
    def stopping(photos):
        if photos[-1].source.endswith("x.tar#4.png"):
            raise KeyboardInterrupt
        return work(photos)

    sources = (f"{bucket}/in/", f"{bucket}/shards/x.tar")
    spec = RunSpec(sources, parts=f"{bucket}/out/captions", part_rows=2, batch_size=1)
    with pytest.raises(Interrupted):
        engine.run(spec, replace(TASK, work=stopping))
    summary = engine.run(replace(spec, resume=True), TASK)
    assert (summary.done, summary.failed) == (10, 0)
    assert summary.earlier >= 5  # what was in flight when it stopped may be lost
    files, path = filesystem_of(spec.parts)
    found = pq.read_table(path, filesystem=files).to_pylist()
    assert [row["caption"] for row in found] == [f"red {n}" for n in (0, 2, 4, 1, 3, 0, 1, 2, 3, 4)]
    with files.open_input_file(f"{path}/_manifest.json") as file:
        assert json.loads(file.read())["complete"]
    with pytest.raises(OutputError, match="holds a finished run"):
        engine.run(spec, TASK)
    put(f"{bucket}/in/b/5.png", png(5))
    assert engine.run(replace(spec, update=True), TASK).done == 11
    assert not Path(bucket.partition("//")[0]).exists()
