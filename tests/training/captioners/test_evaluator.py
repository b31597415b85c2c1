"""What dev says of a captioner, and the decoder under the search of the bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tiny_training import CELLS, CHANNELS, SAID, grids, said

from imagist.captioning.decoding import START, Decoding
from imagist.metrics.captions import bleu
from imagist.metrics.cider import cider
from imagist.training.captioners import evaluator as evaluator
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.evaluator import CaptionEvaluator, generate_captions, next_words
from imagist.training.captioners.vocabulary import UNKNOWN, build_vocabulary
from imagist.training.encoders.features import Grids
from imagist.training.networks.decoder import beams_of

pytestmark = pytest.mark.torch


def test_decoding_never_offers_the_start_or_the_unknown_word(tiny):
    decoder = tiny.model().decoder.eval()
    with torch.no_grad():
        decoder.bias[[START, UNKNOWN]] = 50.0
        memory, first = decoder.begin(torch.randn(2, CELLS, CHANNELS))
        words = torch.full((2, 3), START)
        best, ids, attention, state = next_words(
            decoder, words, memory, beams_of(first, 3), 5, tiny.vocabulary.suppressed_tokens
        )
    assert best.shape == ids.shape == (2, 3, 5)
    assert not {START, UNKNOWN} & {*ids.flatten().tolist()}
    assert (best.diff(dim=-1) <= 0).all()
    assert (best.exp().sum(-1) <= 1 + 1e-5).all()
    assert attention.shape == (2, 3, CELLS)
    assert {name: x.shape[:2] for name, x in state.items()} == dict.fromkeys(first, (2, 3))


def test_the_chances_of_what_may_be_said_sum_to_one(tiny):
    decoder = tiny.model().decoder.eval()
    with torch.no_grad():
        memory, first = decoder.begin(torch.randn(1, CELLS, CHANNELS))
        allowed = decoder.words - len(tiny.vocabulary.suppressed_tokens)
        best, ids, _, _ = next_words(
            decoder, torch.full((1, 1), START), memory, beams_of(first, 1), allowed, tiny.vocabulary.suppressed_tokens
        )
        free, _, _, _ = next_words(decoder, torch.full((1, 1), START), memory, beams_of(first, 1), decoder.words, ())
    torch.testing.assert_close(best.exp().sum(), torch.tensor(1.0))
    assert not {*tiny.vocabulary.suppressed_tokens} & {*ids.flatten().tolist()}
    torch.testing.assert_close(free.exp().sum(), torch.tensor(1.0))


def test_captions_do_not_depend_on_the_batch(tiny, monkeypatch):
    model, search = tiny.model().eval(), Decoding(2, 1, 6)
    features = grids(7, 1)
    together = generate_captions(model, features, tiny.vocabulary, search)
    assert len(together) == 7
    assert together == [generate_captions(model, Grids(g[None]), tiny.vocabulary, search)[0] for g in features.rows]
    monkeypatch.setattr(evaluator, "BATCH_SIZE", 3)
    assert generate_captions(model, features, tiny.vocabulary, search) == together


def test_captions_are_of_the_whole_photo_through_the_encoder(tiny):
    class Twice(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    model, features, search = tiny.model().eval(), grids(4, 1), Decoding(1, 1, 6)
    doubled = Grids(features.rows[:, :1] * 2)
    expected = generate_captions(model, doubled, tiny.vocabulary, search)
    model.encoder = Twice()
    assert generate_captions(model, features, tiny.vocabulary, search) == expected


def test_it_looks_at_a_model_in_use(tiny):
    model = tiny.model(dropout=0.9).train()
    assert tiny.evaluator.evaluate(model) == tiny.evaluator.evaluate(model)
    assert not model.training


def test_its_figures_are_those_of_the_metrics(tiny):
    model = tiny.model().eval()
    found = tiny.evaluator.evaluate(model)
    spoken, references = tiny.evaluator.captions(model, tiny.evaluator.search), [[*SAID]] * 3
    assert found == {"cider": cider(spoken, references), "bleu_4": bleu(spoken, references)[3]}
    wider = Decoding(1, 1, 3)
    spoken = tiny.evaluator.captions(model, wider)
    assert all(len(text.split()) <= 3 for text in spoken)
    assert tiny.evaluator.evaluate(model, wider)["bleu_4"] == bleu(spoken, references)[3]


@pytest.fixture
def two_languages(tiny):
    """German for the first and the third photo alone."""
    tiny.vocabulary = build_vocabulary([*SAID, "ein hund läuft", "der hund"], ["en", "de"], 1)
    german = [[("de", "ein hund läuft"), ("de", "der hund")], [], [("de", "der hund")]]
    dev = Corpus(grids(3, 6, views=1), [a + b for a, b in zip(said(3), german, strict=True)])
    return tiny, CaptionEvaluator(dev, tiny.vocabulary, Decoding(beam=2, max_length=6))


def test_each_language_has_figures_over_the_photos_that_it_speaks_of(two_languages):
    tiny, scorer = two_languages
    model = tiny.model().eval()
    found = scorer.evaluate(model)
    assert {*found} == {"cider", "bleu_4", "cider_de", "bleu_4_de"}
    spoken = scorer.captions(model, scorer.search, "de")
    references = [["ein hund läuft", "der hund"], ["der hund"]]
    assert found["cider_de"] == cider([spoken[0], spoken[2]], references)


def test_a_language_is_written_from_its_own_start(two_languages):
    tiny, scorer = two_languages
    model = tiny.model().eval()
    with torch.no_grad():  # whoever begins in German says one word, whoever begins in English another
        model.decoder.embedding.weight[tiny.vocabulary.starts["de"]] *= 40
    one = scorer.captions(model, scorer.search, "de")
    assert one != scorer.captions(model, scorer.search, "en")
    assert scorer.captions(model, scorer.search, "en") == scorer.captions(model, scorer.search)
    assert not any("<" in text for text in one)


def test_an_evaluator_takes_another_search(tiny):
    other = replace(tiny.evaluator, search=Decoding(1, 1, 2))
    assert all(len(text.split()) <= 2 for text in other.captions(tiny.model().eval(), other.search))
