"""The same prompts as clip-interrogator 0.6.0 where it is exact; where ours differ, what differs and why.

Skips where that package is not installed: ``pip install --no-deps clip-interrogator==0.6.0``, beside requests and tqdm.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagist.records import Photo

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]  # the peer is older than its libraries

COLOURS = ("red", "blue", "green", "white", "old", "wet", "tiny", "wide")
THINGS = ("car", "dog", "sky", "house", "tree", "boat", "street", "lamp")
TEXTS = {
    "artists": ["Claude Monet", "Berthe Morisot", "Georges Seurat"],
    "flavors": [f"{colour} {thing}" for colour in COLOURS for thing in THINGS],
    "mediums": ["a photo", "a painting", "a drawing"],
    "movements": ["cubism", "realism", "pop art"],
    "negative": ["blurry", "bad anatomy", "low quality"],
}
CAPTIONS = ("a photo of a dog on a street", "a painting", "two boats")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A CLIP of open_clip with random weights, what it makes of an image, and our matcher over it."""
    pytest.importorskip("clip_interrogator")
    import tiny_matchers
    from imagist.matching.backends.open_clip import load
    from imagist.protocols import PartOptions

    return load(
        str(tiny_matchers.open_clip(tmp_path_factory.mktemp("peer") / "tiny", context_length=77)), PartOptions()
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tables")
    for name, phrases in TEXTS.items():
        (place / f"{name}.txt").write_text("".join(f"{phrase}\n" for phrase in phrases))
    return place


def images(count=6):
    rng = np.random.default_rng(3)
    return [Photo(rng.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(count)]


@pytest.fixture(scope="module")
def other(network, folder):
    """The peer over the same weights, its tables embedded once."""
    return peer(network, folder)


def peer(network, folder, **more):
    from clip_interrogator import Config
    from clip_interrogator import Interrogator as Peer

    config = Config(
        clip_model_name="ViT-B-32/random", caption_model_name=None, cache_path=None, download_cache=False,
        data_path=str(folder), device="cpu", quiet=True, **more,
    )  # fmt: skip
    config.clip_model, config.clip_preprocess = network._network, network._transform
    return Peer(config)


def ours(network, folder, mode, caption, **settings):
    from fake_captioner import FakeCaptioner

    from imagist.captioning.interrogation.interrogator import Interrogator
    from imagist.captioning.interrogation.settings import InterrogationSettings
    from imagist.matching.phrases import open_tables

    asked = InterrogationSettings(mode, **settings)
    return Interrogator(FakeCaptioner(caption), network, open_tables([folder]), asked, cache=folder / "embeddings")


@pytest.mark.parametrize("caption", CAPTIONS)
@pytest.mark.parametrize(("mode", "most"), [("fast", 8), ("fast", 3), ("classic", 3), ("best", 5)])
def test_the_same_prompts(mode, most, caption, other, network, folder):
    how = {
        "fast": lambda image: other.interrogate_fast(image, most, caption=caption),
        "classic": lambda image: other.interrogate_classic(image, most, caption=caption),
        "best": lambda image: other.interrogate(image, 2, most, caption=caption),
    }[mode]
    photos = images(1 if mode == "best" else 4)
    expected = [how(Image.fromarray(photo.pixels)) for photo in photos]
    found = ours(network, folder, mode, caption, max_phrases=most, min_phrases=2).interrogate(photos)
    assert [each.text for each in found] == expected


def test_a_table_larger_than_a_chunk_loses_none_of_the_nearest(network, folder):
    """Its chunks of 20 keep the best of each, 20 divided by their number; of ours none is cut away."""
    other = peer(network, folder, chunk_size=20)
    photos, lost = images(3), 0
    of = ours(network, folder, "tags", "", max_phrases=12)
    for photo, found in zip(photos, of.interrogate(photos), strict=True):
        phrases = [phrase.text for phrase in found.phrases]
        vectors = network.texts([*all_phrases(folder)])
        values = vectors.astype(np.float16).astype(np.float32) @ network.images([photo])[0]
        exact = [[*all_phrases(folder)][place] for place in np.argsort(-values, kind="stable")[:12]]
        assert phrases == exact
        pruned = other.interrogate_fast(Image.fromarray(photo.pixels), 12, caption="x").split(", ")[1:]
        lost += sum(phrase not in pruned for phrase in exact)
    assert lost > 0


def all_phrases(folder):
    from imagist.matching.phrases import open_tables

    tables = open_tables([folder]).phrases
    return dict.fromkeys(phrase for role, some in tables.items() if role != "negative" for phrase in some)


def test_separators_count_towards_the_limit(network):
    """It counts the text and the phrase without the separator: foot and ball as football, which is one token."""
    from clip_interrogator.clip_interrogator import _truncate_to_fit

    from imagist.captioning.interrogation.texts import Limit

    limit, over = Limit(network), 0
    for length in range(68, 78):
        caption = " ".join([*["dog"] * length, "foot"])
        theirs = _truncate_to_fit(f"{caption}, ball", network._tokenizer)
        text = caption + ", ball" * limit.cut(caption, [", ball"])
        assert text == caption or network.token_count(text) <= network.max_tokens == 77
        assert theirs.startswith(text)
        over += theirs != text and network.token_count(theirs) > 77
    assert over > 0


def test_negative_goes_to_the_far_end(other, network, folder, monkeypatch):
    """Its chain compares cosines of different signs; of several chunks it takes the nearest of the farthest."""
    monkeypatch.setattr(other.config, "flavor_intermediate_count", 16)
    photos = images(2)
    of = ours(network, folder, "negative", "", max_phrases=6, candidates=16, min_phrases=2)
    for photo, found in zip(photos, of.interrogate(photos), strict=True):
        theirs = other.interrogate_negative(Image.fromarray(photo.pixels), 6)
        image = network.images([photo])[0]
        assert found.similarity <= float(network.texts([theirs])[0] @ image) + 1e-6
