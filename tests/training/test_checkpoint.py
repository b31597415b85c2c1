"""Where a long run stands, on disk; the key of weights."""

from __future__ import annotations

import pickle

import pytest

torch = pytest.importorskip("torch")

from imagist.errors import DataError
from imagist.training import checkpoint

pytestmark = pytest.mark.torch


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "deep" / "run.pt"
    checkpoint.save(path, {"weights": {"a": torch.arange(3)}, "step": 7, "config": "x"})
    state = checkpoint.load(path)
    assert state["step"] == 7
    assert state["config"] == "x"
    assert torch.equal(state["weights"]["a"], torch.arange(3))
    assert [file.name for file in path.parent.iterdir()] == ["run.pt"]


def test_nothing_is_there_before(tmp_path):
    assert checkpoint.load(tmp_path / "run.pt") is None


def test_a_kill_while_writing_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    checkpoint.save(path, {"step": 1})

    def half(state, file):
        file.write_bytes(b"PK\3\4 half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path) == {"step": 1}


class Evil:
    def __reduce__(self):
        return print, ("run!",)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\3\4", pickle.dumps(Evil())])
def test_garbage_is_refused_by_name_with_the_remedy(tmp_path, content, capsys):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"(?s)run\.pt: unreadable checkpoint.*delete it"):
        checkpoint.load(path)
    assert "run!" not in capsys.readouterr().out


def test_code_is_not_run(tmp_path, capsys):
    path = tmp_path / "run.pt"
    torch.save({"step": Evil()}, path)
    with pytest.raises(DataError):
        checkpoint.load(path)
    assert "run!" not in capsys.readouterr().out


def test_a_key_changes_with_any_weight_or_buffer():
    module = torch.nn.BatchNorm2d(3)
    key = checkpoint.weights_key(module)
    with torch.no_grad():
        for tensor in (module.weight, module.running_mean):
            tensor[0] += 1
            assert checkpoint.weights_key(module) != key
            tensor[0] -= 1
    assert checkpoint.weights_key(module) == key
