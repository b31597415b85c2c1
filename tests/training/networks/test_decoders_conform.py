"""What every decoder must do, whatever it is made of."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from imagist.captioning.decoding import END, START, Decoding, generate
from imagist.training.captioners.evaluator import TorchBeams, next_words
from imagist.training.captioners.vocabulary import SPECIAL, UNKNOWN, WordVocabulary
from imagist.training.networks.build import build
from imagist.training.networks.decoder import beams_of

pytestmark = pytest.mark.torch

WORDS, CELLS, CHANNELS, LONGEST = 19, 9, 12, 12
BANNED = (START, UNKNOWN)
_RECURRENT = {"hidden_size": 16, "embedding_size": 10}
_PREFIX = {
    "kind": "prefix-gpt2",
    "prefix_length": 4,
    "language_model": {"width": 24, "layers": 2, "heads": 3, "positions": 20},
}
DECODERS = {
    "attention sat": {"kind": "attention", "preset": "sat", **_RECURRENT, "attention_size": 8},
    "attention tutorial": {
        "kind": "attention",
        "preset": "tutorial",
        **_RECURRENT,
        "attention_size": 8,
        "value_size": 7,
    },
    "transformer": {"kind": "transformer", "width": 24, "layers": 2, "heads": 3},
    "naming": {"kind": "naming", "width": 24, "layers": 2, "heads": 3, "classes": 11, "recognised": 4},
    "lstm inject": {"kind": "lstm", "preset": "inject", **_RECURRENT},
    "lstm merge": {"kind": "lstm", "preset": "merge", **_RECURRENT},
    "prefix queries": {**_PREFIX, "mapping": "queries"},
    "prefix mlp": {**_PREFIX, "mapping": "mlp", "language_model": {**_PREFIX["language_model"], "layers": 1}},
}
BUNDLES = ("attention-sat", "attention-tutorial", "transformer", "lstm-inject", "lstm-merge", "prefix-gpt2")
BLIND = ("lstm", "prefix")  # pay no attention that could be shown


def make(name, **changes):
    """In eval mode, its weights so far apart that words and photos tell."""
    torch.manual_seed(0)
    options = {"dropout": 0.0} | DECODERS[name] | changes
    decoder = build(options, words=WORDS, channels=CHANNELS, cells=CELLS, max_length=LONGEST).eval()
    for part, parameter in decoder.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
        elif part == "mapped_norm.weight":  # begins at the scale of words, which is another now
            torch.nn.init.ones_(parameter)
    return decoder


@pytest.fixture(params=DECODERS)
def name(request):
    return request.param


@pytest.fixture
def decoder(name):
    return make(name)


def photos(number):
    return torch.randn(number, CELLS, CHANNELS)


def sentences(number, beams, length):
    """Random word ids ``[N, B, T]`` after the start, without special words."""
    ids = torch.randint(3, WORDS, (number, beams, length))
    ids[:, :, 0] = START
    return ids


@torch.no_grad()
def by_steps(decoder, grid, words):
    """Logits ``[N, B, T, V]`` and attention ``[N, B, T, L]`` or None, as a search gets them."""
    memory, first = decoder.begin(grid)
    state = beams_of(first, words.shape[1])
    logits, maps = [], []
    for t in range(words.shape[2]):
        out, attention, state = decoder.step(words[:, :, t], memory, state)
        logits.append(out)
        maps.append(attention)
    return torch.stack(logits, 2), None if maps[0] is None else torch.stack(maps, 2)


@pytest.mark.parametrize(("n", "b", "t"), [(1, 1, 1), (2, 3, 7), (5, 1, 4), (3, 4, LONGEST + 1)])
@torch.no_grad()
def test_all_words_at_once_are_the_steps_in_a_row(decoder, n, b, t):
    grid, words = photos(n), sentences(n, b, t)
    logits, attention = decoder(grid, words)
    one_by_one, maps = by_steps(decoder, grid, words)
    assert logits.shape == (n, b, t, WORDS)
    torch.testing.assert_close(one_by_one, logits, atol=1e-5, rtol=0)
    if maps is None:
        assert attention is None
    else:
        assert attention.shape == (n, b, t, CELLS)
        torch.testing.assert_close(maps, attention, atol=1e-5, rtol=0)


@torch.no_grad()
def test_what_is_hidden_says_the_words_and_where_picks_them(decoder):
    grid, words = photos(3), sentences(3, 2, 6)
    logits, attention = decoder(grid, words)
    hidden, looked = decoder.hidden_states(grid, words)
    torch.testing.assert_close(decoder.logits(hidden), logits, atol=1e-5, rtol=0)
    where = torch.rand(3, 2, 6) < 0.5
    picked, again = decoder(grid, words, where)
    assert picked.shape == (int(where.sum()), WORDS)
    torch.testing.assert_close(picked, logits[where], atol=1e-5, rtol=0)
    for maps in (looked, again):
        assert (maps is None) is (attention is None)
    if attention is not None:
        torch.testing.assert_close(looked, attention, atol=1e-5, rtol=0)
        torch.testing.assert_close(again[where], attention[where], atol=1e-5, rtol=0)


def test_what_fills_up_the_sentences_teaches_nothing(decoder):
    grid, words = photos(3), sentences(3, 2, 6)
    lengths = torch.tensor([[6, 2], [1, 3], [0, 5]])
    where = torch.arange(6) < lengths[..., None]
    learnt = []
    for logits in (decoder(grid, words, where)[0], decoder(grid, words)[0][where]):
        decoder.zero_grad()
        (logits * torch.linspace(-1, 1, WORDS)).sum().backward()
        learnt.append({part: p.grad for part, p in decoder.named_parameters()})
    for part, gradient in learnt[0].items():
        if gradient is None:
            assert learnt[1][part] is None, part
        else:
            torch.testing.assert_close(gradient, learnt[1][part], atol=1e-4, rtol=1e-4, msg=part)


@torch.no_grad()
def test_sentences_and_photos_do_not_touch_each_other(decoder):
    grid, words = photos(3), sentences(3, 2, 6)
    together = decoder(grid, words)[0]
    assert (together[0, 0] - decoder(grid[1:2], words[:1, :1])[0][0, 0]).abs().max() > 1e-2  # the photo tells
    for n in range(3):
        for b in range(2):
            alone = decoder(grid[n : n + 1], words[n : n + 1, b : b + 1])[0][0, 0]
            torch.testing.assert_close(alone, together[n, b], atol=1e-5, rtol=0)


@torch.no_grad()
def test_what_was_said_decides_and_what_comes_later_does_not(decoder):
    grid, words = photos(1), sentences(1, 1, 6)
    for place in (1, 3, 5):
        changed = words.clone()
        changed[0, 0, place] = 3 + (words[0, 0, place] - 2) % (WORDS - 3)
        one, other = (decoder(grid, w)[0][0, 0] for w in (words, changed))
        torch.testing.assert_close(one[:place], other[:place], atol=1e-5, rtol=0)
        assert (one[place:] - other[place:]).abs().amax(1).min() > 1e-4


@torch.no_grad()
def test_attention_is_a_distribution_over_the_cells(decoder, name):
    attention = decoder(photos(2), sentences(2, 3, 5))[1]
    assert (attention is None) is name.startswith(BLIND)
    if attention is not None:
        torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, 5))
        assert (attention >= 0).all()
        assert attention.std() > 1e-3  # and not the same everywhere


@torch.no_grad()
def test_beams_can_change_places_and_photos_can_leave(decoder):
    grid, words = photos(3), sentences(3, 2, 3)
    memory, first = decoder.begin(grid)
    state = beams_of(first, 2)
    for t in range(2):
        _, _, state = decoder.step(words[:, :, t], memory, state)
    whole = decoder.step(words[:, :, 2], memory, state)[0]
    rows, order = torch.tensor([0, 2]), torch.tensor([[1, 1], [1, 0]])
    kept = {part: x[rows] for part, x in memory.items()}
    moved = {part: x[rows[:, None], order] for part, x in state.items()}
    found = decoder.step(words[rows[:, None], order, 2], kept, moved)[0]
    torch.testing.assert_close(found, whole[rows[:, None], order], atol=1e-5, rtol=0)


@torch.no_grad()
def test_only_what_is_said_to_grow_grows(decoder):
    memory, first = decoder.begin(photos(2))
    assert not memory.keys() & first.keys()
    assert decoder.growing.keys() <= first.keys()
    for part in (*memory.values(), *first.values()):
        assert len(part) == 2
    state = beams_of(first, 3)
    shapes = {part: list(x.shape) for part, x in state.items()}
    for _ in range(3):
        logits, _, state = decoder.step(torch.full((2, 3), 5), memory, state)
        for part, axis in decoder.growing.items():
            shapes[part][axis] += 1
        assert logits.shape == (2, 3, WORDS)
        assert {part: list(x.shape) for part, x in state.items()} == shapes


def test_every_weight_learns(decoder):
    """Several processes wait for each other's gradient of every weight."""
    where = torch.ones(2, 2, 5, dtype=torch.bool)
    logits = decoder.train()(photos(2), sentences(2, 2, 5), where)[0]
    logits.logsumexp(-1).sum().backward()
    assert [
        part for part, p in decoder.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())
    ] == []


