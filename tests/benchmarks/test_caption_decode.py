"""Both searches over the shipped model, and how runs are compared."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from caption_decode import ONE_BY_ONE, OURS, PLAIN, PLAIN_WHOLE, Contest, Timed, best_of, same, timed
from run_networks import opened

pytestmark = pytest.mark.torch


@pytest.mark.slow
def test_the_shipped_model_gives_the_same_captions_with_both(photos, tmp_path):
    contest = Contest(opened("embedded", tmp_path, tmp_path), photos, 3, 1)
    said = {name: piece() for name, (piece, _) in contest.work().items()}
    assert said[OURS] == said[PLAIN] == said[ONE_BY_ONE]
    assert len(said[PLAIN_WHOLE]) == len(said[OURS]) == len(photos)
    assert all(said[OURS])


def test_the_best_of_turns_is_taken_of_each():
    turns = [{"a": Timed(10, 0.5), "b": Timed(3, 0.1)}, {"a": Timed(8, 0.4), "b": Timed(4, 0.2)}]
    assert best_of(turns) == {"a": Timed(10, 0.4), "b": Timed(4, 0.1)}


def test_the_shorter_of_two_is_compared():
    assert same([("a",), ("b",), ("c",)], [("a",), ("x",)]) == 0.5


def test_work_is_done_once_when_it_is_timed():
    calls = []
    found = timed(lambda: calls.append(1), 10)
    assert calls == [1]
    assert found.rate > 0
