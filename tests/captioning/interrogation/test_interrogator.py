"""Every mode chooses what it says, within the limit, and independent of the batch."""

from __future__ import annotations

import numpy as np
import pytest
from fake_captioner import FakeCaptioner

from counting_matcher import CountingMatcher
from imagist.captioning.interrogation.interrogator import Interrogator
from imagist.captioning.interrogation.settings import MODES, InterrogationSettings
from imagist.errors import SettingError, UsageError
from imagist.matching.phrases import PhraseTables
from imagist.records import Photo

TABLES = PhraseTables(
    {
        "artists": ("by Monet", "by Manet"),
        "flavors": (*(f"{one} {other}" for one in ("red", "old", "wet") for other in ("car", "dog", "sky")), "a photo"),
        "mediums": ("a photo", "a painting"),
        "movements": ("cubism", "realism"),
        "trendings": ("flickr", "pixiv"),
        "negative": ("blurry", "red car"),
    }
)
PHOTOS = [Photo(np.full((4, 4, 3), colour, np.uint8)) for colour in ((250, 10, 0), (0, 90, 200), (60, 60, 90))]


def opened(folder, mode="fast", *, tables=TABLES, matcher=None, text="a photo of a car", **settings):
    captioner = FakeCaptioner(text) if text else None
    asked = InterrogationSettings(mode, **settings)
    return Interrogator(captioner, matcher or CountingMatcher(), tables, asked, cache=folder)


def cosines(matcher, photo, texts):
    return (matcher.texts(list(texts)) @ matcher.images([photo])[0]).tolist()


def nearest(matcher, photo, texts, *, farthest=False):
    """The texts by their cosine, by numpy alone."""
    values = np.array(cosines(matcher, photo, texts))
    return [texts[i] for i in np.argsort(values if farthest else -values, kind="stable")]


ALL = [*dict.fromkeys(p for role, some in TABLES.phrases.items() if role != "negative" for p in some)]


@pytest.mark.parametrize("photo", PHOTOS)
def test_fast_adds_the_nearest_phrases_of_all_tables_to_the_caption(photo, tmp_path):
    of = opened(tmp_path, max_phrases=5)
    (found,) = of.interrogate([photo])
    assert [phrase.text for phrase in found.phrases] == nearest(of.matcher, photo, ALL)[:5]
    assert found.text == ", ".join(["a photo of a car", *(phrase.text for phrase in found.phrases)])
    expected = cosines(of.matcher, photo, [phrase.text for phrase in found.phrases])
    assert [phrase.similarity for phrase in found.phrases] == pytest.approx(expected, abs=2e-3)  # float16 on disk
    assert {phrase.gain for phrase in found.phrases} == {None}
    assert (found.caption.text, found.mode, found.similarity) == ("a photo of a car", "fast", None)


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("text", ["a photo of a car", "a painting in a room", "a car"])
def test_classic_words_a_prompt_as_clip_interrogator_does(photo, text, tmp_path):
    of = opened(tmp_path, "classic", text=text)
    (found,) = of.interrogate([photo])
    one = {role: nearest(of.matcher, photo, TABLES.of(role))[0] for role in TABLES.phrases}
    flavors = ", ".join(nearest(of.matcher, photo, TABLES.of("flavors"))[:3])
    start = text if text.startswith(one["mediums"]) else f"{text}, {one['mediums']}"
    assert found.text == f"{start} {one['artists']}, {one['trendings']}, {one['movements']}, {flavors}"
    roles = ["mediums"] * (start != text) + ["artists", "trendings", "movements"] + ["flavors"] * 3
    assert [phrase.role for phrase in found.phrases] == roles


def test_classic_without_the_other_tables_adds_flavors_alone(tmp_path):
    of = opened(tmp_path, "classic", tables=PhraseTables({"flavors": ("red car", "wet dog")}))
    (found,) = of.interrogate(PHOTOS[:1])
    assert found.text == ", ".join(["a photo of a car", *nearest(of.matcher, PHOTOS[0], ("red car", "wet dog"))])


@pytest.mark.parametrize("photo", PHOTOS)
def test_best_is_the_nearest_of_four_texts_and_gains_add_up(photo, tmp_path):
    of = opened(tmp_path, "best", max_phrases=6, min_phrases=2)
    (found,) = of.interrogate([photo])
    fast = opened(tmp_path, "fast", max_phrases=6).interrogate([photo])[0].text
    classic = opened(tmp_path, "classic", max_phrases=6).interrogate([photo])[0].text
    start = found.caption.text
    reached = cosines(of.matcher, photo, [found.text, start, fast, classic])
    assert reached[0] == pytest.approx(found.similarity)
    assert reached[0] >= max(reached) - 1e-6
    total = sum(phrase.gain for phrase in found.phrases)
    assert total == pytest.approx(found.similarity - reached[1], abs=1e-5)


