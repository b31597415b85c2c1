"""Phase 1: what a word costs, and that words are learnt."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from torch.nn import functional as F

from imagist.captioning.decoding import END, START
from imagist.errors import UsageError
from imagist.training import checkpoint
from imagist.training.captioners.cross_entropy import caption_loss, drop_words, train_cross_entropy
from imagist.training.captioners.recipe import CrossEntropy
from imagist.training.captioners.vocabulary import UNKNOWN

pytestmark = pytest.mark.torch

PLAIN = CrossEntropy(label_smoothing=0.0, doubly_stochastic_weight=0.0)


class Fixed(torch.nn.Module):
    """Says the same logits ``[N, B, T, V]`` and looks at the same cells whatever it is given."""

    def __init__(self, logits, attention=None):
        super().__init__()
        self.logits, self.attention = logits, attention

    def forward(self, given, words, where):
        self.words = words
        return self.logits[where], self.attention


@pytest.fixture
def loss(tiny, tmp_path):
    """``loss(logits, goal, attention, config)`` of sentences that are said after the start."""
    context = tiny.context(tmp_path)

    def of(logits, goal, attention=None, config=PLAIN, **changes):
        goal = torch.tensor(goal)
        words = torch.cat([torch.full_like(goal[..., :1], START), goal], -1)
        model = Fixed(logits, attention)
        found = caption_loss(model, torch.zeros(len(goal), 1), words, replace(context, **changes), config)
        assert torch.equal(model.words, words[..., :-1])  # the goal is what comes next
        return found

    return of


def test_the_loss_of_knowing_nothing_is_the_log_of_the_vocabulary(loss):
    assert float(loss(torch.zeros(1, 1, 4, 10), [[[5, 6, END, END]]])) == pytest.approx(math.log(10), rel=1e-5)


def test_behind_the_end_and_at_unknown_words_nothing_counts(loss):
    logits = torch.zeros(1, 1, 5, 10, requires_grad=True)
    loss(logits, [[[5, UNKNOWN, END, END, 7]]]).backward()
    assert (logits.grad.abs().sum(-1)[0, 0] > 0).tolist() == [True, False, True, False, False]


def test_without_an_unknown_word_every_word_up_to_the_end_counts(loss, tiny):
    bpe = SimpleNamespace(end=7, unknown=None)
    logits = torch.zeros(1, 1, 5, 10, requires_grad=True)
    loss(logits, [[[5, UNKNOWN, END, 7, 7]]], vocabulary=bpe).backward()
    assert (logits.grad.abs().sum(-1)[0, 0] > 0).tolist() == [True, True, True, True, False]


def test_each_counted_word_weighs_the_same_whatever_its_sentence(loss):
    logits = torch.zeros(2, 1, 3, 10, requires_grad=True)
    loss(logits, [[[END, END, END]], [[5, 6, END]]]).backward()
    weights = logits.grad.abs().sum(-1)
    torch.testing.assert_close(weights[0, 0], weights[1, 0, 0] * torch.tensor([1.0, 0, 0]))
    torch.testing.assert_close(weights.sum(), torch.tensor(2 * 0.9))  # |p - 1| and nine times p, over the mean of four


def test_a_perfect_guess_costs_nothing(loss):
    goal = [[[5, END]]]
    logits = F.one_hot(torch.tensor(goal), 10).float() * 100
    assert float(loss(logits, goal)) == pytest.approx(0, abs=1e-5)


def test_looking_everywhere_alike_costs_nothing_and_staring_does(loss):
    goal, logits = [[[5, 6, 7, END, END]]], torch.zeros(1, 1, 5, 10)
    fair, staring = torch.full((1, 1, 5, 2), 0.5), torch.tensor([1.0, 0.0]).expand(1, 1, 5, 2)
    everywhere = replace(PLAIN, doubly_stochastic_weight=1.0)
    base = float(loss(logits, goal, fair))
    assert float(loss(logits, goal, fair, everywhere)) == pytest.approx(base)
    assert float(loss(logits, goal, staring)) == pytest.approx(base)
    # four counted words on two cells: seen 4 and 0 where 2 and 2 are fair
    assert float(loss(logits, goal, staring, everywhere)) - base == pytest.approx(8, rel=1e-5)
    assert float(loss(logits, goal, None, everywhere)) == pytest.approx(base)  # there is no attention to speak of


def test_the_penalty_is_the_mean_over_sentences(loss):
    goal = [[[5, 6, 7, END]], [[5, 6, 7, END]]]
    mixed = torch.full((2, 1, 4, 2), 0.5)
    mixed[0] = torch.tensor([1.0, 0.0])
    config = replace(PLAIN, doubly_stochastic_weight=1.0)
    logits = torch.zeros(2, 1, 4, 10)
    difference = float(loss(logits, goal, mixed, config) - loss(logits, goal, mixed))
    assert difference == pytest.approx(4, rel=1e-5)


class Scripted:
    """Gives the figures that it was told to, one look after the other, and then the last."""

    def __init__(self, *figures):
        self.left = list(figures)
        self.looks = 0

    def evaluate(self, model):
        self.looks += 1
        return {"cider": self.left.pop(0) if len(self.left) > 1 else self.left[0]}


def logged_into(found):
    return lambda phase, step, figures: found.append((phase, step, figures))


def test_words_are_learnt(tiny, tmp_path):
    config = replace(tiny.cross_entropy, epochs=100, learning_rate=2e-2)
    model = tiny.model(dropout=0.0)
    context = tiny.context(tmp_path, evaluator=Scripted(*range(200)))
    given, words = context.batch(4, 3, 1)["captioned"]

    def loss():
        with torch.no_grad():
            return float(caption_loss(model.eval(), given, words, context, config))

    before = loss()
    train_cross_entropy(model, context, config)
    averaged = loss()
    model.load_state_dict(checkpoint.load(tmp_path / "cross_entropy.pt")["weights"])
    assert loss() < averaged < before - 0.2
    assert loss() < before - 1


@pytest.mark.parametrize(("first_eval", "looks"), [(0.0, [1, 2, 3, 4]), (0.5, [2, 3, 4]), (1.0, [4])])
def test_dev_is_looked_at_once_an_epoch_and_at_the_end(tiny, tmp_path, first_eval, looks):
    found = []
    config = replace(tiny.cross_entropy, epochs=4, first_eval=first_eval)
    context = tiny.context(tmp_path, evaluator=Scripted(1.0), log_metrics=logged_into(found))
    train_cross_entropy(tiny.model(), context, config)
    epoch = 9 // 4  # photos of the first set over photos a step
    assert [step for phase, step, figures in found if "cider" in figures] == [epoch * look for look in looks]
    assert {phase for phase, _, _ in found} == {"cross_entropy"}


@pytest.mark.parametrize(("patience", "looks"), [(1, 3), (2, 4), (3, 8), (0, 8)])
def test_it_stops_when_dev_has_liked_nothing_better_for_so_many_looks(tiny, tmp_path, patience, looks):
    config = replace(tiny.cross_entropy, epochs=8, first_eval=0.0, patience=patience)
    evaluator = Scripted(1.0, 2.0, 1.5, 2.0, 2.5, 1.0, 1.0, 3.0)
    train_cross_entropy(tiny.model(), tiny.context(tmp_path, evaluator=evaluator), config)
    assert evaluator.looks == looks
    state = checkpoint.load(tmp_path / "cross_entropy.pt")
    assert state["best_score"] == {3: 2.0, 4: 2.0, 8: 3.0}[looks]


def test_a_phase_that_lost_patience_stays_ended(tiny, tmp_path):
    config = replace(tiny.cross_entropy, epochs=8, first_eval=0.0, patience=1)
    first, second = Scripted(2.0, 1.0), Scripted(9.0)
    ended, again = tiny.model(), tiny.model(seed=5)
    train_cross_entropy(ended, tiny.context(tmp_path, evaluator=first), config)
    train_cross_entropy(again, tiny.context(tmp_path, evaluator=second), config)
    assert (first.looks, second.looks) == (2, 0)
    for name, weight in ended.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_it_ends_with_the_average_that_dev_liked_best(tiny, tmp_path):
    config = replace(tiny.cross_entropy, epochs=5, first_eval=0.0)
    seen = []

    class Watching(Scripted):
        def evaluate(self, model):
            seen.append({name: weight.clone() for name, weight in model.state_dict().items()})
            return super().evaluate(model)

    model = tiny.model()
    train_cross_entropy(model, tiny.context(tmp_path, evaluator=Watching(1, 2, 7, 3, 4)), config)
    assert len(seen) == 5
    chosen = [all(torch.equal(w, model.state_dict()[name]) for name, w in look.items()) for look in seen]
    assert chosen == [False, False, True, False, False]


@pytest.mark.parametrize("bf16", [False, True])
def test_products_are_in_bfloat16_where_it_is_asked_for(tiny, tmp_path, bf16):
    kinds = set()
    model = tiny.model()
    model.decoder.deep.register_forward_hook(lambda layer, inputs, output: kinds.add(output.dtype))
    context = tiny.context(tmp_path, evaluator=Scripted(1.0), bf16=bf16)
    train_cross_entropy(model, context, replace(tiny.cross_entropy, epochs=1))
    assert kinds == {torch.bfloat16 if bf16 else torch.float32}
    assert {weight.dtype for weight in model.state_dict().values()} == {torch.float32}


def test_shares_say_how_many_photos_of_each_set_a_step_takes(tiny, tmp_path):
    context = tiny.context(tmp_path)

    def sizes(of):
        return {kind: len(inputs) for kind, (inputs, _) in of.batch(8, 2, 0).items()}

    assert sizes(context) == {"captioned": 8, "named": 4 + 4}
    tenth = replace(context, corpus_shares=(1.0, 0.1, 0.0))
    assert sizes(tenth) == {"captioned": 8, "named": 1 + 1}  # at least one of each


def test_a_share_of_the_words_read_is_hidden_but_never_the_start(tiny):
    words = torch.cat([torch.full((40, 5, 1), START), torch.randint(5, 9, (40, 5, 50))], -1)
    read = drop_words(words, 0.2, tiny.vocabulary)
    assert torch.equal(read, words.masked_fill(read == UNKNOWN, UNKNOWN))
    assert (read[..., 0] == START).all()
    assert float((read[..., 1:] == UNKNOWN).float().mean()) == pytest.approx(0.2, abs=0.02)  # five standard deviations
    assert drop_words(words, 0.0, tiny.vocabulary) is words


def test_words_are_hidden_in_training_alone(tiny, tmp_path):
    context, goal = tiny.context(tmp_path), torch.full((2, 2, 30), 5)
    words = torch.cat([torch.full_like(goal[..., :1], START), goal], -1)
    model = Fixed(torch.zeros(2, 2, 30, 10))
    for training in (True, False):
        caption_loss(model.train(training), torch.zeros(2, 1), words, context, replace(PLAIN, word_dropout=0.5))
        assert (model.words == UNKNOWN).any() == training


def test_a_vocabulary_without_an_unknown_word_has_no_word_dropout():
    with pytest.raises(UsageError, match="no unknown word"):
        drop_words(torch.zeros(1, 1, 4), 0.1, SimpleNamespace(unknown=None))
