from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import fake_service
from imagist import profiles
from imagist.datasets.near_duplicates import perceptual_hash
from imagist.errors import UsageError
from imagist.profiles.images import viewer
from imagist.records import Photo
from imagist.records.flat import POST_IMAGE_FIELDS


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), np.uint8)


def test_a_view_is_the_prediction_the_hash_and_the_embedding(pictures):
    pipeline = fake_service.pipeline(matcher=fake_service.ByLength())
    photos = [Photo(each, f"{i}.png") for i, each in enumerate(pictures)]
    views = viewer(pipeline, embed=True)(photos)
    assert [each.prediction.perceptual_hash for each in views] == [perceptual_hash(each) for each in pictures]
    assert views[0].embedding.tolist() == pipeline.matcher.images(photos)[0].tolist()
    assert [*views[0].fields()] == [*POST_IMAGE_FIELDS]
    assert views[0].fields()["probabilities"] == pipeline.predict(photos[:1])[0].fields()["probabilities"]
    assert viewer(pipeline)(photos)[0].fields()["embedding"] is None
    with pytest.raises(UsageError, match="no matcher"):
        viewer(fake_service.pipeline(), embed=True)


def test_folders_become_posts_with_embeddings(pictures, tmp_path):
    for name, of_account in (("ann", pictures[:3]), ("bob", pictures[3:])):
        (tmp_path / name).mkdir()
        for i, each in enumerate(of_account):
            Image.fromarray(each).save(tmp_path / name / f"{i}.png")
    pipeline = fake_service.pipeline(matcher=fake_service.ByLength())
    posts = profiles.read_images(pipeline, [str(tmp_path)], embed=True)
    assert posts.accounts == ("ann", "ann", "ann", "bob")
    assert np.linalg.norm(posts.embeddings, axis=1) == pytest.approx(1, abs=1e-2)
    assert [each.account for each in profiles.profile(posts)] == ["ann", "bob"]
