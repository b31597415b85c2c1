"""One phase on disk."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from accelerate import Accelerator

from imagist.training import checkpoint
from imagist.training.captioners.run import TrainingRun

pytestmark = pytest.mark.torch


class Parts(torch.nn.Module):
    """An encoder and a decoder of one weight each, and a frozen one."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
        self.frozen = torch.nn.Linear(1, 1, bias=False).requires_grad_(False)
        for part in (self.encoder, self.decoder, self.frozen):
            torch.nn.init.ones_(part.weight)

    def forward(self, x):
        return self.encoder(x) + self.decoder(x) + self.frozen(x)


class Scripted:
    def __init__(self, **metrics):
        self.metrics = metrics

    def evaluate(self, model):
        return self.metrics


FACTORS = {"encoder": 0.1, "decoder": 1.0, "frozen": 1.0}


def begin(path, model=None, average=0.5, clip=1e9):
    model = Parts() if model is None else model
    run = TrainingRun(
        model,
        FACTORS,
        weight_decay=0.0,
        ema_decay=average,
        max_grad_norm=clip,
        path=path,
        accelerator=Accelerator(cpu=True),
    )
    return run, model


def go(run, steps, rate=0.01):
    for _ in range(steps):
        run.update(run.wrapped(torch.ones(4, 1)).mean(), rate)


def test_each_part_learns_at_its_share_of_the_rate(tmp_path):
    run, model = begin(tmp_path / "a.pt")
    go(run, 1)
    assert float(model.decoder.weight.detach()) == pytest.approx(1 - 0.01, abs=1e-5)  # Adam's first step is the rate
    assert float(model.encoder.weight.detach()) == pytest.approx(1 - 0.001, abs=1e-5)
    assert float(model.frozen.weight) == 1
    assert run.step == 1


def test_the_gradient_is_held_to_a_length(tmp_path):
    """Adam divides by the gradient's own size, and so hides the bound: it is asked for the gradient itself."""
    run, model = begin(tmp_path / "a.pt", clip=0.5)
    run.update(100 * run.wrapped(torch.ones(4, 1)).mean(), 0.01)
    assert float(torch.stack([model.encoder.weight.grad, model.decoder.weight.grad]).norm()) == pytest.approx(0.5)


def test_dev_sees_the_moving_average_of_the_weights(tmp_path):
    run, model = begin(tmp_path / "a.pt", average=0.5)
    seen = []

    class Looks:
        def evaluate(self, averaged):
            seen.append(float(averaged.decoder.weight.detach()))
            return {"cider": 1.0}

    expected = None
    for _ in range(4):
        go(run, 1)
        weight = float(model.decoder.weight.detach())
        expected = weight if expected is None else 0.5 * expected + 0.5 * weight  # the first is taken as it is
    run.evaluate(Looks())
    assert seen == [pytest.approx(expected, abs=1e-6)]


def test_the_best_is_what_all_languages_like_together(tmp_path):
    run, model = begin(tmp_path / "a.pt")
    liked = None
    for figures, better in [
        ({"cider": 1.0, "cider_de": 0.5, "bleu_4": 0.0}, True),
        ({"cider": 1.1, "cider_de": 0.3, "bleu_4": 9.0}, False),
        ({"cider": 0.9, "cider_de": 0.7, "bleu_4": 0.0}, True),
        ({"cider": 0.9, "cider_de": 0.7, "bleu_4": 1.0}, False),
    ]:
        go(run, 1)
        run.evaluate(Scripted(**figures))
        assert run.evaluations_without_gain == (0 if better else 1)
        if better:
            liked = float(run._average.module.decoder.weight.detach())
    run.load_best()
    assert float(model.decoder.weight.detach()) == liked


def test_it_goes_on_where_it_was_kept(tmp_path):
    unbroken, model = begin(tmp_path / "a.pt")
    go(unbroken, 7)
    first, _ = begin(tmp_path / "b.pt")
    go(first, 3)
    first.save()
    second, resumed = begin(tmp_path / "b.pt")
    assert second.step == 3
    go(second, 4)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    for one, other in zip(unbroken._average.parameters(), second._average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_dev_said_is_written_beside_it(tmp_path):
    run, _ = begin(tmp_path / "cross_entropy.pt")
    for figure in (0.25, 0.5):
        go(run, 2)
        run.evaluate(Scripted(cider=figure))
    lines = [json.loads(line) for line in (tmp_path / "cross_entropy.jsonl").read_text().splitlines()]
    assert lines == [{"step": 2, "cider": 0.25}, {"step": 4, "cider": 0.5}]
    state = checkpoint.load(tmp_path / "cross_entropy.pt")
    assert (state["step"], state["best_score"], state["evaluations_without_gain"]) == (4, 0.5, 0)


@pytest.mark.gpu
def test_it_runs_on_an_accelerator_that_the_model_was_not_on(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    model = Parts()
    run = TrainingRun(
        model,
        FACTORS,
        weight_decay=0.0,
        ema_decay=0.5,
        max_grad_norm=1.0,
        path=tmp_path / "a.pt",
        accelerator=Accelerator(),
    )
    for _ in range(3):
        run.update(run.wrapped(torch.ones(4, 1, device="cuda")).mean(), 0.01)
    run.evaluate(Scripted(cider=1.0))
    run.load_best()
    assert next(model.parameters()).is_cuda