def test_dropout_is_in_training_alone_and_repeats_for_a_seed(name):
    decoder, grid, words = make(name, dropout=0.5), photos(2), sentences(2, 2, 5)

    def logits(seed):
        torch.manual_seed(seed)
        with torch.no_grad():
            return decoder(grid, words)[0]

    assert torch.equal(logits(1), logits(2))
    decoder.train()
    assert torch.equal(logits(1), logits(1))
    assert not torch.allclose(logits(1), logits(2))


def test_products_in_bfloat16_learn(decoder):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = decoder.train()(photos(2), sentences(2, 2, 5))[0]
    torch.testing.assert_close(logits.float().softmax(-1).sum(-1), torch.ones(2, 2, 5))
    logits.float().logsumexp(-1).mean().backward()
    for part, parameter in decoder.named_parameters():
        assert not parameter.requires_grad or parameter.grad.isfinite().all(), part


@pytest.mark.parametrize(
    "settings", [Decoding(3, 3, 8), Decoding(1, 1, 8), Decoding(2, 2, 8, top_p=0.9)], ids=["beams", "greedy", "drawn"]
)
def test_a_search_finds_for_a_photo_what_it_finds_for_it_alone(decoder, settings):
    grid, vocabulary = photos(3), WordVocabulary((*SPECIAL, *(f"w{i}" for i in range(WORDS - 3))))

    def found(rows, seeds):
        return generate(TorchBeams(decoder, rows, settings.beam, vocabulary), len(rows), settings, seeds)

    together = found(grid, [5, 6, 7])
    assert not {START, UNKNOWN, END} & {int(i) for photo in together for s in photo for i in s.words}
    for i, sentences_of in enumerate(together):
        (alone,) = found(grid[i : i + 1], [5 + i])
        assert [s.words.tolist() for s in alone] == [s.words.tolist() for s in sentences_of]
        for one, other in zip(alone, sentences_of, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
            if other.attention is not None:
                np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


@torch.no_grad()
def test_a_sentence_s_log_probability_is_that_of_its_words(decoder):
    settings, grid = Decoding(3, 3, 6), photos(2)
    vocabulary = WordVocabulary((*SPECIAL, *(f"w{i}" for i in range(WORDS - 3))))
    for i, found in enumerate(generate(TorchBeams(decoder, grid, 3, vocabulary), 2, settings)):
        for sentence in found:
            goal = [*sentence.words, END][: settings.max_length]
            logits = decoder(grid[i : i + 1], torch.tensor([[[START, *goal[:-1]]]]))[0][0, 0]
            logits[:, list(BANNED)] = -torch.inf
            chances = torch.log_softmax(logits, -1)[torch.arange(len(goal)), torch.tensor(goal)]
            assert sentence.logprob == pytest.approx(float(chances.sum()), abs=1e-3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """By name a decoder, the ids it never generates, and sessions of its ``begin.onnx`` and ``step.onnx``."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("transformers")
    import onnxruntime

    import tiny_bundles
    from imagist.training.export import graphs as export

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3

    def session(model):
        return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

    @cache
    def of(name):
        if name in BUNDLES:
            parts = tiny_bundles.parts(name)
            folder = tiny_bundles.write(tmp_path_factory.mktemp("bundles") / name, name) / "captioner"
            files = [(folder / file).read_bytes() for file in ("begin.onnx", "step.onnx")]
            return parts.decoder, parts.vocabulary.suppressed_tokens, *map(session, files)
        decoder = make(name)
        graphs = export.decoder_graphs(decoder, CELLS, CHANNELS, BANNED)
        assert [*graphs] == ["begin.onnx", "step.onnx"]
        return decoder, BANNED, *(session(export.to_onnx(graph).SerializeToString()) for graph in graphs.values())

    return of


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BUNDLES, "prefix mlp"])
@pytest.mark.parametrize(("n", "b", "candidates"), [(4, 2, 6), (1, 1, 1), (3, 5, None)])
@torch.no_grad()
def test_its_graphs_say_what_it_says(name, exported, n, b, candidates):
    """The graphs were made from two photos of three beams, one step after the beginning; None: every word."""
    decoder, banned, begin, step = exported(name)
    candidates = candidates or decoder.words
    grid, words = photos(n), sentences(n, b, 5)
    inputs, outputs = ([part.name for part in of] for of in (step.get_inputs(), step.get_outputs()))
    renewed = [part.removeprefix("new_") for part in outputs if part.startswith("new_")]
    begun = [part.name for part in begin.get_outputs()]
    given = dict(zip(begun, begin.run(None, {"grid": grid.numpy()}), strict=True))
    assert {*inputs} == {"word", "candidates", *begun}
    for part in renewed:
        given[part] = np.repeat(given[part][:, None], b, 1)
    memory, first = decoder.begin(grid)
    assert {*renewed} == {*first}
    state = beams_of(first, b)
    for t in range(5):
        asked = {"word": words[:, :, t].numpy(), "candidates": np.array([candidates])}
        found = dict(zip(outputs, step.run(None, asked | given), strict=True))
        best, ids, attention, state = next_words(decoder, words[:, :, t], memory, state, candidates, banned)
        usable = min(candidates, decoder.words - len(banned))  # the banned come last, all at the same chance
        np.testing.assert_array_equal(found["ids"][..., :usable], ids[..., :usable])
        np.testing.assert_allclose(found["logprobs"][..., :usable], best[..., :usable], atol=1e-4)
        assert not {*banned} & {*found["ids"][..., :usable].flatten().tolist()}
        assert ("attention" in found) is (attention is not None)
        if attention is not None:
            np.testing.assert_allclose(found["attention"], attention, atol=1e-5)
        for part in renewed:
            given[part] = found[f"new_{part}"]
            np.testing.assert_allclose(given[part], state[part], atol=1e-4)


def test_training_shows_each_photo_a_share_of_its_cells(name):
    decoder, grid, words = make(name, patch_keep_rate=0.34), photos(64), torch.full((64, 1, 3), 5)
    if name == "naming":
        torch.nn.init.zeros_(decoder.head.weight)  # which reads every cell, also in training

    def says(of, seed=1):
        torch.manual_seed(seed)
        with torch.no_grad():
            return decoder.hidden_states(of, words)[0]

    assert torch.equal(says(grid, 1), says(grid, 2))  # but not where it serves
    decoder.train()
    first, looked = says(grid), torch.zeros(64, CELLS)
    for cell in range(CELLS):
        other = grid.clone()
        other[:, cell] += 10
        looked[:, cell] = (says(other) - first).abs().amax((1, 2, 3)) > 1e-6
    assert (looked.sum(1) == 3).all()
    assert (looked.sum(0) > 8).all()  # others for each
