from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imagist.errors import UnknownName, UsageError
from imagist.matching.background import Background, Spread
from imagist.matching.zero_shot import ZeroShot
from imagist.profiles import Posts, Settings, account_record, post_records, profile
from imagist.profiles.records import account_fields, post_fields, ranked
from imagist.profiles.searching import score_brief, shrunken_means, similarities


class Axes:
    """Embeds a text as the axis of its first letter, a to d."""

    id, concurrent, scale = "axes", True, 5.0

    def texts(self, texts):
        return np.eye(4, dtype=np.float32)[["abcd".index(text[0]) for text in texts]]


@pytest.fixture(scope="module")
def world():
    """Three accounts, of which two show the same; the first axis of the embeddings is what the brief asks for."""
    random = np.random.default_rng(0)
    owners = np.repeat(["one", "two", "far"], [20, 20, 20])
    vectors = random.normal(0, 0.2, (60, 4)) + np.where(owners[:, None] == "far", [0, 0, 1, 1], [1, 1, 0, 0])
    given = np.where(owners[:, None] == "far", [0.1, 0.9], [0.9, 0.1])
    posts = Posts(tuple(owners), given, ("cat", "food"), embeddings=vectors.astype(np.float32))
    return posts, profile(posts, Settings(draws=100))


def test_a_brief_ranks_accounts_and_posts(world):
    posts, found = world
    brief = score_brief(posts, "a cat", Axes())
    assert ranked(found, brief=brief)[-1].account == "far"
    score, low, high = brief.of_accounts["one"]
    assert low < score < high
    assert brief.of_posts.mean() == pytest.approx(1)
    assert score == pytest.approx(brief.of_posts[:20].mean(), abs=0.1)
    record = account_record(found[0], brief=brief)
    assert [*record] == [*account_fields(posts.categories, brief=brief)]
    assert record["brief_score"] == round(score, 4)
    assert [*next(iter(post_records(found, posts, brief=brief)))] == [*post_fields(brief=brief)]


def test_captions_are_a_side_of_their_own(world):
    posts, _ = world
    captions = ("a cat",) * 10 + ("b",) * 50
    told = replace(posts, captions=captions, embeddings=np.zeros((0, 0), np.float32))
    alone = score_brief(told, "a cat", Axes())
    assert alone.of_posts[:10].tolist() == pytest.approx([6 / (1 + 5 * np.exp(-5.0))] * 10)
    images = score_brief(posts, "a cat", Axes())
    both = score_brief(replace(posts, captions=captions), "a cat", Axes())
    assert both.of_posts == pytest.approx((alone.of_posts + images.of_posts) / 2)


def test_a_background_and_settings_of_the_matcher_are_heeded(world):
    posts, _ = world
    matcher = Axes()
    spread = Spread(np.full(4, 0.1, np.float32), np.zeros((4, 1), np.float32), np.full(4, 0.04, np.float32))
    matcher.background, matcher.zero_shot = Background(spread, spread), ZeroShot(image_scale=1.0)
    plain = score_brief(posts, "a", Axes()).of_posts
    assert np.log(score_brief(posts, "a", matcher).of_posts).std() == pytest.approx(np.log(plain).std(), rel=1e-5)


def test_a_brief_needs_embeddings_of_the_matcher_or_captions(world):
    posts, _ = world
    with pytest.raises(UsageError, match="another matcher"):
        score_brief(replace(posts, embeddings=posts.embeddings[:, :3]), "a", Axes())
    with pytest.raises(UsageError, match="neither images nor captions"):
        score_brief(replace(posts, embeddings=np.zeros((0, 0), np.float32)), "a", Axes())


def test_accounts_like_another(world):
    _, found = world
    like = similarities(found, "one")
    assert like["one"] == pytest.approx(1)
    assert like["two"] > 0.95 > like["far"] > 0
    assert [each.account for each in ranked(found, like=like)] == ["one", "two", "far"]
    assert account_record(found[2], like=like)["similarity"] == round(like["far"], 4)
    assert [*account_record(found[2], like=like)] == [*account_fields(("cat", "food"), like=like)]
    with pytest.raises(UnknownName, match="no account of that name"):
        similarities(found, "nobody")


def test_few_values_shrink_to_the_mean_of_all_and_their_interval_holds():
    random = np.random.default_rng(1)
    truth = random.normal(0, 1, 400)
    groups = np.repeat(np.arange(400), np.where(np.arange(400) % 2, 2, 40))
    values = truth[groups] + random.normal(0, 3, len(groups))
    mean, spread = shrunken_means(values, groups)
    plain = np.bincount(groups, values) / np.bincount(groups)
    assert ((mean - truth) ** 2).mean() < 0.5 * ((plain - truth) ** 2).mean()
    assert (abs(mean - truth) < 1.96 * spread).mean() == pytest.approx(0.95, abs=0.03)


def test_one_group_and_one_value_are_themselves():
    mean, spread = shrunken_means([1.0, 3.0], np.array([0, 0]))
    assert (mean.tolist(), spread[0]) == ([2.0], pytest.approx(1.0))
    mean, spread = shrunken_means([1.0, 3.0], np.array([0, 1]))
    assert mean.shape == spread.shape == (2,)
