"""What files are by their first bytes, of files that their libraries wrote."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from imagist.images.first_bytes import kind_of


def written(write):
    out = io.BytesIO()
    write(out)
    return out.getvalue()


TABLE = pa.table({"a": [1]})
WRITTEN = {
    "ZIP": written(lambda out: zipfile.ZipFile(out, "w").close()),
    "gzip": gzip.compress(b"a"),
    "bzip2": bz2.compress(b"a"),
    "XZ": lzma.compress(b"a"),
    "Zstandard": pa.Codec("zstd").compress(b"a", asbytes=True),
    "Parquet": written(lambda out: pq.write_table(TABLE, out)),
    "Arrow": written(lambda out: feather.write_feather(TABLE, out)),
    "SQLite": b"SQLite format 3\0",
    "HTML": b"\xef\xbb\xbf\n<!DOCTYPE html>",
    None: b"BZhang,PKW",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_libraries_write_is_known(kind):
    assert kind_of(WRITTEN[kind]) == kind


def test_a_tar_file_is_known_by_its_first_member():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("PK\3\4.jpg"))
    assert kind_of(out.getvalue()) == "TAR"
