"""The sets of a recipe: which unlabelled images are recognised, and the features of several encoders."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import save_file
from test_class_names import NAMES

from imagist.datasets.entries import Example
from imagist.errors import DataError, UsageError
from imagist.training.captioners.corpora import labels_of, open_encoding, unlabelled_corpus, windows
from imagist.training.captioners.recipe import Alternative, Backbone, Data, UnlabelledCorpus
from imagist.training.encoders.features import AnyOf, Grids
from imagist.training.image_rows import ImageSource, read_rows

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
SOURCE = UnlabelledCorpus((ImageSource("images.parquet"),), views=2, wrong=0.0, least_worth=-1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of two networks that no one trained, and five images."""
    folder = tmp_path_factory.mktemp("data")
    for seed in range(2):
        torch.manual_seed(seed)
        save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), folder / f"{seed}.safetensors")
    images = []
    for seed in range(5):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(file, "PNG")
        images.append({"bytes": file.getvalue(), "path": f"{seed}.png"})
    pq.write_table(pa.table({"image": images}), folder / "images.parquet")
    return folder


@pytest.fixture(scope="module")
def encoding(folder):
    config = Backbone(
        "test_efficientnet", "0.safetensors", image_size=64,
        alternatives=(Alternative("test_efficientnet", "1.safetensors"),),
    )  # fmt: skip
    return open_encoding(config, folder, folder / "cache", CPU)


def images_of(folder):
    return [Example(row.source, "", row.content) for row in read_rows(SOURCE.sources, folder)]


def probabilities(**of):
    row = np.zeros(1000, np.float32)
    for number, value in of.items():
        row[int(number[1:])] = value
    return row


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (probabilities(c285=0.7, c151=0.2, c152=0.1), "285"),  # a likely class tells most
        (probabilities(c285=0.1, c151=0.22, c200=0.22, c230=0.22, c250=0.24), "dog"),  # then what they have in common
        (probabilities(c442=0.25, c483=0.2, c698=0.2, c663=0.2), "building"),  # which may be a general word
        (probabilities(c285=0.2, c404=0.2, c966=0.2), None),
        (probabilities(c999=0.45), "999"),
    ],
)
def test_images_are_named_by_what_is_worth_most(row, label):
    assert labels_of(row[None], NAMES, UnlabelledCorpus(())) == [label]


@given(st.integers(0, 2**32 - 1), st.floats(0, 2))
def test_the_more_is_lost_where_a_word_is_wrong_the_more_general_the_words_are(seed, wrong):
    rows = np.random.default_rng(seed).dirichlet(np.full(1000, 0.005), 5).astype(np.float32)

    def specificity(label):
        return NAMES.specificity([0] if label.isdigit() else NAMES.everyday[label])

    bold, careful = (
        labels_of(rows, NAMES, UnlabelledCorpus((), wrong=of, least_worth=-9)) for of in (wrong, wrong + 0.5)
    )
    assert all(specificity(one) >= specificity(other) for one, other in zip(bold, careful, strict=True))


def test_names_and_probabilities_must_be_of_as_many_classes():
    with pytest.raises(UsageError, match="1,000 classes, not 10"):
        labels_of(np.ones((1, 10), np.float32), NAMES, UnlabelledCorpus(()))


def test_probabilities_are_the_mean_over_encoders_and_mirror_images(encoding, folder):
    corpus, images = unlabelled_corpus(Data((), (), class_names=NAMES), SOURCE, encoding), images_of(folder)
    both = encoding.class_probabilities(images)
    single = [
        open_encoding(config, folder, folder / "cache", CPU).class_probabilities(images)
        for config in encoding.backbone.every()
    ]
    assert both.shape == (5, 1000)
    np.testing.assert_allclose(both.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(both, (single[0] + single[1]) / 2, atol=1e-6)
    assert corpus.labels == labels_of(both, NAMES, SOURCE)
    assert "en" in {code for code, _ in corpus.sample(0, 3, np.random.default_rng(0))}


def test_what_is_visible_is_what_a_part_shows(encoding, folder):
    images = images_of(folder)
    visible = encoding.visible_classes(images)
    assert visible.shape == (5, 1000)
    assert (visible >= encoding.class_probabilities(images) - 1e-6).all()
    grids = torch.randn(2, 2, 49, 3)
    parts = windows(grids)
    assert parts.shape == (2, 20, 3)
    torch.testing.assert_close(parts[:, :2], grids.mean(2))
    corner = grids.reshape(2, 2, 7, 7, 3)[:, :, 3:, 3:].mean((2, 3))
    torch.testing.assert_close(parts[:, -2:], corner)


def test_a_detector_reads_the_whole_image_through_every_encoder(encoding, folder):
    images = images_of(folder)
    found = encoding.probabilities(images, lambda grids: grids.mean((1, 2)))
    means = [each.whole(0, 5).mean((1, 2)) for each in encoding.features(images, 2).encoders]
    np.testing.assert_allclose(found, torch.sigmoid((means[0] + means[1]) / 2).numpy(), rtol=1e-3)


def test_images_of_which_nothing_is_sure_are_left_out(encoding):
    with pytest.raises(DataError, match="no image of which the encoders are sure"):
        unlabelled_corpus(Data((), (), class_names=NAMES), UnlabelledCorpus(SOURCE.sources), encoding)


def test_features_come_from_each_encoder_and_dev_s_from_the_first(encoding, folder):
    images = images_of(folder)
    features = encoding.features(images, 1)
    assert isinstance(features, AnyOf)
    grids = [each.whole(0, 5) for each in features.encoders]
    torch.testing.assert_close(encoding.whole(images).whole(0, 5), grids[0])
    assert not torch.allclose(grids[0], grids[1])
    counts = np.zeros(2, int)
    for seed in range(20):
        rows = np.array([3, 0, 4, 4])
        drawn = features.some(rows, np.random.default_rng(seed))
        for grid, row in zip(drawn, rows, strict=True):
            same = [torch.equal(grid, each[row]) for each in grids]
            assert sum(same) == 1
            counts += same
    assert counts.min() > 20


def test_changed_features_are_those_of_every_encoder():
    rows = [np.full((3, 1, 2, 2), value, np.float16) for value in (1, 2)]
    doubled = AnyOf([Grids(each) for each in rows]).changed(lambda grid: grid * 2)
    assert len(doubled) == 3
    drawn = doubled.some(np.arange(3).repeat(10), np.random.default_rng(0))
    assert {*drawn.flatten().tolist()} == {2.0, 4.0}


def test_encoders_of_other_shapes_are_refused(encoding, folder):
    torch.manual_seed(0)
    save_file(timm.create_model("test_convnext", pretrained=False).state_dict(), folder / "c.safetensors")
    other = replace(encoding.backbone, alternatives=(Alternative("test_convnext", "c.safetensors"),))
    with pytest.raises(UsageError, match=r"test_convnext: gives grids of \d+ x \d+, not of \d+ x \d+"):
        open_encoding(other, folder, folder / "cache", CPU)


def test_several_encoders_are_not_trained():
    with pytest.raises(UsageError, match="one encoder alone"):
        Backbone(finetune=True, alternatives=(Alternative("test_efficientnet"),))
