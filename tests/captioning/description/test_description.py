from __future__ import annotations

import itertools

import numpy as np
import pytest
from fake_captioners import RandomCaptioner, ScriptedCaptioner, noise, scene
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagist.captioning.description import describe, describe_all
from imagist.captioning.description.chunker import parse, words_of
from imagist.captioning.description.crops import widened
from imagist.captioning.description.english import is_content, stem
from imagist.captioning.description.record import WHOLE
from imagist.errors import UsageError
from imagist.matching.confidence import Confidence
from imagist.records import Caption, Hypothesis, Photo

PLACING = {"left", "right", "bottom", "top", "foreground"}
SEEDS = st.integers(0, 10**6)
REGIONS = st.none() | st.sampled_from([(0.0, 0.0, 0.5, 0.5), (0.3, 0.2, 0.9, 1.0), (0.5, 0.0, 0.6, 1.0)])


def content(text):
    return [word.lower() for word in words_of(text) if is_content(word)]


def facts(sentence):
    """The noun phrases of a sentence: head, number, and what else they say; less the words that place it."""
    for placing in ("at the top", "at the bottom", "on the", "in the"):
        for side in (" left", " right", " foreground", ""):
            sentence = sentence.lower().replace(f"{placing}{side}, ", "").replace(f" {placing}{side}.", ".")
    return {(noun.key, noun.plural, *sorted(map(stem, noun.adjectives))) for noun in parse(sentence).nouns}


@given(SEEDS, st.integers(0, 3), REGIONS)
def test_every_word_is_from_a_caption(seed, detail, region):
    captioner = RandomCaptioner(seed)
    found = describe(captioner, noise(seed % 7), detail=detail, region=region)
    assert set(content(found.text)) <= captioner.content | PLACING


@given(SEEDS, REGIONS)
def test_each_detail_contains_the_one_before(seed, region):
    """What is said at one detail is said at the next; 0 and 1 word for word."""
    told = [describe(RandomCaptioner(seed), noise(1), detail=detail, region=region) for detail in range(4)]
    said = [set(map(stem, content(one.text))) for one in told]
    assert said[0] <= said[1] <= said[2] <= said[3]
    assert all(len(one.sentences) == 1 for one in told[:3])
    first = set(map(stem, content(told[3].sentences[0].text)))
    assert first == said[2]


@given(SEEDS, REGIONS)
def test_no_fact_occurs_twice(seed, region):
    said = [sentence.text for sentence in describe(RandomCaptioner(seed), noise(2), detail=3, region=region).sentences]
    assert 1 <= len(said) <= 5
    for one, other in itertools.combinations(said, 2):
        assert not facts(one) & facts(other)
    for number, sentence in enumerate(said[1:], start=1):
        before = {stem(word) for earlier in said[:number] for word in content(earlier)}
        assert {stem(word) for word in content(sentence)} - before - PLACING


@given(SEEDS, st.integers(0, 3), REGIONS)
def test_sentences_and_boxes_are_of_the_text_and_the_image(seed, detail, region):
    found = describe(RandomCaptioner(seed), noise(3), detail=detail, region=region)
    outer = WHOLE if region is None else widened(region)
    assert found.text == " ".join(sentence.text for sentence in found.sentences)
    assert (found.detail, found.region) == (detail, region)
    assert found.sentences[0].box == outer
    for sentence in found.sentences:
        x0, y0, x1, y1 = sentence.box
        assert outer[0] - 1e-9 <= x0 < x1 <= outer[2] + 1e-9
        assert outer[1] - 1e-9 <= y0 < y1 <= outer[3] + 1e-9
        assert sentence.logprob <= 0
        assert "  " not in sentence.text
        if detail == 3:
            assert sentence.text[0].isupper()
            assert sentence.text.endswith(".")


@settings(max_examples=25)
@given(SEEDS, st.integers(0, 3), REGIONS, st.integers(1, 50))
def test_a_batch_is_its_photos_one_by_one(seed, detail, region, batch_size):
    photos = [noise(n, 40 + 10 * n, 90 - 10 * n) for n in range(4)]
    captioner = RandomCaptioner(seed)
    together = describe_all(captioner, photos, detail=detail, region=region, batch_size=batch_size)
    assert together == [describe(RandomCaptioner(seed), photo, detail=detail, region=region) for photo in photos]
    assert max(captioner.sizes) <= batch_size
    if detail < 3:
        assert len(captioner.sizes) == -(-sum(captioner.sizes) // batch_size)  # no batch is smaller than it need be


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.integers(0, 3))
@example(["µ"], 3)
def test_any_text_is_accepted(texts, detail):
    class Odd(RandomCaptioner):
        def _one(self, photo):
            self.said += texts
            nbest = tuple(Hypothesis(text, -1.0 - n) for n, text in enumerate(texts))
            return Caption(texts[0], -1.0, tuple(texts[0].split()), nbest)

    odd = Odd()
    found = describe(odd, noise(0), detail=detail)
    assert set(content(found.text)) <= odd.content | PLACING
    assert found == describe(Odd(), noise(0), detail=detail)


def test_detail_one_is_the_best_caption():
    photo = noise(5)
    (caption,) = RandomCaptioner(3).caption([photo])
    found = describe(RandomCaptioner(3), photo)
    assert found.text == caption.text
    assert found.sentences[0].logprob == caption.logprob


