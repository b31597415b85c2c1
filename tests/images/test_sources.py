import base64
import gzip
import io
import os
import re
import subprocess
import sys
import tarfile

import pytest

from imagist.errors import ManifestError, OutputError, SettingError, SourceNotFound, UnknownFormat
from imagist.images import count, rows

PNG = b"\x89PNG\r\n\x1a\n" + bytes(300)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with images and others in it."""
    for name in ("b.JPG", "a.png", "note.txt", "sub/d.webp", "sub/deep/e.jpeg", "sub/c.Gif", "z.psd", "posts.csv"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "in/download").write_bytes(PNG)
    (tmp_path / "in/README").write_bytes(b"text")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


IMAGES = ["in/a.png", "in/b.JPG", "in/download", "in/sub/c.Gif", "in/sub/d.webp", "in/sub/deep/e.jpeg", "in/z.psd"]


def names(*sources, **options):
    return [row.source for row in rows(sources, **options)]


def only_error(*sources, **options):
    (row,) = rows(sources, **options)
    assert row.source == sources[0]
    assert count(sources) == 1
    return row.error


def test_a_file_is_a_row_whatever_its_name(folder):
    assert names("in/README", "./in/a.png") == ["in/README", "./in/a.png"]
    assert count(["in/README", "in/a.png"]) == 2


def test_files_that_are_no_images_have_a_remedy(folder):
    for name, remedy in (("p.gz", "unpack it"), ("p.ods", "save it as CSV"), ("p.json", "one a line in .jsonl")):
        (folder / name).write_text('{"a": 1}')
        (row,) = rows([name])
        assert isinstance(row.error, UnknownFormat)
        assert remedy in row.error.remedy
    (row,) = rows(["in/n*"])
    assert row.error.remedy == "if it lists images, name the file itself: in/note.txt"
    (folder / "really.txt").write_bytes(PNG)
    (row,) = rows(["really.txt"])
    assert row.error is None


def test_a_folder_gives_its_images_sorted_and_below(folder):
    assert names("in") == IMAGES
    assert names(str(folder / "in")) == [str(folder / name) for name in IMAGES]
    assert count(["in"]) == len(IMAGES)


def test_a_folder_without_images(folder):
    error = only_error("empty")
    assert isinstance(error, SourceNotFound)
    assert "no images in this folder" in str(error)


def test_what_is_hidden_in_a_folder_is_left_out(folder):
    for name in ("._a.png", ".thumbnails/t.jpg", "__MACOSX/._a.png", "@eaDir/a.png", "sub/.ipynb_checkpoints/c.jpg"):
        (folder / "in" / name).parent.mkdir(exist_ok=True)
        (folder / "in" / name).write_bytes(PNG)
    assert names("in") == IMAGES
    assert names("in/.thumbnails") == ["in/.thumbnails/t.jpg"]  # who names it wants it
    (folder / "empty/.a.png").write_bytes(PNG)
    assert "no images in this folder; hidden files are left out" in str(only_error("empty"))


def test_archives_in_a_folder_are_left_out_with_a_notice(folder, caplog):
    for name in ("in/z.zip", "in/sub/y.tar.gz", "in/w.txt"):
        (folder / name).write_bytes(b"")
    assert names(str(folder / "in")) == [str(folder / name) for name in IMAGES]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{folder / 'in'}: archives in this folder are not read: {folder / 'in/z.zip'} and 1 more "
        "(name them as sources, too)"
    )


def test_a_file_with_another_suffix_is_known_by_its_first_bytes(folder):
    found = ["a.jpg_large", "b.jpg?itok=3", "c.jpg.1", "d.bin"]
    for name in found:
        (folder / "empty" / name).write_bytes(PNG)
    bitmap = b"BM" + bytes(12) + (40).to_bytes(4, "little") + bytes(36)
    for name, content in (("e.dat", bitmap), ("f.dat", b"P6\n# by hand\n4 4\n255\n")):
        (folder / "empty" / name).write_bytes(content)
    for name, content in (("g.dat", b"BMW and others"), ("h.dat", b"P1 was a car"), ("i.mp4", b"\0\0\0 ftypisom")):
        (folder / "empty" / name).write_bytes(content)
    assert names("empty") == [f"empty/{name}" for name in [*found, "e.dat", "f.dat"]]


def test_linked_folders_are_read_and_loops_are_not(folder):
    (folder / "real").mkdir()
    (folder / "real/c.jpg").touch()
    (folder / "empty/linked").symlink_to(folder / "real")
    (folder / "real/back").symlink_to(folder / "empty")
    (folder / "empty/mad").symlink_to("mad")
    (folder / "empty/nowhere").symlink_to("gone")
    assert names("empty") == ["empty/linked/c.jpg"]
    assert count(["empty"]) == 1


def test_a_folder_that_holds_itself(folder):
    (folder / "in/sub/loop").symlink_to(folder / "in")
    (folder / "in/gone.jpg").symlink_to(folder / "nowhere")
    assert names("in") == sorted([*IMAGES, "in/gone.jpg"])


def test_a_pipe_without_a_suffix_in_a_folder_is_not_waited_for(folder):
    os.mkfifo(folder / "in/pipe")
    assert names("in") == IMAGES


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list anything")
def test_a_folder_that_cannot_be_listed(folder):
    (folder / "in/sub").chmod(0)
    assert [row.source for row in rows(["in"]) if row.error] == ["in/sub"]
    (folder / "in/sub").chmod(0o700)


def test_files_that_may_not_be_read(folder, caplog, monkeypatch):
    (folder / "in/unknown").touch()
    (folder / "in/gone").symlink_to("nowhere")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert names("in") == IMAGES
    assert caplog.records[-1].getMessage().startswith("in: files without permission are not read: in/note.txt and ")

    def refuse(path):
        raise PermissionError

    monkeypatch.setattr(os, "lstat", refuse)
    assert "permission denied" in str(only_error("in/sub/../gone.jpg"))


def test_globs(folder):
    assert names("in/*.[jJ]*") == ["in/b.JPG"]
    assert names("in/**/*.jpeg") == ["in/sub/deep/e.jpeg"]
    assert names("in/s*") == ["in/sub/c.Gif", "in/sub/d.webp", "in/sub/deep/e.jpeg"]
    assert names("in/sub/**") == ["in/sub/c.Gif", "in/sub/d.webp", "in/sub/deep/e.jpeg"]
    assert count(["in/sub/**"]) == 3
    assert "matches no file" in str(only_error("in/*.tiff"))


def test_a_file_whose_name_looks_like_a_glob(folder):
    (folder / "a[1].png").write_bytes(b"x")
    assert names("a[1].png") == ["a[1].png"]


@pytest.mark.parametrize("source", ["nowhere.jpg", "nowhere/", "", "a\0b", "posts.csv", "shard.tar"])
def test_what_does_not_exist_comes_out_once(folder, source):
    error = only_error(source)
    assert isinstance(error, SourceNotFound)
    assert "no such file" in str(error)


def test_addresses_are_not_looked_at(folder):
    assert names("http://a/b*.jpg", "HTTPS://c/d.csv") == ["http://a/b*.jpg", "HTTPS://c/d.csv"]
    assert count(["http://a/b.csv"]) == 1


def test_a_list_on_stdin(folder):
    listed = io.StringIO("in/a.png\r\n\n  \nhttp://a/b\nin/sub\nnowhere\n-\n")
    expected = ["x.jpg", "in/a.png", "http://a/b", *IMAGES[3:6], "nowhere", "-", "in/b.JPG"]
    (folder / "x.jpg").touch()
    assert names("x.jpg", "-", "in/b.JPG", stdin=listed) == expected
    assert count(["-"]) is None


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_in_a_file(folder, packed):
    lines = ["a.png", "  sub/*.G*f ", "", "http://a/b.txt", "empty/../in/b.JPG", "nowhere.jpg", "other.txt"]
    text = "\r\n".join(lines).encode()
    path = folder / ("in/list.txt.gz" if packed else "in/list.txt")
    path.write_bytes(gzip.compress(text) if packed else text)
    found = list(rows([f"in/{path.name}"]))
    expected = ["in/a.png", "in/sub/c.Gif", "http://a/b.txt", "empty/../in/b.JPG", "nowhere.jpg", f"in/{path.name}#7"]
    assert [row.source for row in found] == expected
    assert [row.error is None for row in found] == [True] * 4 + [False] * 2
    assert "other.txt is a list in a list" in str(found[-1].error)
    assert count([f"in/{path.name}"]) is None


def test_the_folder_of_a_list_and_of_a_table(folder):
    (folder / "list.txt").write_text("a.png\n")
    (folder / "posts.csv").write_text("path\na.png\n")
    assert names("list.txt", "posts.csv", images=folder / "in") == [str(folder / "in/a.png")] * 2
    with pytest.raises(SettingError, match="no such folder"):
        rows(["list.txt"], images=folder / "gone")


def test_lines_of_a_list_that_are_not_utf8(folder):
    (folder / "list.txt").write_bytes(b"Andr\xe9.jpg\nin/a.png\n")
    first, second = rows(["list.txt"])
    message = "line 1 has a byte 0xe9 that is not UTF-8; save the file as UTF-8"
    assert (first.source, first.error.message) == ("list.txt#1", message)
    assert second.source == "in/a.png"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_lists_in_any_encoding_of_unicode(folder, encoding):
    (folder / "list.txt").write_bytes("in/a.png\nin/b.JPG\n".encode(encoding))
    assert names("list.txt") == ["in/a.png", "in/b.JPG"]


def test_a_list_that_is_no_text_says_what_to_do(folder):
    (folder / "list.txt").write_bytes(b"PK\3\4")
    (row,) = rows(["list.txt"])
    assert row.source == "list.txt"
    assert "is a ZIP archive, not text; unpack it" in str(row.error)


@pytest.mark.parametrize("name", ["p.csv.gz", "p.jsonl.gz", "p.json", "p.json.gz", "paths.json"])
def test_packed_tables_and_lists_of_json(folder, name):
    text = {"p.csv.gz": "image\na.png\nb.png\n", "p.jsonl.gz": '{"image": "a.png"}\n{"image": "b.png"}\n'}
    listed = '["a.png", "b.png"]' if name == "paths.json" else '[{"image": "a.png"}, {"image": "b.png"}]'
    content = text.get(name, listed).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert names(name) == ["a.png", "b.png"]


def test_a_packed_table_that_is_cut_short_gives_what_it_has(folder):
    lines = "".join(f"{n}.png,{os.urandom(8).hex()}\n" for n in range(5000))
    content = gzip.compress(f"image,x\n{lines}".encode())
    (folder / "p.csv.gz").write_bytes(content[: len(content) // 2])
    *found, last = rows(["p.csv.gz"])
    assert len(found) > 1000
    assert all(row.error is None for row in found)
    assert "cannot be read from line" in str(last.error)
    (folder / "q.csv.gz").write_bytes(content[:4])
    with pytest.raises(ManifestError, match=r"q\.csv\.gz"):
        rows(["q.csv.gz"])


def test_addresses_that_hold_the_image_or_name_a_file(folder):
    address = "data:image/png;base64," + base64.b64encode(PNG).decode()
    first, second, third = rows([address, f"file://{folder}/in/a.png", "file://localhost/a%20b.png"])
    assert (first.source, first.content) == (f"{address[:32]}... ({len(address)} characters)", PNG)
    assert second.source == f"{folder}/in/a.png"
    assert third.source == "/a b.png"


@pytest.mark.parametrize("source", ["ftp://a/x.jpg", "abfs://a/x.jpg", "www.example.org/x.jpg", "//a/x.jpg"])
def test_addresses_that_are_not_read_have_a_remedy(folder, source):
    assert re.search(r"http\(s\) address|https://", only_error(source).remedy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.zip", "a.txt", "a.jpg"])
@pytest.mark.parametrize("source", ["{}", "a.*"])
def test_pipes_are_not_opened(folder, name, source):
    os.mkfifo(folder / name)
    (row,) = rows([source.format(name)])
    assert (row.source, row.error.message) == (name, "not a regular file")


def test_links_that_lead_nowhere(folder):
    (folder / "a.csv").symlink_to(folder / "gone.csv")
    (folder / "b.csv").symlink_to(folder / "b.csv")
    assert [str(row.error) for row in rows(["a.csv", "b.csv"])] == ["a.csv: no such file", "b.csv: no such file"]


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ('"in/a.png"', "leave out the quotes"),
        ("\u201cin/a.png\u201d", "leave out the quotes"),
        ("~/a.png", "write the path in full"),
        ("in\\a.png", "write / between folders"),
        ("in/b\\a.png", None),
    ],
)
def test_names_that_are_no_file_s_have_a_remedy(folder, source, remedy):
    found = only_error(source).remedy
    assert (found or "").startswith(remedy or "") is True
    assert (found is None) is (remedy is None)


def test_stdin_is_read_as_it_comes():
    def lines():
        yield "http://a/1\n"
        yield pytest.fail("read ahead")

    assert next(rows(["-"], stdin=lines())).source == "http://a/1"


@pytest.mark.parametrize("source", ["posts.csv", "p*.csv", "list.txt", "link.csv", "-"])
def test_files_that_are_about_to_be_replaced_are_no_inputs(folder, source):
    (folder / "posts.csv").write_text("path\nin/a.png\n")
    (folder / "list.txt").write_text("posts.csv\n")
    (folder / "link.csv").symlink_to(folder / "posts.csv")
    outputs = (folder / "other.csv", folder / "posts.csv")
    with pytest.raises(OutputError, match=r"posts\.csv: is an input, too"):
        list(rows([source], stdin=io.StringIO("posts.csv\n"), outputs=outputs))


def test_a_byte_order_mark_on_stdin_is_no_part_of_the_name(folder):
    assert names("-", stdin=io.StringIO("\ufeffin/a.png\n\ufeff\nin/b.JPG\n")) == ["in/a.png", "in/b.JPG"]


def test_a_member_of_an_archive_is_no_source(folder):
    (folder / "a.zip").touch()
    assert str(only_error("a.zip#b/c.jpg")).endswith("(an archive is read as a whole: a.zip)")


def test_names_that_end_in_a_nul(folder):
    (row,) = rows(["-"], stdin=io.StringIO("in/a.png\0in/b.JPG\0"))
    assert "no such file (list one name a line" in str(row.error)


def test_stdin_of_the_process(folder):
    code = "from imagist.images import rows; print([row.source for row in rows(['-'])])"
    out = subprocess.check_output([sys.executable, "-c", code], input="in/a.png\n", text=True)
    assert out == "['in/a.png']\n"


def test_tables_and_shards(folder):
    (folder / "posts.csv").write_text("path,likes\nin/a.png,3\n,4\n")
    with tarfile.open(folder / "s.tar", "w") as tar:
        info = tarfile.TarInfo("k.jpg")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"ab"))
    first, second, third = rows(["posts.csv", "s.tar"])
    assert (first.source, first.columns) == ("in/a.png", {"likes": "3"})
    assert isinstance(second.error, SourceNotFound)
    assert (third.source, third.content) == ("s.tar#k.jpg", b"ab")
    assert count(["posts.csv"]) is None
    assert count(["s.tar"]) is None


def test_the_rows_of_parquet_are_counted(folder):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"path": ["a", "b", "c"]}), folder / "t.parquet")
    assert count(["t.parquet", "in/a.png"]) == 4
    assert names("t.parquet") == ["a", "b", "c"]


def test_a_table_that_cannot_be_used_is_refused_before_anything_is_read(folder):
    (folder / "bad.csv").write_text("id,shot\n1,a\n")
    (folder / "bad.tar").write_bytes(b"junk")
    for bad in ("bad.csv", "bad.tar"):
        with pytest.raises(ManifestError, match=bad):
            rows(["in/a.png", bad])
    assert [row.source for row in rows(["bad.csv"], column="shot")] == ["a"]


def test_a_table_that_cannot_be_used_is_a_row_where_it_is_met_later(folder):
    (folder / "bad.csv").write_text("id,shot\n1,a\n")
    (folder / "bad.parquet").write_bytes(b"junk")
    found = list(rows(["bad.*", "in/a.png"]))
    assert [row.source for row in found] == ["bad.csv", "bad.parquet", "in/a.png"]
    assert [type(row.error) for row in found] == [ManifestError, ManifestError, type(None)]
    assert count(["bad.parquet"]) == 1


_FOOTPRINT = """
import re, sys
from pathlib import Path
from imagist.images import rows
print(sum(len(row.content) for row in rows([sys.argv[1]])))
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_parquet_is_read_in_constant_memory(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    blob = os.urandom(100_000)
    peaks = []
    for length in (100, 1000):
        path = tmp_path / f"{length}.parquet"
        table = pa.table({"image": [{"bytes": i.to_bytes(4, "big") + blob, "path": str(i)} for i in range(length)]})
        parquet.write_table(table, path, row_group_size=50)
        total, peak = subprocess.check_output([sys.executable, "-c", _FOOTPRINT, str(path)], text=True).split()
        assert int(total) == length * 100_004
        peaks.append(int(peak))
    assert peaks[1] < 1.2 * peaks[0]
