"""The captioner's recipe on sets of three and four photographs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from imagist.decoding import END, START, Decoding  # noqa: E402
from imagist.metrics.ptb import tokenize  # noqa: E402
from imagist.training import caption, captioning, checkpoint, critical, crossentropy  # noqa: E402
from imagist.training.captioning import SPECIAL, UNKNOWN, CaptionConfig, until_end, vocabulary  # noqa: E402
from imagist.training.judge import Judge, captions_of, next_words  # noqa: E402
from imagist.training.sentences import LabelSentences  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([5, 6, END, END], [1, 1, 1, 0]),
        ([END, 5, END, 6], [1, 0, 0, 0]),
        ([5, 6, 7, 8], [1, 1, 1, 1]),
        ([5, 6, 7, END], [1, 1, 1, 1]),
    ],
)
def test_until_the_first_end(words, expected):
    assert until_end(torch.tensor(words)).int().tolist() == expected
    assert until_end(torch.tensor([[words]])).shape == (1, 1, 4)


def test_the_vocabulary_begins_with_the_special_words():
    words = vocabulary([["a dog", "a dog runs"], ["a zebu"]], LabelSentences({"cat"}), 2)
    assert words[:3] == SPECIAL
    assert (SPECIAL.index("<end>"), SPECIAL.index("<start>"), SPECIAL.index("<unknown>")) == (END, START, UNKNOWN)
    assert words[3:5] == ("a", "dog")
    assert "zebu" not in words
    assert {w for s in LabelSentences({"cat"}).all() for w in s.split()} <= {*words}


def test_sentences_become_ids_and_words_again(tiny):
    ids = tiny.sentences.encode("a dog runs")
    assert ids.shape == (tiny.config.longest + 2,)
    assert ids[0] == START
    assert (ids[4:] == END).all()
    assert tiny.sentences.decode(ids) == "a dog runs"
    assert tiny.sentences.decode(ids, with_end=True) == "a dog runs <end>"
    assert tiny.sentences.decode(tiny.sentences.encode("a snark")) == "a <unknown>"
    assert tiny.sentences.decode(tiny.sentences.encode("a " * 99)).split() == ["a"] * tiny.config.longest


def test_captions_are_a_photograph_s_own_and_labels_draw(tiny):
    rng = np.random.default_rng(0)
    own = {tiny.sentences.decode(ids) for ids in tiny.sentences.draw(0, 0, rng)}
    assert len(own) == 3
    assert own <= {" ".join(tokenize(s)) for s in tiny.sets[0].photos.captions[0]}
    drawn = [tiny.sentences.decode(ids) for ids in tiny.sentences.draw(2, 0, rng)]
    assert all("banana" in sentence for sentence in drawn)


def test_a_batch_holds_photographs_of_every_set(tiny):
    grid, words = captioning.batch(tiny.sets, tiny.sentences, np.random.default_rng(0), tiny.config)
    assert grid.shape == (8, 4, 6)
    assert words.shape[:2] == (8, 3)
    assert words.dtype == torch.int64
    assert (words[:, :, 0] == START).all()
    assert (words[:, :, -1] == END).all()
    again = captioning.batch(tiny.sets, tiny.sentences, np.random.default_rng(0), tiny.config)
    assert torch.equal(again[1], words)


def plain(**changes):
    return CaptionConfig(**{"smoothing": 0.0, "attend_all": 0.0, **changes})


def test_the_loss_of_knowing_nothing_is_the_log_of_the_vocabulary():
    goal = torch.tensor([[[5, 6, END, END]]])
    loss = crossentropy.word_loss(torch.zeros(1, 1, 4, 10), torch.full((1, 1, 4, 2), 0.5), goal, plain())
    assert float(loss) == pytest.approx(math.log(10), rel=1e-5)


def test_behind_the_end_and_at_unknown_words_nothing_counts():
    goal = torch.tensor([[[5, UNKNOWN, END, END, 7]]])
    logits = torch.zeros(1, 1, 5, 10, requires_grad=True)
    crossentropy.word_loss(logits, torch.full((1, 1, 5, 2), 0.5), goal, plain()).backward()
    counts = logits.grad.abs().sum(-1)[0, 0] > 0
    assert counts.tolist() == [True, False, True, False, False]


def test_a_perfect_guess_costs_nothing():
    goal = torch.tensor([[[5, END]]])
    logits = torch.nn.functional.one_hot(goal, 10).float() * 100
    assert float(crossentropy.word_loss(logits, torch.full((1, 1, 2, 2), 0.5), goal, plain())) == pytest.approx(
        0, abs=1e-5
    )


def test_looking_everywhere_alike_costs_nothing_and_staring_does():
    goal = torch.tensor([[[5, 6, 7, END, END]]])
    logits = torch.zeros(1, 1, 5, 10)
    fair = torch.full((1, 1, 5, 2), 0.5)
    staring = torch.tensor([1.0, 0.0]).expand(1, 1, 5, 2)
    base = crossentropy.word_loss(logits, fair, goal, plain())
    assert float(crossentropy.word_loss(logits, fair, goal, plain(attend_all=1.0))) == pytest.approx(float(base))
    # four counted words on two cells: seen 4 and 0 where 2 and 2 are fair
    assert float(crossentropy.word_loss(logits, staring, goal, plain(attend_all=1.0)) - base) == pytest.approx(
        8, rel=1e-5
    )


def test_samples_are_sentences(tiny):
    decoder = tiny.decoder().eval()
    sampled = critical.sample(decoder, torch.randn(3, 4, 6), 5, tiny.config.longest)
    assert sampled.shape == (3, 5, tiny.config.longest + 2)
    assert sampled.dtype == torch.int64
    assert (sampled[..., 0] == START).all()
    assert (sampled[..., -1] == END).all()
    said = sampled[..., 1:]
    assert not ((said == START) | (said == UNKNOWN)).any()
    assert (said[~until_end(said)] == END).all()
    assert len({tuple(s) for s in sampled.flatten(0, 1).tolist()}) > 1


def test_decoding_never_offers_the_start_or_the_unknown_word(tiny):
    decoder = tiny.decoder().eval()
    with torch.no_grad():
        decoder.bias[[START, UNKNOWN]] = 50.0
        values, keys, state, cell = decoder.begin(torch.randn(2, 4, 6))
        state, cell = (x[:, None].expand(-1, 3, -1) for x in (state, cell))
        best, ids, *_ = next_words(decoder, torch.full((2, 3), START), values, keys, state, cell, 5)
    assert not {START, UNKNOWN} & {*ids.flatten().tolist()}
    assert (best.diff(dim=-1) <= 0).all()
    assert (best.exp().sum(-1) <= 1 + 1e-5).all()


def test_captions_do_not_depend_on_the_batch(tiny):
    decoder = tiny.decoder().eval()
    grids = tiny.dev.grids[:, 0]
    together = captions_of(decoder, grids, tiny.sentences, Decoding(2, 1, 6))
    assert together == [captions_of(decoder, g[None], tiny.sentences, Decoding(2, 1, 6))[0] for g in grids]


def kill_at(monkeypatch, number):
    """Makes the ``number``-th look at dev the last thing that a run does."""
    figures, calls = Judge.figures, []

    def killed(self, decoder, decoding=None):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return figures(self, decoder, decoding)

    monkeypatch.setattr(Judge, "figures", killed)


@pytest.mark.parametrize(
    ("phase", "file"),
    [(crossentropy.cross_entropy, "words.pt"), (critical.self_critical, "critical.pt")],
    ids=["words", "critical"],
)
def test_a_killed_phase_goes_on_and_ends_where_an_unbroken_one_does(tiny, tmp_path, monkeypatch, phase, file):
    def go(folder):
        torch.manual_seed(9)
        decoder = tiny.decoder()
        phase(decoder, tiny.sets, tiny.sentences, Judge(tiny.dev, tiny.sentences), tmp_path / folder, tiny.config)
        return checkpoint.load(tmp_path / folder / file), decoder.state_dict()

    torch.manual_seed(9)
    before = tiny.decoder().state_dict()
    unbroken, chosen = go("unbroken")
    assert not torch.equal(before["deep.weight"], unbroken["weights"]["deep.weight"])
    with monkeypatch.context() as patched:
        kill_at(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            go("killed")
    assert checkpoint.load(tmp_path / "killed" / file)["step"] < unbroken["step"]
    resumed, chosen_again = go("killed")
    assert resumed["step"] == unbroken["step"]
    for part in ("weights", "average", "best"):
        assert all(torch.equal(weight, resumed[part][name]) for name, weight in unbroken[part].items())
    assert all(torch.equal(chosen[name], chosen_again[name]) for name in chosen)


def test_words_are_learnt(tiny, tmp_path):
    config = replace(tiny.config, epochs=200, rate=2e-2)
    torch.manual_seed(1)
    decoder = tiny.decoder()
    grid, words = captioning.batch(tiny.sets, tiny.sentences, np.random.default_rng(1), config)

    def loss():
        with torch.no_grad():
            logits, attention = decoder.eval()(grid, words[:, :, :-1])
        return float(crossentropy.word_loss(logits, attention, words[:, :, 1:], config))

    class Pleased:
        figure = 0.0

        def figures(self, decoder):
            self.figure += 1
            return {"cider": self.figure}

    before = loss()
    crossentropy.cross_entropy(decoder, tiny.sets, tiny.sentences, Pleased(), tmp_path, config)
    averaged = loss()
    decoder.load_state_dict(checkpoint.load(tmp_path / "words.pt")["weights"])
    assert loss() < averaged < before - 0.2
    assert loss() < before - 1


def test_the_recipe_ends_with_a_captioner_and_does_not_train_twice(tiny, tmp_path, monkeypatch):
    trained = caption.train_captioner(tiny.sets, tiny.dev, tmp_path, tiny.config)
    assert not trained.training
    words = (tmp_path / "vocabulary.txt").read_text("utf-8").splitlines()
    assert tuple(words) == tiny.sentences.words
    monkeypatch.setattr(caption, "cross_entropy", lambda *_: pytest.fail("trained again"))
    again = caption.train_captioner(tiny.sets, tiny.dev, tmp_path, tiny.config)
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), again.state_dict().values(), strict=True)
    )
