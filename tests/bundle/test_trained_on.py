"""What a model says of the images that it learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.bundle import trained_on, write_trained_on
from imagist.errors import BundleError

HASHES = np.array([7, 2**64 - 1, 3, 7], np.uint64)


def test_hashes_are_kept_once_in_order_and_joined_with_those_of_parts(tmp_path):
    write_trained_on(tmp_path, HASHES, None, np.array([5, 3], np.uint64))
    assert trained_on(tmp_path).tolist() == [3, 5, 7, 2**64 - 1]
    assert (tmp_path / "trained_on.npy").stat().st_size == 128 + 8 * 4


def test_a_part_and_a_file_of_weights_have_those_of_their_folder(tmp_path):
    (tmp_path / "captioner").mkdir()
    (tmp_path / "encoder.safetensors").touch()
    assert trained_on(tmp_path / "captioner") is None
    write_trained_on(tmp_path, HASHES)
    assert len(trained_on(tmp_path / "captioner")) == len(trained_on(tmp_path / "encoder.safetensors")) == 3


def test_where_nothing_is_known_nothing_is_written_or_found(tmp_path):
    write_trained_on(tmp_path, None)
    assert not any(tmp_path.iterdir())
    assert trained_on("google/some-checkpoint") is None


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", np.zeros(3).tobytes()])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "trained_on.npy").write_bytes(content)
    with pytest.raises(BundleError, match=r"trained_on\.npy"):
        trained_on(tmp_path)


def test_the_shipped_model_says_what_it_learnt_from():
    assert len(trained_on("embedded")) > 20_000
