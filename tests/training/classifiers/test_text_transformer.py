"""Fine-tuning: equal seeds, killed runs, early ends, frozen encoders, several processes.

Run as a script, it is what each process of the last test runs: ``FOLDER``.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from imagist.classifiers.text.transformer import Reading, TransformerClassifier, begin
from imagist.errors import DataError
from imagist.records import LabelSet
from imagist.training import checkpoint
from imagist.training.classifiers import text_transformer as words_transformer
from imagist.training.classifiers.text_run import WordsRun
from imagist.training.classifiers.text_transformer import (
    Transformer,
    batches,
    fit_transformer,
    share_at,
)

pytestmark = pytest.mark.torch

LABELS = LabelSet(("dog", "street", "water"))
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
THINGS = (("dog", "puppy"), ("car", "road"), ("sea", "boat"))
PADDING = ("a", "red", "big", "small", "with", "man")
OF_A_GROUP = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def captions(number, seed):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, number)
    around = [list(rng.choice(PADDING, rng.integers(1, 8))) for _ in range(number)]
    return [" ".join([*few, str(rng.choice(THINGS[k]))]) for few, k in zip(around, targets, strict=True)], targets


TRAIN, DEV = captions(46, 0), captions(30, 1)


def write_encoder(folder):
    """A BERT of two small layers."""
    words = [*SPECIAL, *PADDING, *(word for pair in THINGS for word in pair)]
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(**small, vocab_size=len(words), max_position_embeddings=16, pad_token_id=0)
    model = transformers.BertModel(config)
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight, std=0.5)
    with contextlib.redirect_stderr(io.StringIO()):  # progress bars
        model.save_pretrained(folder)
        transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return Transformer(
        model=str(folder), epochs=6, batch_size=8, learning_rate=3e-3, head_learning_rate=1e-2, patience=0, device="cpu"
    )


def fit(settings, *, dev=DEV, seed=3, folder=None, train=TRAIN):
    return fit_transformer(settings, train, LABELS, dev, seed, folder)


def weights(fitted):
    return fitted.classifier.network.state_dict()


def equal(one, other):
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


def test_it_learns_and_tells_of_each_epoch(settings):
    fitted = fit(replace(settings, epochs=25))
    assert [epoch.number for epoch in fitted.history] == [*range(1, 26)]
    first, last = fitted.history[0], fitted.history[-1]
    assert last.loss < first.loss
    assert last.dev_accuracy >= 0.9
    scores = fitted.classifier.scores(DEV[0])
    assert last.dev_accuracy == np.mean(scores.argmax(1) == DEV[1])
    assert last.dev_loss == pytest.approx(-np.log(scores[np.arange(30), DEV[1]]).mean(), abs=1e-6)
    assert not fitted.classifier.network.training


def test_a_frozen_encoder_reads_dev_once_and_tells_the_same_of_it(settings, monkeypatch):
    read, hidden = [], TransformerClassifier.hidden
    monkeypatch.setattr(
        TransformerClassifier, "hidden", lambda self, texts: read.append(len(texts)) or hidden(self, texts)
    )
    fitted = fit(replace(settings, epochs=3, freeze=True))
    assert sorted(read) == sorted([len(TRAIN[0]), len(DEV[0])])
    scores = fitted.classifier.scores(DEV[0])
    assert fitted.history[-1].dev_loss == pytest.approx(-np.log(scores[np.arange(30), DEV[1]]).mean(), abs=1e-6)


def test_without_dev_the_history_has_training_figures_only(settings):
    fitted = fit(replace(settings, epochs=2, patience=1), dev=None)
    assert [(epoch.dev_accuracy, epoch.dev_loss) for epoch in fitted.history] == [(None, None)] * 2
    assert fitted.history[1].train_accuracy > 1 / 3


def test_equal_seeds_give_equal_weights_and_others_do_not(settings):
    short = replace(settings, epochs=2)
    one = fit(short)
    torch.rand(5)  # whatever else was drawn in the meantime
    assert equal(one, fit(short))
    assert not equal(one, fit(short, seed=4))


def test_dev_does_not_change_what_is_learnt(settings):
    short = replace(settings, epochs=2)
    assert equal(fit(short), fit(short, dev=None))


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("at", [1, 8, 12, 13])  # within an epoch of 6 steps, and at the end of one
def test_a_killed_fit_ends_with_the_weights_of_an_unbroken_one(settings, tmp_path, monkeypatch, freeze, at):
    made = replace(settings, epochs=4, patience=3, freeze=freeze)
    unbroken = fit(made)
    learn = WordsRun.learn

    def killed(self, *given):
        if self.step == at:
            raise KeyboardInterrupt
        learn(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(words_transformer, "KEEP", 1)
        patched.setattr(WordsRun, "learn", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(made, folder=tmp_path)
    assert checkpoint.load(tmp_path / "words.pt")["step"] == at
    torch.rand(7)
    resumed = fit(made, folder=tmp_path)
    assert equal(resumed, unbroken)
    assert resumed.history == unbroken.history


def test_without_a_kill_a_folder_changes_nothing(settings, tmp_path):
    short = replace(settings, epochs=2)
    kept = fit(short, folder=tmp_path)
    assert equal(kept, fit(short))
    assert [file.name for file in tmp_path.iterdir()] == ["words.pt"]


def test_what_is_done_is_not_done_again(settings, tmp_path, monkeypatch):
    made = replace(settings, epochs=3, patience=1)
    first = fit(made, folder=tmp_path)
    assert "optimiser" not in checkpoint.load(tmp_path / "words.pt")
    monkeypatch.setattr(WordsRun, "learn", None)
    again = fit(made, folder=tmp_path)
    assert equal(first, again)
    assert first.history == again.history


def test_a_checkpoint_of_another_fit_is_refused(settings, tmp_path):
    short = replace(settings, epochs=1)
    fit(short, folder=tmp_path)
    fit(replace(short, device="auto"), folder=tmp_path)  # it may go on elsewhere
    others = [
        {"settings": replace(short, learning_rate=1e-4)}, {"seed": 9}, {"dev": None}, {"train": captions(46, 5)},
    ]  # fmt: skip
    for other in others:
        with pytest.raises(DataError, match="other data or settings"):
            fit(**({"settings": short, "folder": tmp_path} | other))


def told_of_dev(monkeypatch, *figures):
    """Makes dev say this, epoch by epoch, and remembers the weights that it was asked about."""
    seen = []

    def judge(settings, classifier, dev):
        def judged():
            seen.append({name: value.clone() for name, value in classifier.network.state_dict().items()})
            return figures[len(seen) - 1]

        return judged

    monkeypatch.setattr(words_transformer, "_evaluator", judge)
    return seen


def test_it_ends_when_dev_gets_no_better_and_keeps_the_best(settings, monkeypatch):
    seen = told_of_dev(monkeypatch, (0.5, 1.0), (0.8, 0.9), (0.8, 0.7), (0.7, 0.1), (0.8, 0.7), (1.0, 0.0))
    fitted = fit(replace(settings, patience=2))
    assert len(fitted.history) == 5  # the third is the best: equal accuracy, less loss
    assert all(torch.equal(value, seen[2][name]) for name, value in weights(fitted).items())


def test_without_patience_it_keeps_the_last(settings, monkeypatch):
    seen = told_of_dev(monkeypatch, *[(1.0, 0.0), *[(0.0, 9.0)] * 5])
    fitted = fit(settings)
    assert len(fitted.history) == 6
    assert all(torch.equal(value, seen[5][name]) for name, value in weights(fitted).items())


def test_a_frozen_encoder_stays_as_it_was(settings):
    before = begin(settings.model, LABELS, Reading()).network.encoder.state_dict()
    frozen = fit(replace(settings, freeze=True, epochs=25, head_learning_rate=3e-2))
    after = frozen.classifier.network.encoder.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert frozen.history[-1].train_accuracy > frozen.history[0].train_accuracy
    tuned = fit(replace(settings, epochs=1)).classifier.network.encoder.state_dict()
    changed = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, tuned[name])}
    assert changed == {"embeddings", "encoder"}  # the pooler is not used


def test_a_frozen_fit_is_that_of_the_layer_over_hidden_states(settings):
    """The same steps by hand."""
    made = replace(settings, freeze=True, epochs=2, dropout=0.0, weight_decay=0.0, clip=1e9)
    fitted = fit(made, dev=None)
    classifier = begin(settings.model, LABELS, Reading())
    hidden, goal = torch.from_numpy(classifier.hidden(TRAIN[0])), torch.from_numpy(TRAIN[1])
    torch.manual_seed(3)
    layer = torch.nn.Linear(16, 3)
    torch.nn.init.normal_(layer.weight, std=0.02)
    torch.manual_seed(3)
    torch.nn.init.normal_(layer.weight, std=0.02)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.AdamW(layer.parameters(), weight_decay=0.0)
    for step in range(12):
        rows = batches(np.zeros(46, int), 8, 3, step // 6)[step % 6]
        optimiser.param_groups[0]["lr"] = 1e-2 * share_at(step, 12, 0.1)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(layer(hidden[rows]), goal[rows]).backward()
        optimiser.step()
    torch.testing.assert_close(fitted.classifier.network.layer.weight, layer.weight, atol=1e-5, rtol=1e-4)


def test_equal_rates_train_both_parts(settings):
    fitted = fit(replace(settings, epochs=1, head_learning_rate=3e-3))
    begun = begin(settings.model, LABELS, Reading()).network.encoder.state_dict()
    changed = [name for name, value in begun.items() if not torch.equal(value, weights(fitted)[f"encoder.{name}"])]
    assert changed
    assert weights(fitted)["head.1.bias"].abs().min() > 0


@given(
    lengths=st.lists(st.integers(2, 60), min_size=1, max_size=300),
    size=st.integers(1, 9),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
)
def test_an_epoch_holds_every_text_once(lengths, size, seed, epoch):
    lengths = np.array(lengths)
    made = batches(lengths, size, seed, epoch)
    assert sorted(row for rows in made for row in rows) == list(range(len(lengths)))
    assert len(made) == math.ceil(len(lengths) / size)
    assert all(0 < len(rows) <= size for rows in made)
    assert made == batches(lengths, size, seed, epoch)


def test_texts_of_a_batch_are_about_as_long_as_each_other():
    lengths = np.random.default_rng(0).integers(3, 60, 512)
    sorted_ones = [np.ptp(lengths[rows]) for rows in batches(lengths, 16, 0, 0)]
    assert np.mean(sorted_ones) < 8
    assert batches(lengths, 16, 0, 0) != batches(lengths, 16, 0, 1)


@pytest.mark.parametrize(("steps", "warm"), [(1, 0.0), (1, 0.9), (10, 0.1), (100, 0.3), (7, 0.0), (50, 0.99)])
def test_rates_rise_to_the_peak_once_and_fall(steps, warm):
    shares = [share_at(step, steps, warm) for step in range(steps)]
    peak = int(np.argmax(shares))
    assert shares[peak] == 1
    assert peak == max(1, round(warm * steps)) - 1
    assert all(0 < share <= 1 for share in shares)
    assert (np.diff(shares[: peak + 1]) > 0).all()
    assert (np.diff(shares[peak:]) < 0).all()


def test_half_precision_learns_much_the_same(settings):
    fitted = fit(replace(settings, epochs=25, bf16=True))
    assert weights(fitted)["head.1.weight"].dtype == torch.float32
    assert fitted.history[-1].dev_accuracy >= 0.85


def processes(number, folder):
    """The fit of `main` in so many processes, as ``torchrun`` would start them."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if name not in OF_A_GROUP}
    inherited |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shared = {"WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = []
    for rank in range(number):
        own = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if number > 1 else {}
        started.append(
            subprocess.Popen([sys.executable, __file__, str(folder)], stderr=-1, text=True, env=inherited | own)
        )
    try:
        for process in started:
            _, complained = process.communicate(timeout=500)
            assert process.returncode == 0, complained[-3000:]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [torch.load(folder / f"weights-{rank}.pt", weights_only=True) for rank in range(number)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_processes_learn_what_one_does(tmp_path):
    """Batches of 9, 9, 9, 9, 9 and 1 texts: those that two cannot share evenly, and one that leaves one with none."""
    for number in (1, 2):
        write_encoder(tmp_path / str(number))
    (alone,) = processes(1, tmp_path / "1")
    one, two = processes(2, tmp_path / "2")
    for name, value in alone.items():
        assert torch.equal(one[name], two[name]), name
        torch.testing.assert_close(one[name], value, atol=1e-5, rtol=0, msg=lambda told, name=name: f"{name}: {told}")


def main(folder):
    torch.set_num_threads(1)
    made = Transformer(
        model=str(folder),
        epochs=2,
        batch_size=9,
        dropout=0.0,
        learning_rate=1e-3,
        head_learning_rate=1e-2,
        device="cpu",
    )
    begun = transformers.BertConfig.from_pretrained(folder)
    begun.hidden_dropout_prob = begun.attention_probs_dropout_prob = 0.0
    begun.save_pretrained(folder)
    fitted = fit(made, folder=folder)
    torch.save(weights(fitted), folder / f"weights-{os.environ.get('RANK', 0)}.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
