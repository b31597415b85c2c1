import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from imagist.datasets.captions import Record, read
from imagist.datasets.near_duplicates import DISTANCE, close_pairs, hashes, perceptual_hash
from imagist.errors import DataError, UsageError

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=12)
ALTERED = {  # how, and the least share of copies that must be found
    "JPEG quality 20": (lambda image: encoded(image, 20), 1.0),
    "half size": (lambda image: encoded(image.resize((112, 112))), 1.0),
    "stretched": (lambda image: encoded(image.resize((500, 333), Image.Resampling.BICUBIC)), 1.0),
    "grey": (lambda image: encoded(image.convert("L")), 1.0),
    "brighter": (lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.25)), 0.96),
    "cropped by 2% a side": (lambda image: encoded(image.crop((4, 4, 220, 220))), 0.9),
}


def encoded(image, quality=60):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def near_duplicates(a, b, distance=DISTANCE):
    """The names of images, one of each set, that look the same, most alike first."""
    pairs = sorted((bits, i, j) for i, j, bits in close_pairs(hashes(a), hashes(b), distance))
    return [(a[i].image, b[j].image) for _, i, j in pairs]


def test_copies_are_found_and_others_are_not(jpeg, folder):
    a = [Record(str(folder / f"{name}.jpg"), ("x",)) for name in "abcd"]
    b = [
        Record("other", ("x",), content=jpeg(99)),
        Record("small", ("x",), content=jpeg(2, (48, 32), quality=30)),
        Record("same", ("x",), content=jpeg(1)),
    ]
    assert near_duplicates(a, b) == [(a[1].image, "same"), (a[2].image, "small")]
    assert near_duplicates(a, b, distance=0)[:1] == [(a[1].image, "same")]
    assert len(near_duplicates(a, b, distance=64)) == 12
    assert near_duplicates(a, []) == near_duplicates([], b) == []


def test_all_that_cannot_be_decoded_is_named(jpeg):
    bad = [Record("cut", ("x",), content=jpeg(0)[:-400]), Record("gone.jpg", ("x",))]
    with pytest.raises(DataError, match="3 faults") as error:
        hashes([*bad, Record("no image", ("x",), content=b"text")])
    assert all(f"unreadable image: {name}" in str(error.value) for name in ("cut", "gone.jpg", "no image"))


def test_a_distance_that_is_none():
    with pytest.raises(UsageError, match="0 to 64"):
        near_duplicates([], [], distance=65)


def test_plain_images_have_one_hash():
    hashes = {perceptual_hash(np.full((h, 50, 3), grey, np.uint8)) for h in (1, 40, 300) for grey in (1, 77, 255)}
    assert len(hashes) == 1


@given(HASHES, HASHES, st.integers(0, 64))
def test_the_product_counts_the_bits_that_differ(a, b, distance):
    expected = [(i, j, (x ^ y).bit_count()) for i, x in enumerate(a) for j, y in enumerate(b)]
    found = list(close_pairs(np.array(a, np.uint64), np.array(b, np.uint64), distance))
    assert found == [each for each in expected if each[2] <= distance]


def test_more_than_one_chunk():
    many = np.arange(9000, dtype=np.uint64)
    assert [(i, j) for i, j, _ in close_pairs(many, many[[8999, 5]], 0)] == [(5, 1), (8999, 0)]


@pytest.mark.data
@pytest.mark.slow
def test_flickr8k_splits_share_nothing(data):
    train = [r for i in (0, 1) for r in read(data / "flickr8k" / f"train-{i}.parquet")]
    assert near_duplicates(train, read(data / "flickr8k" / "dev.parquet"), distance=8) == []


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("how", ALTERED)
def test_altered_copies_of_flickr8k_are_found_and_no_others(data, how):
    alter, share = ALTERED[how]
    dev = read(data / "flickr8k" / "dev.parquet")[:300]
    images = [Image.open(io.BytesIO(r.content)).convert("RGB") for r in dev]
    copies = [Record(r.image, ("x",), content=alter(image)) for r, image in zip(dev, images, strict=True)]
    found = near_duplicates(dev, copies)
    assert len(found) >= share * len(dev)
    assert not [pair for pair in found if pair[0] != pair[1]]
