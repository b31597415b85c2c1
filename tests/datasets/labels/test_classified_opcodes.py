import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_sets import python_2

from imagist.datasets.labels.opcodes import unpacked
from imagist.errors import DataError

atoms = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.binary(max_size=300)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.binary(max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


@given(values)
def test_the_standard_library_reads_the_same(value):
    content = python_2(value)
    assert pickle.loads(content, encoding="bytes") == value
    assert unpacked(content, "x") == value


def test_an_array_and_long_lists_with_many_memos():
    value = {b"data": np.arange(24, dtype=np.uint8).reshape(2, 12), b"names": [b"%d" % i for i in range(2500)] * 2}
    content = python_2(value)
    for read in (pickle.loads(content, encoding="bytes"), unpacked(content, "x")):
        assert read[b"names"] == value[b"names"]
        assert read[b"data"].dtype == np.uint8
        assert (read[b"data"] == value[b"data"]).all()
    assert not unpacked(content, "x")[b"data"].flags.writeable


@pytest.mark.parametrize("protocol", range(6))
def test_what_would_run_code_is_refused(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="not as CIFAR-100 is written, at byte"):
        unpacked(pickle.dumps(Evil(), protocol), "evil")
    with pytest.raises(DataError):
        unpacked(b"\x80\x02" + pickle.dumps(Evil(), protocol)[2 if protocol > 1 else 0 :], "evil")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"cos\nsystem\n.", r"refers to 'os\\nsystem'"),
        (b"cnumpy\nload\n.", "refers to"),
        (b"cnumpy\nndarray\n.", "an array without bytes"),
        (b"cnumpy\nndarray\n)R.", "a call that makes no array"),
        (b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.", "a call that makes no array"),
        (b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R.", "an array without bytes"),
        (b"]K\x01b.", "a state of what is no array"),
        (b"i", "operation b'i'"),
        (b"\x95\0\0\0\0\0\0\0\0.", "operation"),
        (b"K", "1 bytes announced, 0 left"),
        (b"T\xff\xff\xff\xff.", "-1 bytes announced"),
        (b"T\xff\xff\xff\x7fab.", "bytes announced, 3 left"),
        (b".", "pop from empty list"),
        (b"h\x05.", "5"),
        (b"K\x01(\x85.", "reaches below its mark"),
        (b"K\x01t.", "pop from empty list"),
        (b"}K\x01a.", "appended to what is no list"),
        (b"}(U\x01au.", "make no dict"),
        (b"}]K\x01s.", "make no dict"),
        (b"cnumpy", "subsection not found"),
    ],
)
def test_other_operations_are_refused(body, told):
    with pytest.raises(DataError, match=told) as error:
        unpacked(b"\x80\x02" + body, "some file")
    assert error.value.item == "some file"


@given(st.binary(max_size=60))
def test_noise_is_refused_or_read(noise):
    with suppress(DataError):
        unpacked(b"\x80\x02" + noise, "x")


@given(st.data())
def test_a_flipped_byte_is_refused_or_read(data):
    content = bytearray(python_2({b"a": np.zeros((1, 4), np.uint8), b"b": [1, 2, 3]}))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    with suppress(DataError):
        unpacked(bytes(content), "x")


def test_an_array_of_other_numbers_or_shape_is_refused():
    with pytest.raises(DataError, match="a call that makes no array of bytes"):
        unpacked(python_2(np.zeros((2, 2), np.int16)), "x")
    short = python_2(np.zeros((2, 2), np.uint8)).replace(b"U\x04" + bytes(4), b"U\x03" + bytes(3))
    with pytest.raises(DataError, match="cannot reshape"):
        unpacked(short, "x")


def test_a_file_cut_short_is_refused_wherever_it_is_cut():
    content = python_2({b"data": np.zeros((1, 3), np.uint8), b"labels": [*range(5)]})
    assert struct.unpack("<H", content[:2]) == (0x0280,)
    for end in range(len(content)):
        with pytest.raises(DataError):
            unpacked(content[:end], "x")
