"""The two phases in a row: killed ones end where unbroken ones do, and what is done is not done twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from imagist.training import checkpoint
from imagist.training.captioners import cross_entropy as crossentropy
from imagist.training.captioners import phases as caption
from imagist.training.captioners import self_critical as critical
from imagist.training.captioners.evaluator import Judge

pytestmark = pytest.mark.torch


def kill_at(monkeypatch, number):
    """Makes the ``number``-th look at dev the last thing that a run does."""
    figures, calls = Judge.figures, []

    def killed(self, model, search=None):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return figures(self, model, search)

    monkeypatch.setattr(Judge, "figures", killed)


def words_alone(model, learning, tiny):
    crossentropy.cross_entropy(model, learning, tiny.words)


def critical_alone(model, learning, tiny):
    critical.self_critical(model, learning, tiny.critical, tiny.words)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(
    ("phase", "file"), [(words_alone, "words.pt"), (critical_alone, "critical.pt")], ids=["words", "critical"]
)
def test_a_killed_phase_goes_on_and_ends_where_an_unbroken_one_does(tiny, tmp_path, monkeypatch, phase, file, bf16):
    def go(folder):
        model = tiny.model(dropout=0.3)
        phase(model, tiny.learning(tmp_path / folder, bf16=bf16), tiny)
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
        words_alone(model, tiny.learning(tmp_path / folder, seed=seed), tiny)
        return model.decoder.deep.weight.detach()

    one, same, other = go("a", 0), go("b", 0), go("c", 1)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_recipe_ends_with_a_captioner_and_does_not_train_twice(tiny, tmp_path, monkeypatch):
    model = tiny.model()
    caption.learn(model, tiny.learning(tmp_path), tiny.words, tiny.critical)
    assert not model.training
    for phase in ("cross_entropy", "self_critical"):
        monkeypatch.setattr(caption, phase, lambda *_: pytest.fail("trained again"))
    again = tiny.model(seed=1)
    caption.learn(again, tiny.learning(tmp_path), tiny.words, tiny.critical)
    assert not again.training
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_a_recipe_killed_in_its_second_phase_does_not_repeat_the_first(tiny, tmp_path, monkeypatch):
    unbroken, resumed = tiny.model(), tiny.model()
    caption.learn(unbroken, tiny.learning(tmp_path / "unbroken"), tiny.words, tiny.critical)
    looks = len((tmp_path / "unbroken" / "words.jsonl").read_text().splitlines())
    with monkeypatch.context() as patched:
        kill_at(patched, looks + 2)
        with pytest.raises(KeyboardInterrupt):
            caption.learn(tiny.model(), tiny.learning(tmp_path / "killed"), tiny.words, tiny.critical)
    assert not (tmp_path / "killed" / "captioner.pt").exists()
    before = (tmp_path / "killed" / "words.jsonl").read_text()
    caption.learn(resumed, tiny.learning(tmp_path / "killed"), tiny.words, tiny.critical)
    assert (tmp_path / "killed" / "words.jsonl").read_text() == before
    for name, weight in unbroken.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_without_steps_there_is_no_second_phase(tiny, tmp_path):
    model = tiny.model()
    caption.learn(model, tiny.learning(tmp_path), tiny.words, replace(tiny.critical, steps=0))
    assert {file.name for file in tmp_path.iterdir()} == {"words.pt", "words.jsonl", "captioner.pt"}
    best = checkpoint.load(tmp_path / "words.pt")["best"]
    assert all(torch.equal(weight, best[name]) for name, weight in model.state_dict().items())


def test_the_second_phase_goes_on_from_the_best_of_the_first(tiny, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(caption, "self_critical", lambda model, *_: given.update(model.state_dict()))
    caption.learn(tiny.model(), tiny.learning(tmp_path), tiny.words, tiny.critical)
    best = checkpoint.load(tmp_path / "words.pt")["best"]
    assert all(torch.equal(weight, best[name]) for name, weight in given.items())


@pytest.mark.parametrize("name", ["cpu", "meta", "cuda:1"])
def test_a_device_by_its_name(name):
    assert caption.device_of(name) == torch.device(name)


def test_the_device_of_its_own_choice(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert caption.device_of("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    assert caption.device_of("auto") == torch.device("cuda")
