"""The captioner of two graphs, beyond what all captioners do: over the shipped model, and over others."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import space_models
from imagist.bundle import open_part, write_part
from imagist.captioning.backends.stepwise import BEGUN, _Beams
from imagist.captioning.backends.stepwise import load as load_captioner
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import card_decoding, card_threads
from imagist.captioning.options import CaptionOptions
from imagist.errors import UsageError
from imagist.images.encoder import Encoders
from imagist.pipeline import load
from imagist.records import Photo

DEFAULT = Decoding()


def make(decoding=DEFAULT, views="square", model="embedded", **options):
    return load_captioner(str(model), CaptionOptions(decoding, views=views, **options))


def said_one_by_one(captioner, grid, ids):
    """The sum of log-probabilities of word ids after the start, asked for one at a time."""
    given = captioner.first(grid[None])
    given |= {name: given[name][:, None] for name in captioner.state}
    word, total = captioner.start, 0.0
    for wanted in ids:
        found, new = captioner.next(np.array([[word]]), captioner.words, given)
        total += float(found["logprobs"][0, 0, found["ids"][0, 0] == wanted][0])
        given, word = given | new, wanted
    return total


def test_the_id_names_the_model_and_every_setting():
    captioners = [
        make(),
        make(Decoding(beam=2)),
        make(Decoding(nbest=2)),
        make(Decoding(length_penalty=0.1)),
        make(Decoding(max_length=7)),
        make(Decoding(no_repeat_ngram_size=3)),
        make(Decoding(top_p=0.9)),
        make(Decoding(top_p=0.9, seed=1)),
        make(views="letterbox"),
    ]
    assert len({captioner.id for captioner in captioners}) == len(captioners)
    (name,) = {captioner.id.partition("(")[0] for captioner in captioners}
    assert re.fullmatch("naming-[0-9a-f]{8}", name)
    assert make().id == make().id == make(language="en").id == make(threads=2).id


def test_the_id_names_the_encoder_that_serves_a_space(tmp_path, photos):
    model = space_models.write(tmp_path / "model").path
    captioners = [make(model=model, encoder=name) for name in space_models.NAMES]
    assert [captioner.encoder.name for captioner in captioners] == [*space_models.NAMES]
    assert all(f"encoder={captioner.encoder.id})" in captioner.id for captioner in captioners)
    assert len({captioner.id for captioner in captioners}) == 2
    captioners[0].save(tmp_path / "model" / "captioner")
    assert make(model=model / "captioner", encoder="embedded").id == captioners[0].id
    assert "encoder=" not in make(model=space_models.bound(tmp_path).path).id  # its card names the encoder
    assert (
        card_threads(open_part(model / "captioner", "captioner"), 8)
        == card_threads(open_part("embedded", "captioner"), 8)
        == 1
    )


def test_it_can_share_an_encoder(photos):
    options = CaptionOptions(views="crops", encoders=Encoders())
    first, second = (load_captioner("embedded", options) for _ in range(2))
    own = make(views="crops")
    assert first.encoder is second.encoder is not own.encoder
    assert first.id == own.id
    assert first.caption(photos[:2])[1].text == own.caption(photos[:2])[1].text


def test_maps_cover_the_square_grid_of_the_encoder(photos):
    captioner = make()
    (caption,) = captioner.caption(photos[:1])
    cells = captioner.encoder.grids(photos[:1])[0].shape[1]
    side = round(cells**0.5)
    assert caption.attention.shape == (len(caption.tokens), side, side)


def test_the_log_probability_is_that_of_the_words_said_one_by_one(photos):
    captioner, words = make(Decoding(beam=3, nbest=3)), open_part("embedded", "captioner").lines("vocabulary.txt")
    for photo, caption in zip(photos, captioner.caption(photos), strict=True):
        grid = captioner.encoder.grids([photo])[0][0]
        for hypothesis in caption.nbest:
            ids = [*map(words.index, hypothesis.text.split())]
            ids += [captioner.end] * (len(ids) < DEFAULT.max_length)
            assert hypothesis.logprob == pytest.approx(said_one_by_one(captioner, grid, ids), abs=1e-3)


def test_sentences_stop_at_the_longest(photos):
    for caption in make(Decoding(max_length=3)).caption(photos[:4]):
        assert 1 <= len(caption.tokens) <= 3


def test_of_several_views_the_whole_is_described():
    wide = Photo(np.random.default_rng(0).integers(0, 256, (50, 240, 3), np.uint8))
    (one,), (several,) = make().caption([wide]), make(views="crops").caption([wide])
    assert one.text == several.text
    assert one.logprob == pytest.approx(several.logprob, abs=1e-3)


def test_a_wider_beam_finds_sentences_at_least_as_likely(photos):
    """Holds for most photos and on average, not for each: beam search is no exact search."""
    by_sum = [make(Decoding(beam, 1, 20, 0.0)).caption(photos) for beam in (1, 5)]
    greedy, wide = (np.mean([caption.logprob for caption in captions]) for captions in by_sum)
    assert wide >= greedy - 1e-4


def test_a_card_without_tokens_and_languages_means_english_words(tmp_path):
    folder = copied(tmp_path, without=("languages", "tokens", "end"))
    assert "languages" not in open_part(folder, "captioner").card
    captioner = make(model=folder)
    assert (captioner.start, captioner.end) == (1, 0)
    with pytest.raises(UsageError, match="does not write 'de'"):
        make(model=folder, language="de")


def test_starts_and_the_end_come_from_the_card(tmp_path):
    folder = copied(tmp_path, end=7, languages={"fr": 5, "cs": 6})
    assert (make(model=folder).start, make(model=folder).end) == (5, 7)
    assert make(model=folder, language="cs").start == 6
    with pytest.raises(UsageError, match=r"does not write 'en'.*one of fr, cs"):
        make(model=folder, language="en")


def test_it_is_saved_with_its_decoding(pipeline, tmp_path):
    drawn = make(Decoding(2, max_length=7, no_repeat_ngram_size=2, top_p=0.9, seed=3))
    replace(pipeline, captioner=drawn).save(tmp_path / "drawn", "drawn")
    assert load(tmp_path / "drawn", threads=1).captioner.id == drawn.id
    plain = make(DEFAULT, model=tmp_path / "drawn")
    plain.save(tmp_path / "plain")
    assert card_decoding(open_part(tmp_path / "plain", "captioner")) == DEFAULT
    assert plain.id == make().id


def copied(folder, without=(), **more):
    """The shipped captioner, next to its encoder, with other settings on its card."""
    shipped = open_part("embedded", "captioner")
    (folder / "encoder").symlink_to(shipped.path.parent / "encoder")
    card = {key: value for key, value in shipped.card.items() if key not in {"kind", "files", *without}}

    def fill(path):
        for name in shipped.files:
            shutil.copy(shipped.path / name, path / name)

    write_part(folder / "captioner", shipped.kind, card | more, fill)
    return folder / "captioner"


@pytest.fixture(scope="module", params=["lstm-inject", "transformer", "prefix-gpt2-bpe"])
def made(request, tmp_path_factory):
    """A model without attention and without a memory, one that grows, and one of BPE tokens; with its torch modules."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("transformers")
    import tiny_bundles

    return tiny_bundles.parts(request.param), tiny_bundles.write(tmp_path_factory.mktemp("b") / "b", request.param)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
