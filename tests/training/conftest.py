"""One thread, so that two runs give the same bits, and the sets of `tiny_training`."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="package", autouse=True)
def _one_thread():
    """Before any fixture of a module: what one trains is compared with what a test trains."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _seeded(_one_thread):
    pytest.importorskip("torch").manual_seed(0)


@pytest.fixture
def tiny():
    """See `tiny_training.Tiny`."""
    pytest.importorskip("accelerate")
    from tiny_training import Tiny

    return Tiny()