def test_few_words_and_a_sentence_need_one_caption():
    for detail in (0, 1):
        captioner = RandomCaptioner()
        describe_all(captioner, [noise(0), noise(1)], detail=detail)
        assert captioner.sizes == [2]


def test_a_paragraph_describes_the_parts():
    photo = scene(man=(0.45, 0.3, 0.55, 0.7), dog=(0.0, 0.5, 0.3, 1.0), bench=(0.8, 0.1, 1.0, 0.5))
    captioner = ScriptedCaptioner(
        "a man is standing in a field", dog="a brown dog is sleeping", bench="a man is standing near a wooden bench"
    )
    found = describe(captioner, photo, detail=3)
    assert [sentence.text for sentence in found.sentences] == [
        "A man is standing in a field.",
        "At the bottom left, a brown dog is sleeping.",
        "There is a wooden bench at the top right.",
    ]
    _, dog, bench = (sentence.box for sentence in found.sentences)
    assert dog[0] == 0
    assert dog[3] == 1
    assert bench[2] == 1
    assert bench[1] == 0


def test_a_region_is_described_on_its_own():
    photo = scene(man=(0.5, 0.3, 0.6, 0.7), dog=(0.0, 0.5, 0.3, 1.0))
    captioner = ScriptedCaptioner("a man is standing in a field", dog="a dog is sleeping")
    found = describe(captioner, photo, region=(0.0, 0.5, 0.3, 1.0))
    assert found.text == "a dog is sleeping"
    assert found.sentences[0].box == pytest.approx((0.0, 0.45, 0.33, 1.0))
    assert describe(captioner, photo, detail=0, region=(0.0, 0.5, 0.3, 1.0)).text == "a dog"


def test_a_long_region_takes_the_more_probable_of_two_captions():
    class Square(RandomCaptioner):
        def _one(self, photo):
            height, width = photo.pixels.shape[:2]
            text, logprob = ("a tall tree", -1.0) if height == width else ("a wall", -9.0)
            return Caption(text, logprob)

    assert describe(Square(), noise(1, 100, 100), region=(0.4, 0.0, 0.6, 1.0)).text == "a tall tree"
    assert describe(Square(), noise(1, 100, 50)).text == "a wall"  # of the whole, the plain caption


def test_no_photos_and_no_words():
    class Mute(RandomCaptioner):
        def _one(self, photo):
            return Caption("", 0.0)

    assert describe_all(RandomCaptioner(), [], detail=3) == []
    assert describe(Mute(), noise(0), detail=3).sentences == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"detail": 4}, "a paragraph; not 4"),
        ({"region": (0, 0, 200, 100)}, "reaches out of the image"),
        ({"region": (0.5, 0.5, 0.5, 0.9)}, "is empty"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_invalid_options_are_refused_before_captioning(asked, reason):
    captioner = RandomCaptioner()
    with pytest.raises(UsageError, match=reason):
        describe_all(captioner, [noise(0)], **asked)
    assert captioner.sizes == []


@pytest.mark.slow
def test_with_the_shipped_model(photos):
    import imagist

    captioner = imagist.load(threads=1, beam=5, nbest=5).captioner
    for region in (None, (0.1, 0.2, 0.7, 0.9)):
        told = [describe_all(captioner, photos, detail=detail, region=region) for detail in range(4)]
        again = describe_all(captioner, photos[:3], detail=3, region=region, batch_size=7)
        assert [one.text for one in again] == [one.text for one in told[3][:3]]
        for few, one, longer, paragraph in zip(*told, strict=True):
            said = [set(map(stem, content(found.text))) for found in (few, one, longer, paragraph)]
            assert said[0] <= said[1] <= said[2] <= said[3]
            assert 1 <= len(paragraph.sentences) <= 5
    assert len({one.text for one in told[3]}) > len(photos) / 2
    assert told[1][0].text != captioner.caption([Photo(np.zeros((9, 9, 3), np.uint8))])[0].text


class Sceptic:
    """A matcher to which nothing that is said of an image fits, but for some texts."""

    id, scale, concurrent = "sceptic", 1.0, True
    confidence = Confidence(10.0, 0.0, "")

    def __init__(self, fitting=()):
        self.fitting = {*fitting}

    def images(self, photos):
        return np.ones((len(photos), 1), np.float32)

    def texts(self, texts):
        return np.array([[1.0 if text in self.fitting else -1.0] for text in texts], np.float32)


@given(SEEDS, st.sampled_from([2, 3]))
def test_what_a_matcher_does_not_support_in_a_part_is_not_said(seed, detail):
    captioner, photo = RandomCaptioner(seed), noise(5)
    whole = {word for h in captioner.caption([photo])[0].nbest for word in content(h.text)}
    (found,) = describe_all(captioner, [photo], detail=detail, matcher=Sceptic())
    assert found.text
    assert set(content(found.text)) <= whole | PLACING


@given(SEEDS, st.integers(0, 3), REGIONS)
def test_a_matcher_that_supports_all_changes_nothing(seed, detail, region):
    captioner, photo = RandomCaptioner(seed), noise(6)
    matcher = Sceptic()
    matcher.confidence = Confidence(10.0, 100.0, "")
    asked = {"detail": detail, "region": region}
    assert describe_all(captioner, [photo], matcher=matcher, **asked) == describe_all(captioner, [photo], **asked)