def test_it_finds_the_sentences_that_the_modules_find(made, language):
    torch = pytest.importorskip("torch")
    from imagist.captioning.decoding import generate
    from imagist.training.captioners.evaluator import TorchBeams

    parts, folder = made
    if language not in parts.vocabulary.starts:
        pytest.skip("its tokens are of one language")
    settings = Decoding(3, 3, 8)
    captioner = make(settings, model=folder, language=language)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8)
    with torch.no_grad():
        grid = parts.encoder(torch.from_numpy(pixels))
    grids = captioner.encoder.encode(pixels)
    np.testing.assert_allclose(grids, grid, atol=1e-5)
    expected = generate(TorchBeams(parts.decoder, grid, 3, parts.vocabulary, language), 4, settings)
    for ours, theirs in zip(captioner.sentences(grids), expected, strict=True):
        assert [s.words.tolist() for s in ours] == [s.words.tolist() for s in theirs]
        assert [s.logprob for s in ours] == pytest.approx([s.logprob for s in theirs], abs=1e-3)
    assert len({tuple(of[0].words) for of in expected}) > 1


@pytest.fixture(scope="module")
def advised(tmp_path_factory):
    """A captioner that knows concepts, which say much more than its words do of which hypothesis is best."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    import tiny_bundles
    from imagist.captioning.reranking.concepts import Concepts
    from imagist.training.captioners.concepts import Reranker
    from imagist.training.export.bundle import export_bundle
    from imagist.training.networks.concepts import ConceptDetector

    parts = tiny_bundles.parts("transformer")
    torch.manual_seed(3)
    counts = dict.fromkeys(parts.vocabulary.lines[5:], 2)
    detector = ConceptDetector(tiny_bundles.CHANNELS, len(counts), 2, 8, 0.5).eval()
    reranker = Reranker(detector, Concepts(counts, 30, (3.0, 4.0, 5.0, 6.0), 50.0, 0.5))
    parts = replace(parts, reranker=reranker)
    folder = tmp_path_factory.mktemp("advised") / "b"
    export_bundle(parts, folder)
    return parts, folder


@pytest.mark.torch
def test_concepts_rerank_hypotheses(advised):
    torch = pytest.importorskip("torch")
    from imagist.captioning.decoding import generate
    from imagist.training.captioners.evaluator import TorchBeams

    parts, folder = advised
    settings = Decoding(4, 4, 8, mbr=True)
    captioner = make(settings, model=folder)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), np.uint8)
    with torch.no_grad():
        grid = parts.encoder(torch.from_numpy(pixels))

    def expected(reranker_score):
        found = generate(
            TorchBeams(parts.decoder, grid, 4, parts.vocabulary), 5, settings, reranker_score=reranker_score
        )
        return [[s.words.tolist() for s in of] for of in found]

    found = [[s.words.tolist() for s in of] for of in captioner.sentences(captioner.encoder.encode(pixels))]
    assert found == expected(parts.reranker.reranker_score(grid, parts.vocabulary)) != expected(None)
    assert "concepts=50^0.5" in captioner.id


@pytest.mark.torch
@pytest.mark.parametrize(
    "options", [{"decoding": Decoding(4, 4, 8)}, {"decoding": Decoding(4, 4, 8, mbr=True), "language": "de"}]
)
def test_concepts_rerank_only_in_the_language_they_were_learnt_in(advised, options):
    captioner = make(model=advised[1], **options)
    assert "concepts" not in captioner.id
    assert captioner._reranker_score(np.zeros((1, 9, 12), np.float32)) is None


@pytest.mark.torch
@pytest.mark.slow
def test_several_cores_do_not_change_what_is_said(made, photos):
    folder = made[1]
    one, two = (make(Decoding(max_length=8), model=folder, threads=n).caption(photos[:4]) for n in (1, 2))
    assert [c.text for c in one] == [c.text for c in two]


class Told:
    """A captioner of plain numbers: what a beam is given and keeps tells which photo and which beam it is."""

    start, end, words, beams = 1, 0, 9, 3
    state = frozenset({"said"})

    def __init__(self):
        self.rows = []

    def first(self, grids):
        return {"photo": grids[:, 0, 0].copy(), "said": np.zeros((len(grids), 1))}

    def next(self, words, candidates, given):
        self.rows.append(words.shape)
        said = given["said"] * 10 + words[..., None]
        told = given["photo"][:, None] + said[..., 0] / 1e4
        found = {name: np.repeat(told[..., None], candidates, 2) for name in ("logprobs", "attention")}
        return found | {"ids": np.broadcast_to(np.arange(candidates), found["logprobs"].shape)}, {"said": said}


@given(order=st.lists(st.tuples(st.permutations(range(3)), st.sets(st.integers(0, 6))), min_size=1, max_size=5))
def test_photos_that_leave_and_beams_that_change_places_take_their_own_along(order):
    captioner, left = Told(), np.arange(7)
    beams = _Beams(captioner, 1.0 * left[:, None, None])
    said = np.ones((7, 3), np.int64)
    told, ids, attention = beams.step(np.ones((7, 3), np.int64), 2)
    for turn, (places, leave) in enumerate(order):
        expected = left[:, None] + said / 1e4
        np.testing.assert_allclose(told, np.repeat(expected[..., None], 2, 2))
        np.testing.assert_array_equal(attention, told)
        assert ids.shape == told.shape
        still = np.flatnonzero(~np.isin(left, [*leave]))
        if not len(still):
            break
        parents = np.tile(places, (len(still), 1))
        beams.keep(still, parents)
        words = (np.arange(3) + turn + left[still][:, None]) % 9
        left, said = left[still], 10 * said[still[:, None], parents] + words
        told, ids, attention = beams.step(words, 2)
    assert captioner.rows[0] == (7, 1)  # beams that are still equal are computed once
    assert all(shape[1] == 3 for shape in captioner.rows[1:])


def test_a_batch_is_begun_in_parts(photos):
    captioner = make()
    grids = np.random.default_rng(0).normal(size=(BEGUN + 3, *captioner.encoder.grids(photos[:1])[0].shape[1:]))
    grids = grids.astype(np.float32)
    whole = captioner.first(grids)
    for i in (0, BEGUN - 1, BEGUN, BEGUN + 2):
        for name, x in captioner.first(grids[i : i + 1]).items():
            np.testing.assert_allclose(whole[name][i], x[0], atol=1e-4)


def test_pixels_alone_decide_what_is_drawn(photos):
    drawn = Decoding(beam=2, nbest=2, top_p=0.95)
    captioner = make(drawn)
    renamed = [replace(photo, source=f"other {i}") for i, photo in enumerate(photos[:4])]
    for one, other in zip(captioner.caption(photos[:4]), captioner.caption(renamed[::-1])[::-1], strict=True):
        assert (one.text, [h.text for h in one.nbest]) == (other.text, [h.text for h in other.nbest])
    seeded = [make(replace(drawn, seed=seed)).caption(photos[:4]) for seed in (0, 1)]
    assert [c.text for c in seeded[0]] != [c.text for c in seeded[1]]
