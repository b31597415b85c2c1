"""Every kind of image classifier through one door."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("accelerate")
pytest.importorskip("torchvision")
pytest.importorskip("onnxscript")

from labelled_colours import LABELS, examples, tiny_network

from imagist import registry
from imagist import settings as toml
from imagist.bundle import open_folder
from imagist.errors import BundleError, DataError, UsageError
from imagist.images.photo import photo_of
from imagist.protocols import ImageClassifier, PartOptions
from imagist.training.classifiers import image_features
from imagist.training.classifiers.image import fit_images
from imagist.training.classifiers.image_features import cached_features, open_network
from imagist.training.classifiers.image_settings import Finetuned, LabelMap, Linear, Pretrained
from imagist.training.encoders.runtimes import on_device

pytestmark = pytest.mark.torch

TRAIN, DEV = examples(18), examples(9, seed=1)
MAPPED = '[labels]\nblue = ["jay", "indigo bunting"]\nred = ["strawberry"]\ngreen = []\n'
KINDS = {
    "adam": Linear(steps=60, learning_rate=0.02, batch_size=8, eval_every=20),
    "lbfgs": Linear(solver="lbfgs"),
    "finetuned": Finetuned(epochs=2, batch_size=8),
    "labelmap": LabelMap("own.toml"),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    (folder / "own.toml").write_text(MAPPED)
    return folder


def fit(kind, weights, seed=0, folder=None, train=TRAIN, dev=DEV, features=None, **network):
    settings = replace(KINDS[kind], network=tiny_network(weights, **network))
    if kind == "labelmap":
        settings = replace(settings, taxonomy=str(weights / "own.toml"))
    return fit_images(settings, *train, LABELS, dev, seed, folder, data=weights, features=features)


@pytest.fixture(scope="module", params=KINDS)
def fitted(request, weights):
    return fit(request.param, weights, mirror=request.param == "lbfgs")


def test_it_is_a_classifier_over_the_labels_in_their_order(fitted):
    classifier = fitted.classifier
    assert isinstance(classifier, ImageClassifier)
    assert classifier.labels == LABELS
    photos = [*map(photo_of, DEV[0])]
    scores, hidden = classifier.scores(photos), classifier.hidden(photos)
    assert scores.shape == (9, 3)
    assert scores.dtype == hidden.dtype == np.float32
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(classifier.scores_of(hidden), scores)
    for i in (0, 4):
        np.testing.assert_allclose(classifier.scores([photos[i]])[0], scores[i], atol=1e-5)
    np.testing.assert_allclose(classifier.scores(photos[::-1]), scores[::-1], atol=1e-5)
    assert classifier.scores([]).shape == (0, 3)


def test_what_is_saved_is_opened_again(fitted, tmp_path):
    photos = [*map(photo_of, DEV[0][:3])]
    fitted.classifier.save(tmp_path / "kept")
    again = opened(tmp_path / "kept")
    assert type(again) is type(fitted.classifier)
    assert (again.labels, again.id) == (LABELS, fitted.classifier.id)
    np.testing.assert_array_equal(again.scores(photos), fitted.classifier.scores(photos))
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} == {".toml", ".safetensors"}


def opened(folder):
    return registry.find("image_classifiers", open_folder(folder).kind)(str(folder), PartOptions())


@pytest.mark.parametrize("kind", ["adam", "lbfgs"])
def test_a_linear_classifier_learns_over_features_that_are_kept(kind, weights, tmp_path):
    fitted = fit(kind, weights, features=tmp_path)
    settings = tiny_network(weights)
    network = open_network(settings, weights)
    features = cached_features(network, settings, DEV[0], tmp_path)
    assert len([*tmp_path.glob("*.npy")]) == 1  # nothing was computed again
    scores = fitted.classifier.scores_of(features)
    assert (scores.argmax(1) == DEV[1]).all()
    assert fitted.history[-1].dev_accuracy == 1.0
    np.testing.assert_allclose(scores, fitted.classifier.scores([*map(photo_of, DEV[0])]), atol=1e-2)
    body = fitted.classifier.network.body.state_dict()
    assert all(torch.equal(weight, body[name]) for name, weight in network.body.state_dict().items())  # frozen


def test_a_label_map_is_not_trained_and_warns_of_labels_that_it_cannot_find(weights, caplog):
    with caplog.at_level(logging.WARNING, "imagist.training"):
        fitted = fit("labelmap", weights)
    assert fitted.history == ()
    assert fitted.classifier.taxonomy.unmapped == ("green",)
    assert "green" in caplog.text
    photos = [*map(photo_of, DEV[0])]
    scores = fitted.classifier.scores(photos)
    assert (scores[:, 1] == 0).all()
    fine = fitted.classifier.network.scores(photos)
    mass = np.stack([fine[:, 949], fine[:, 17] + fine[:, 14]], 1)  # strawberry; jay and indigo bunting
    np.testing.assert_allclose(scores[:, [0, 2]], mass / mass.sum(1, keepdims=True), atol=1e-5)


def test_a_label_map_of_other_categories_is_refused(weights):
    settings = LabelMap("imagenet/sns4", network=tiny_network(weights))
    with pytest.raises(UsageError, match="no category 'red'"):
        fit_images(settings, [], np.array([]), LABELS, data=weights)


@pytest.mark.parametrize("kind", ["adam", "finetuned"])
def test_a_checkpoint_belongs_to_its_fit(kind, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(image_features, "runner", lambda module, side, device: on_device(module, device))
    first = fit(kind, weights, folder=tmp_path)
    again = fit(kind, weights, folder=tmp_path)
    assert again.history == first.history
    photos = [*map(photo_of, DEV[0])]
    np.testing.assert_array_equal(again.classifier.scores(photos), first.classifier.scores(photos))
    moved = TRAIN[0], np.roll(TRAIN[1], 1)
    for change in ({"seed": 1}, {"train": moved}, {"dev": None}, {"side": 40}):
        with pytest.raises(DataError, match="other data or settings"):
            fit(kind, weights, folder=tmp_path, **change)


def test_all_faults_are_reported_together(weights):
    with pytest.raises(DataError) as caught:
        fit("adam", weights, train=(TRAIN[0], TRAIN[1][:3]), dev=(DEV[0], DEV[1] + 1))
    assert "train has 18 images and targets of the shape [3]" in str(caught.value)
    assert "dev has targets that are not whole numbers 0..2" in str(caught.value)
    with pytest.raises(DataError, match="train has no images"):
        fit("finetuned", weights, train=([], np.array([], int)))


def test_a_card_of_a_label_map_that_makes_no_sense_is_refused(weights, tmp_path):
    fit("labelmap", weights).classifier.save(tmp_path / "kept")
    card = (tmp_path / "kept" / "card.toml").read_text("utf-8")
    for wrong in (card.replace("members", "others"), card.replace('"green", ', "", 1)):
        assert wrong != card
        (tmp_path / "kept" / "card.toml").write_text(wrong, "utf-8")
        with pytest.raises(BundleError):
            opened(tmp_path / "kept")


def test_settings_are_read_from_toml():
    table = {"kind": "linear", "solver": "lbfgs", "network": {"name": "vgg16", "features": "pooled"}}
    read = toml.from_table(table, Linear, "table")
    assert read == Linear(solver="lbfgs", network=Pretrained("vgg16", features="pooled"))
    with pytest.raises(UsageError) as caught:
        toml.from_table({"kind": "finetuned", "epochs": 0, "mixup": -1, "colours": 1}, Finetuned, "table")
    for fault in ("epochs", "mixup", "did you mean 'colour'"):
        assert fault in str(caught.value)
    pooled = {"taxonomy": "imagenet/sns4", "network": {"features": "pooled"}}
    with pytest.raises(UsageError, match=r"network: .*own last layer"):
        toml.from_table(pooled, LabelMap, "table")


MOBILENET = Pretrained(
    weights="weights/mobilenetv2_100.imagenet.fp16.safetensors", options={"pad_type": "same"},
    mean=(0.5,) * 3, std=(0.5,) * 3, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def photos15(data, tmp_path_factory):
    """For each split images and class names; features are kept in a folder that the tests share."""
    import pyarrow.parquet as pq

    from imagist.datasets.entries import Record

    rows = pq.read_table(data / "photos15.parquet", columns=["image", "split", "label"]).to_pylist()
    parts = {split: [row for row in rows if row["split"] == split] for split in ("train", "dev")}
    sets = {
        split: ([Record(str(i), ("x",), content=row["image"]["bytes"]) for i, row in enumerate(of)],
                [row["label"] for row in of])
        for split, of in parts.items()
    }  # fmt: skip
    return sets, tmp_path_factory.mktemp("features")


def task(photos15, labels):
    """The images of a task's labels, and their targets."""
    made = []
    for split in ("train", "dev"):
        images, names = (of[::2] for of in photos15[0][split])  # every second one, for time
        rows = [i for i, name in enumerate(names) if name in labels.names]
        made.append(([images[i] for i in rows], np.array([labels.index(names[i]) for i in rows])))
    return made


