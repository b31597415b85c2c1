"""Both phases: a killed one resumes and ends with equal weights, and a finished one is not repeated."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from imagist.training import checkpoint
from imagist.training.captioners import phases
from imagist.training.captioners.cross_entropy import train_cross_entropy
from imagist.training.captioners.evaluator import CaptionEvaluator
from imagist.training.captioners.phases import train_phases
from imagist.training.captioners.self_critical import train_self_critical

pytestmark = pytest.mark.torch


def kill_at(monkeypatch, number):
    """Kills the run at its ``number``-th evaluation."""
    evaluate, calls = CaptionEvaluator.evaluate, []

    def killed(self, model, search=None):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return evaluate(self, model, search)

    monkeypatch.setattr(CaptionEvaluator, "evaluate", killed)


def cross_entropy_alone(model, context, tiny):
    train_cross_entropy(model, context, tiny.cross_entropy)


def self_critical_alone(model, context, tiny):
    train_self_critical(model, context, tiny.self_critical, tiny.cross_entropy)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(
    ("phase", "file"),
    [(cross_entropy_alone, "cross_entropy.pt"), (self_critical_alone, "self_critical.pt")],
    ids=["cross-entropy", "self-critical"],
)
def test_a_killed_phase_goes_on_and_ends_where_an_unbroken_one_does(tiny, tmp_path, monkeypatch, phase, file, bf16):
    def go(folder):
        model = tiny.model(dropout=0.3)
        phase(model, tiny.context(tmp_path / folder, bf16=bf16), tiny)
        return checkpoint.load(tmp_path / folder / file), model.state_dict()

    before = {name: weight.clone() for name, weight in tiny.model(dropout=0.3).state_dict().items()}
    unbroken, chosen = go("unbroken")
    assert not torch.equal(before["decoder.deep.weight"], unbroken["weights"]["decoder.deep.weight"])
    with monkeypatch.context() as patched:
        kill_at(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            go("killed")
    at = checkpoint.load(tmp_path / "killed" / file)["step"]
    assert at < unbroken["step"]
    torch.rand(7)  # whatever else was drawn in the meantime
    resumed, chosen_again = go("killed")
    assert resumed["step"] == unbroken["step"]
    for part in ("weights", "average", "best"):
        assert all(torch.equal(weight, resumed[part][name]) for name, weight in unbroken[part].items())
    assert all(torch.equal(chosen[name], chosen_again[name]) for name in chosen)
    lines = [
        {json.loads(line)["step"] for line in (tmp_path / folder / file).with_suffix(".jsonl").read_text().splitlines()}
        for folder in ("unbroken", "killed")
    ]
    assert lines[0] == lines[1]


def test_another_seed_gives_other_weights(tiny, tmp_path):
    def go(folder, seed):
        model = tiny.model()
        cross_entropy_alone(model, tiny.context(tmp_path / folder, seed=seed), tiny)
        return model.decoder.deep.weight.detach()

    one, same, other = go("a", 0), go("b", 0), go("c", 1)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_recipe_ends_with_a_captioner_and_does_not_train_twice(tiny, tmp_path, monkeypatch):
    model = tiny.model()
    train_phases(model, tiny.context(tmp_path), tiny.cross_entropy, tiny.self_critical)
    assert not model.training
    for phase in ("train_cross_entropy", "train_self_critical"):
        monkeypatch.setattr(phases, phase, lambda *_: pytest.fail("trained again"))
    again = tiny.model(seed=1)
    train_phases(again, tiny.context(tmp_path), tiny.cross_entropy, tiny.self_critical)
    assert not again.training
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_a_recipe_killed_in_its_second_phase_does_not_repeat_the_first(tiny, tmp_path, monkeypatch):
    unbroken, resumed = tiny.model(), tiny.model()
    train_phases(unbroken, tiny.context(tmp_path / "unbroken"), tiny.cross_entropy, tiny.self_critical)
    looks = len((tmp_path / "unbroken" / "cross_entropy.jsonl").read_text().splitlines())
    with monkeypatch.context() as patched:
        kill_at(patched, looks + 2)
        with pytest.raises(KeyboardInterrupt):
            train_phases(tiny.model(), tiny.context(tmp_path / "killed"), tiny.cross_entropy, tiny.self_critical)
    assert not (tmp_path / "killed" / "captioner.pt").exists()
    before = (tmp_path / "killed" / "cross_entropy.jsonl").read_text()
    train_phases(resumed, tiny.context(tmp_path / "killed"), tiny.cross_entropy, tiny.self_critical)
    assert (tmp_path / "killed" / "cross_entropy.jsonl").read_text() == before
    for name, weight in unbroken.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_without_steps_there_is_no_second_phase(tiny, tmp_path):
    model = tiny.model()
    train_phases(model, tiny.context(tmp_path), tiny.cross_entropy, replace(tiny.self_critical, steps=0))
    assert {file.name for file in tmp_path.iterdir()} == {"cross_entropy.pt", "cross_entropy.jsonl", "captioner.pt"}
    best = checkpoint.load(tmp_path / "cross_entropy.pt")["best"]
    assert all(torch.equal(weight, best[name]) for name, weight in model.state_dict().items())


def test_the_second_phase_goes_on_from_the_best_of_the_first(tiny, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(phases, "train_self_critical", lambda model, *_: given.update(model.state_dict()))
    train_phases(tiny.model(), tiny.context(tmp_path), tiny.cross_entropy, tiny.self_critical)
    best = checkpoint.load(tmp_path / "cross_entropy.pt")["best"]
    assert all(torch.equal(weight, best[name]) for name, weight in given.items())
