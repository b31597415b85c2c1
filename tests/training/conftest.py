"""One thread, so that two runs give the same bits, and the sets of `tiny_training`."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny():
    """See `tiny_training.Tiny`."""
    pytest.importorskip("accelerate")
    from tiny_training import Tiny

    return Tiny()
