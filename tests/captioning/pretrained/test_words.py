"""Which words a model may say, and that its states stay with their beams."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.decoding import Decoding, generate
from imagist.captioning.pretrained.words import Beams, Sight, Vocabulary, empty_cache, for_each
from imagist.errors import ModelFailed

pytestmark = pytest.mark.torch

OPT = tiny_checkpoints.opt_tokenizer()
SPACE, END = OPT.convert_tokens_to_ids("Ġ"), OPT.convert_tokens_to_ids("Ċ")


class Fixed:
    """Says the same of every image; keeps in its cache what was said."""

    def __init__(self, logits):
        self.logits = logits

    def look(self, pixels):
        cache = empty_cache(cross=False)
        return Sight(self.say(for_each(pixels, [2]), cache, None), cache)

    def say(self, words, cache, memory):
        cache.update(words[:, None, :, None].float(), words[:, None, :, None].float(), 0)
        return self.logits.expand(len(words), -1).clone()


def vocabulary(**settings):
    return Vocabulary(OPT, len(OPT) + 1, start=2, **{"ends": END} | settings)


def said(logits, words=None, **decoding):
    words = words or vocabulary()
    beams = Beams(Fixed(logits), words, torch.zeros(2, 3, 4, 4), decoding["beam"])
    return [[words.text(s.words) for s in of] for of in generate(beams, 2, Decoding(**decoding))]


def test_special_words_and_those_past_the_tokenizer_are_not_said():
    suppressed_tokens = vocabulary().suppressed_tokens
    assert {*OPT.all_special_ids, len(OPT)} == set(suppressed_tokens)
    assert END not in suppressed_tokens


def test_an_end_that_is_a_special_word_can_be_said():
    assert 2 not in vocabulary(ends=2).suppressed_tokens


def test_blank_words_are_those_that_show_nothing():
    blank = {OPT.convert_ids_to_tokens(i) for i in range(len(OPT)) if vocabulary().blank[i]}
    assert blank == {"Ġ", "Ċ", "</s>", "<pad>"}


def test_text_has_single_spaces():
    ids = [*OPT(" a dog")["input_ids"], SPACE, SPACE, *OPT(" runs")["input_ids"]]
    assert vocabulary().text(np.array(ids)) == "a dog runs"


def test_nothing_ends_before_it_says_something():
    logits = torch.full((len(OPT) + 1,), -9.0)
    logits[END], logits[SPACE] = 5.0, 4.0
    for of in said(logits, beam=3, nbest=3, max_length=6):
        assert all(of)


def test_several_ends_are_one():
    other = OPT.convert_tokens_to_ids("a")
    logits = torch.zeros(len(OPT) + 1)
    logits[[END, other]] = 3.0
    beams = Beams(Fixed(logits), vocabulary(ends=[END, other]), torch.zeros(1, 3, 4, 4), 1)
    words = np.array([[2]])
    beams.step(words, 3)
    beams.keep(np.array([0]), np.array([[0]]))
    words[0, 0] = OPT.convert_tokens_to_ids("d")
    best, ids, _ = beams.step(words, 3)
    assert ids[0, 0, 0] == END
    assert best[0, 0, 0] == pytest.approx(torch.log_softmax(logits, 0)[[END, other]].logsumexp(0).item())
    assert other not in ids


def test_a_caption_is_as_long_as_asked_for():
    logits = torch.zeros(len(OPT) + 1)
    logits[END] = 9.0
    words = vocabulary(shortest=4)
    for sentences in generate(
        Beams(Fixed(logits), words, torch.zeros(2, 3, 4, 4), 2), 2, Decoding(beam=2, max_length=9)
    ):
        assert [len(sentence.words) for sentence in sentences] == [4]


def test_the_cache_of_a_beam_holds_what_that_beam_said():
    """Photos leave at random, and beams go on from one another."""
    rng = np.random.default_rng(0)
    photos, beams = 4, 3
    model = Beams(Fixed(torch.zeros(len(OPT) + 1)), vocabulary(), torch.zeros(photos, 3, 4, 4), beams)
    history = np.full((photos, beams, 1), 2)
    words = history[:, :, -1]
    for t in range(6):
        best, ids, _ = model.step(words, 5)
        assert best.shape == ids.shape == (*words.shape, 5)
        if t:
            held = model._cache.layers[0].keys[:, 0, :, 0].reshape(*history.shape)
            assert held.numpy().astype(int).tolist() == history.tolist()
        staying = np.flatnonzero(rng.random(len(history)) < 0.9)
        parents = rng.integers(0, beams, (len(staying), beams))
        words = rng.integers(4, 20, parents.shape)
        model.keep(staying, parents)
        history = np.concatenate([history[staying[:, None], parents], words[..., None]], 2)
    assert 0 < len(history) < photos


def test_saying_nothing_is_an_error_of_the_image(tmp_path):
    from imagist.captioning.backends.blip2 import from_model
    from imagist.captioning.options import CaptionOptions
    from imagist.records import Photo

    folder = tiny_checkpoints.blip2(tmp_path / "silent", "opt")
    captioner = from_model(str(folder), CaptionOptions(decoding=Decoding(beam=1, max_length=1)))
    captioner._vocabulary.suppressed_tokens = [i for i in range(captioner._vocabulary.size) if i not in (SPACE, END)]
    with pytest.raises(ModelFailed, match="nothing") as caught:
        captioner.caption([Photo(np.zeros((5, 5, 3), np.uint8), "dark.png")])
    assert caught.value.item == "dark.png"
