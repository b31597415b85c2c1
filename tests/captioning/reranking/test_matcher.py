"""The hypothesis nearest to the image comes first, and every caption gets its cosine."""

from __future__ import annotations

import numpy as np
import pytest

from counting_matcher import CountingMatcher
from imagist.captioning.reranking.matcher import MatchedCaptioner, clip_scores
from imagist.errors import UsageError
from imagist.records import Caption, Hypothesis, Photo

PHOTOS = [Photo(np.full((4, 4, 3), colour, np.uint8)) for colour in ((250, 10, 0), (0, 90, 200))]
TEXTS = ("a cat", "a red car", "snow")


class Captions:
    id, concurrent = "captions", True

    def caption(self, photos):
        nbest = tuple(Hypothesis(text, -1.0 - rank) for rank, text in enumerate(TEXTS))
        maps = np.full((2, 1, 1), 1.0, np.float32)
        return [Caption(TEXTS[0], -1.0, ("a", "cat"), nbest, maps) for _ in photos]


def cosines(photo, texts=TEXTS):
    matcher = CountingMatcher()
    return (matcher.texts(list(texts)) @ matcher.images([photo])[0]).tolist()


@pytest.mark.parametrize("nbest", [1, 2, 3])
def test_the_nearest_comes_first(nbest):
    for photo, caption in zip(
        PHOTOS, MatchedCaptioner(Captions(), CountingMatcher(), nbest=nbest).caption(PHOTOS), strict=True
    ):
        values = cosines(photo)
        order = np.argsort([-value for value in values], kind="stable")
        assert [each.text for each in caption.nbest] == [TEXTS[place] for place in order][:nbest]
        assert (caption.text, caption.logprob) == (caption.nbest[0].text, caption.nbest[0].logprob)
        assert caption.similarity == pytest.approx(max(values))
        assert (caption.attention is None) == (caption.text != TEXTS[0])
        assert caption.tokens == tuple(caption.text.split())


def test_scores_alone_leave_the_caption_as_it_is():
    (caption,) = MatchedCaptioner(Captions(), CountingMatcher(), rerank=False, nbest=3).caption(PHOTOS[:1])
    assert (caption.text, len(caption.nbest)) == (TEXTS[0], 3)
    assert caption.similarity == pytest.approx(cosines(PHOTOS[0])[0])
    assert caption.fields()["similarity"] == pytest.approx(caption.similarity)
    assert "similarity" not in Caption("a", -1.0).fields()


def test_an_image_s_caption_does_not_depend_on_the_others():
    of = MatchedCaptioner(Captions(), CountingMatcher())
    assert of.caption([]) == []
    assert [each.text for each in of.caption(PHOTOS)] == [of.caption([photo])[0].text for photo in PHOTOS]


def test_ids_and_saving():
    ids = {
        MatchedCaptioner(Captions(), CountingMatcher(), rerank=how, nbest=n).id for how in (True, False) for n in (1, 2)
    }
    assert len(ids) == 4
    with pytest.raises(UsageError, match="cannot be saved"):
        MatchedCaptioner(Captions(), CountingMatcher()).save("x")


def test_clip_score_is_the_positive_cosine_times_two_and_a_half():
    found = clip_scores(CountingMatcher(), PHOTOS, TEXTS[:2])
    own = [cosines(photo, [text])[0] for photo, text in zip(PHOTOS, TEXTS, strict=False)]
    np.testing.assert_allclose(found, [2.5 * max(0.0, value) for value in own], atol=1e-6)
    with pytest.raises(UsageError, match="2 photos and 1 texts"):
        clip_scores(CountingMatcher(), PHOTOS, ["a"])
