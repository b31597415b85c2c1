"""The device that training runs on."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from imagist.training.devices import device_of

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", ["cpu", "meta", "cuda:1"])
def test_a_device_is_named(name):
    assert device_of(name) == torch.device(name)


def test_auto_is_the_accelerator_or_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert device_of("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    assert device_of("auto") == torch.device("cuda")