def test_negative_ranks_from_the_far_end_and_goes_on_from_there(tmp_path):
    of = opened(tmp_path, "negative", text=None, candidates=2, max_phrases=4, min_phrases=1)
    for photo, found in zip(PHOTOS, of.interrogate(PHOTOS), strict=True):
        far = nearest(of.matcher, photo, TABLES.of("flavors"), farthest=True)[:2]
        pool = [*dict.fromkeys([*far, *TABLES.of("negative")])]
        first = nearest(of.matcher, photo, pool, farthest=True)[0]
        assert found.phrases[0].text == first
        assert {phrase.text for phrase in found.phrases} <= {*pool}
        assert found.similarity == pytest.approx(min(cosines(of.matcher, photo, [found.text, *pool])), abs=1e-6)
        assert found.caption is None
        assert found.phrases[0].gain is None
        assert all(phrase.gain < 0 for phrase in found.phrases[1:])


def test_tags_are_phrases_alone(tmp_path):
    of = opened(tmp_path, "tags", text=None, max_phrases=3)
    (found,) = of.interrogate(PHOTOS[:1])
    assert found.text == ", ".join(nearest(of.matcher, PHOTOS[0], ALL)[:3])
    assert found.as_caption().logprob == 0


@pytest.mark.parametrize("mode", MODES)
def test_one_photo_and_many_give_the_same(mode, tmp_path):
    of = opened(tmp_path, mode, max_phrases=4, min_phrases=2)
    together = of.interrogate(PHOTOS)
    alone = [of.interrogate([photo])[0] for photo in PHOTOS]
    again = opened(tmp_path, mode, max_phrases=4, min_phrases=2).interrogate(PHOTOS)
    assert [each.fields() for each in together] == [each.fields() for each in alone] == [e.fields() for e in again]
    assert of.interrogate([]) == []


@pytest.mark.parametrize("mode", ["fast", "classic", "best"])
def test_texts_are_within_the_limit_separators_included(mode, tmp_path):
    for tokens in range(7, 20):
        of = opened(tmp_path, mode, matcher=CountingMatcher(tokens), min_phrases=1)
        for found in of.interrogate(PHOTOS):
            assert of.matcher.token_count(found.text) <= tokens
            assert found.text.startswith("a photo of a car")


def test_a_caption_over_the_limit_stays_whole(tmp_path):
    (found,) = opened(tmp_path, matcher=CountingMatcher(3)).interrogate(PHOTOS[:1])
    assert (found.text, found.phrases) == ("a photo of a car", ())


def test_diversity_leaves_similar_phrases_out(tmp_path):
    tables = PhraseTables({"flavors": ("collapsed building", "building collapsed", "flooded street", "a dog")})
    for mode in ("fast", "tags", "best"):
        asked = {"max_phrases": 4, "min_phrases": 4}
        both = opened(tmp_path, mode, tables=tables, **asked).interrogate(PHOTOS[:1])[0].phrases
        thin = opened(tmp_path, mode, tables=tables, diversity=0.1, **asked).interrogate(PHOTOS[:1])[0].phrases
        if mode != "best":
            assert len(both) == 4
        assert len({frozenset(phrase.text.split()) for phrase in thin}) == len(thin)
    texts = [
        phrase.text
        for phrase in opened(tmp_path, "tags", tables=tables, diversity=0.1).interrogate(PHOTOS[:1])[0].phrases
    ]
    assert len(texts) == 3


def test_the_text_is_the_caption(tmp_path):
    of = opened(tmp_path, max_phrases=2)
    of.captioner = FakeCaptioner("a photo of a car", "a car")
    (caption,) = of.caption(PHOTOS[:1])
    (found,) = of.interrogate(PHOTOS[:1])
    assert (caption.text, caption.phrases, caption.logprob) == (found.text, found.phrases, -1.0)
    assert caption.tokens == tuple(found.text.split())
    assert [each.text for each in caption.nbest] == [found.text, found.text.replace("a photo of a car", "a car", 1)]


def test_ids_and_concurrency_are_those_of_the_parts(tmp_path):
    ids = {
        opened(tmp_path).id,
        opened(tmp_path, "classic").id,
        opened(tmp_path, max_phrases=3).id,
        opened(tmp_path, tables=PhraseTables({"flavors": ("a",)})).id,
        opened(tmp_path, matcher=CountingMatcher(name="other")).id,
        Interrogator(FakeCaptioner("a", name="other"), CountingMatcher(), TABLES, cache=tmp_path).id,
    }
    assert len(ids) == 6
    assert opened(tmp_path).concurrent
    matcher = CountingMatcher()
    matcher.concurrent = False
    assert not opened(tmp_path, matcher=matcher).concurrent


def test_phrases_are_embedded_once_and_with_progress(tmp_path):
    done = []
    of = opened(tmp_path)
    of.prepare(done.append)
    assert sum(done) == sum(len(some) for role, some in TABLES.phrases.items() if role != "negative")
    asked = of.matcher.asked
    of.interrogate(PHOTOS)
    opened(tmp_path, matcher=of.matcher).prepare(done.append)
    assert of.matcher.asked == asked


def test_a_mode_without_what_it_needs(tmp_path):
    with pytest.raises(UsageError, match="begins with a caption"):
        opened(tmp_path, text=None)
    with pytest.raises(UsageError, match="no phrases for the mode"):
        opened(tmp_path, tables=PhraseTables({"negative": ("blurry",)}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "slow"},
        {"max_phrases": 0},
        {"min_phrases": -1},
        {"candidates": 0},
        {"diversity": 1.5},
        {"max_tokens": 0},
    ],
)
def test_settings_out_of_their_range(wrong):
    with pytest.raises(SettingError):
        InterrogationSettings(**wrong)
