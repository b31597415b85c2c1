import io
import os

import numpy as np
import pytest
from PIL import Image

from imagist.datasets.captions import Record
from imagist.datasets.labels import Example
from imagist.errors import FetchFailed, ImageTooLarge, ItemError, SourceNotFound, UnknownFormat, UsageError
from imagist.images import DecodeLimits, as_photo, read_file
from imagist.images.photo import items, photo_of
from imagist.records import Photo, Row

PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def path(tmp_path, png):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    return path


def test_every_way_to_hand_over_a_image(path, png):
    with Image.open(path) as opened:
        for item, source in (
            (path, str(path)),
            (str(path), str(path)),
            (png, "<memory>"),
            (Row("row 1", png), "row 1"),
            (Row(str(path)), str(path)),
            (opened, str(path)),
            (Image.fromarray(PIXELS), "<image>"),
        ):
            photo = as_photo(item)
            np.testing.assert_array_equal(photo.pixels, PIXELS)
            assert (photo.source, photo.size) == (source, (8, 6))
    np.testing.assert_array_equal(as_photo(bytearray(png)).pixels, PIXELS)


@pytest.mark.parametrize(
    "made",
    [
        lambda image, content: Record(image, ("x",), content=content),
        lambda image, content: Example(image, "a", content),
    ],
    ids=["captioned", "labelled"],
)
def test_a_image_of_a_set_is_what_the_set_holds_or_what_lies_there(path, png, made):
    for image, content in (("a row's name", png), (str(path), None), (str(path.parent / "none.png"), png)):
        photo = photo_of(made(image, content))
        np.testing.assert_array_equal(photo.pixels, PIXELS)
        assert photo.source == image


def test_a_image_of_a_set_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ItemError, match=r"^12\.png: "):
        photo_of(Record("12.png", ("x",), content=b"no image"))
    with pytest.raises(ItemError, match=r"^13\.png: "):
        photo_of(Record("13.png", ("x",), content=b""))
    with pytest.raises(SourceNotFound, match=r"none\.png"):
        photo_of(Record(str(tmp_path / "none.png"), ("x",)))


def test_an_open_file_may_give_a_part_at_a_time(png):
    class Stream:
        def __init__(self):
            self.left = png

        def read(self, length):
            part, self.left = self.left[:7], self.left[7:]
            return bytearray(part)

    np.testing.assert_array_equal(as_photo(Stream()).pixels, PIXELS)
    with pytest.raises(ImageTooLarge):
        as_photo(Stream(), limits=DecodeLimits(max_bytes=len(png) - 1))


def test_a_mapping_is_not_taken_for_its_keys():
    with pytest.raises(UsageError, match="not an image, nor several: dict"):
        items({"image": "cat.jpg"})


def test_a_photo_is_returned_as_it_is():
    photo = Photo(PIXELS)
    assert as_photo(photo) is photo


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS[..., 0], PIXELS[..., [0, 0, 0]]),
        (PIXELS[..., :1], PIXELS[..., [0, 0, 0]]),
        (PIXELS / 255, PIXELS),
        ((PIXELS / 255).astype(np.float32), PIXELS),
        ((PIXELS / 255).astype(np.float16), PIXELS),
        (PIXELS[::-1, ::-1], PIXELS[::-1, ::-1]),
        (np.zeros((6, 8, 4), np.uint8), np.full((6, 8, 3), 255)),
        (np.ones((6, 8), np.float64), np.full((6, 8, 3), 255)),
    ],
)
def test_arrays(array, expected):
    photo = as_photo(array)
    np.testing.assert_allclose(photo.pixels, expected, atol=0 if array.dtype != np.float16 else 1)
    assert photo.source == "<array>"


@pytest.mark.parametrize(
    "array",
    [
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16),
        PIXELS.astype(bool),
        PIXELS.astype(np.float32),
        PIXELS / -255,
        np.full((4, 4), np.nan),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.float32),
        np.zeros(4, np.uint8),
        np.array("text"),
    ],
)
def test_arrays_that_are_no_images(array):
    with pytest.raises(UnknownFormat, match=r"pass uint8, or floats in 0\.\.1"):
        as_photo(array)


@pytest.mark.parametrize("item", [None, 7, ["a.png"], {"a": 1}])
def test_things_that_are_no_images(item):
    with pytest.raises(UnknownFormat, match=f"not an image: {type(item).__name__}"):
        as_photo(item)


def test_limits_hold_for_arrays_and_images_too():
    big = np.zeros((200, 300, 3), np.uint8)
    limits = DecodeLimits(work_side=20)
    assert as_photo(big, limits=limits).pixels.shape == (20, 30, 3)
    assert as_photo(big, limits=limits).size == (300, 200)
    assert as_photo(Image.fromarray(big), limits=limits).pixels.shape == (20, 30, 3)


def test_the_error_of_a_row_is_raised():
    error = SourceNotFound("the cell is empty")
    with pytest.raises(SourceNotFound) as caught:
        as_photo(Row("t.csv#3", error=error))
    assert caught.value is error


def test_a_row_without_bytes_reads_nothing_else():
    with pytest.raises(ItemError):
        as_photo(Row("/etc/hostname", content=b""))


@pytest.mark.parametrize(
    ("name", "problem"), [("none.jpg", "no such file"), ("", "a folder"), ("a\0b", "not a file name")]
)
def test_paths_that_name_no_file(tmp_path, name, problem):
    with pytest.raises(SourceNotFound, match=problem):
        as_photo(os.path.join(tmp_path, name))  # noqa: PTH118


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(SourceNotFound, match="not a regular file"):
            as_photo(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission(path):
    path.chmod(0)
    with pytest.raises(SourceNotFound, match="permission denied"):
        as_photo(path)


def test_the_size_is_checked_before_reading(tmp_path):
    path = tmp_path / "vast.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageTooLarge, match=r"1048576\.0 MiB") as caught:
        read_file(path)
    assert caught.value.item == str(path)


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(SourceNotFound, match="too long"):
        read_file(tmp_path / ("a" * 300))


def test_an_address_is_fetched():
    with pytest.raises(FetchFailed):
        as_photo("http://127.0.0.1:9/a.jpg")


def test_several_images_and_one(png, tmp_path):
    array = np.zeros((6, 8, 3), np.uint8)
    path = tmp_path / "a.png"
    for one in ("a.png", path, png, array, array[..., 0], Row("a"), io.BytesIO(png), Image.fromarray(array)):
        (same,) = items(one)
        assert same is one
    many = np.zeros((5, 6, 8, 3), np.uint8)
    assert len([*items(many)]) == len([*items(many[..., 0])]) == 5
    assert [*items(name for name in ("a", "b"))] == ["a", "b"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_are_no_image_and_not_several_grey_ones(channels):
    (array,) = items(np.zeros((channels, 6, 8), np.uint8))
    with pytest.raises(UnknownFormat, match=r"move channels to the end, array.transpose\(1, 2, 0\)"):
        as_photo(array)


def test_open_files_that_give_no_image(path, png):
    with path.open("rb") as file:
        pass
    with pytest.raises(SourceNotFound, match=r"a\.png: cannot be read: .*closed"):
        as_photo(file)
    with pytest.raises(UnknownFormat, match="mode 'rb'"):
        as_photo(io.StringIO("text"))
    with pytest.raises(ImageTooLarge):
        as_photo(io.BytesIO(png), limits=DecodeLimits(max_bytes=20))