@pytest.mark.slow
@pytest.mark.data
def test_a_new_last_layer_knows_the_classes_of_photos15(photos15, data):
    from imagist.classifiers.taxonomy import built_in

    labels = built_in("photos15").labels
    train, dev = task(photos15, labels)
    settings = Linear(solver="lbfgs", network=MOBILENET)
    fitted = fit_images(settings, *train, labels, dev, data=data, features=photos15[1])
    assert fitted.history[-1].dev_accuracy >= 0.96


@pytest.mark.slow
@pytest.mark.data
def test_the_third_paper_s_effect_is_there(photos15, data):
    """A label map fails wholly on categories without a label; training the last layer mends that."""
    from imagist.classifiers.taxonomy import built_in

    labels = built_in("social12").labels
    train, dev = task(photos15, labels)
    mapped = fit_images(
        LabelMap("imagenet/social12", network=MOBILENET), [], np.array([]), labels, data=data
    ).classifier
    features = cached_features(open_network(MOBILENET, data), MOBILENET, dev[0], photos15[1])
    wrong = mapped.scores_of(features).argmax(1) != dev[1]
    error = {label: wrong[dev[1] == number].mean() for number, label in enumerate(labels)}
    assert mapped.taxonomy.unmapped == ("desert", "person", "sky")
    assert [error[label] for label in mapped.taxonomy.unmapped] == [1, 1, 1]
    assert max(error[label] for label in ("car", "dog", "chair", "strawberry")) < 0.1
    trained = fit_images(Linear(network=MOBILENET), *train, labels, dev, data=data, features=photos15[1])
    assert wrong.mean() > 0.3
    assert trained.history[-1].dev_accuracy > 0.95
    assert len(trained.history) == 30
