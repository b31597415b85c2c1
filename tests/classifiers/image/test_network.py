"""A published network with a last layer of one's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from torch import nn

from imagist import settings
from imagist.bundle import open_folder
from imagist.classifiers.image.network import (
    Architecture,
    Network,
    NetworkClassifier,
    load,
    untrained,
    views_of,
)
from imagist.errors import (
    BundleError,
    BundleNotFound,
    BundleTampered,
    MissingExtra,
    UnknownName,
    UsageError,
)
from imagist.images.views import crops, square
from imagist.protocols import ImageClassifier, PartOptions
from imagist.records import LabelSet, Photo

pytestmark = pytest.mark.torch

LABELS = LabelSet(("cat", "dog", "car", "sky"))
RESNET = Architecture("test_resnet", side=48)
VIT = Architecture("test_vit", {"img_size": 48}, side=48, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture(scope="module", params=[(RESNET, "crops", True), (VIT, "square", False)], ids=["resnet", "vit"])
def classifier(request):
    architecture, views, mirror = request.param
    torch.manual_seed(1)
    network = untrained(architecture, len(LABELS))
    nn.init.normal_(network.last.weight)
    return NetworkClassifier(network, LABELS, views=views, mirror=mirror)


def opened(folder):
    return load(str(folder), PartOptions())


def pixels(number, side=48):
    return torch.randint(0, 256, (number, side, side, 3), dtype=torch.uint8)


def test_it_follows_the_protocol(classifier, photos):
    assert isinstance(classifier, ImageClassifier)
    scores = classifier.scores(photos)
    assert scores.shape == (len(photos), 4)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert np.ptp(scores, axis=0).max() > 0.01
    np.testing.assert_array_equal(classifier.scores(photos), scores)


def test_a_batch_scores_as_single_photos_do_in_any_order(classifier, photos):
    scores = classifier.scores(photos)
    for photo, row in zip(photos, scores, strict=True):
        np.testing.assert_allclose(classifier.scores([photo])[0], row, atol=1e-5)
    np.testing.assert_allclose(classifier.scores(photos[::-1]), scores[::-1], atol=1e-5)
    many = classifier.scores(photos * 4)  # more than go through the network at once
    np.testing.assert_allclose(many, np.tile(scores, (4, 1)), atol=1e-5)


def test_no_photos_give_no_rows(classifier):
    assert classifier.scores([]).shape == (0, 4)
    assert classifier.hidden([]).shape == (0, classifier.network.last.in_features)
    assert classifier.hidden([]).dtype == np.float32


def test_scores_are_those_of_the_hidden_states(classifier, photos):
    hidden = classifier.hidden(photos)
    assert hidden.dtype == np.float32
    np.testing.assert_array_equal(classifier.scores_of(hidden), classifier.scores(photos))
    last = classifier.network.last
    logits = hidden @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    expected = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(classifier.scores_of(hidden), expected / expected.sum(1, keepdims=True), atol=1e-5)


@torch.no_grad()
def test_it_is_the_published_network_over_normalised_pixels():
    torch.manual_seed(0)
    whole = timm.create_model("test_resnet", pretrained=False).eval()
    given = pixels(3)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (RESNET.mean, RESNET.std))
    normalised = (given.permute(0, 3, 1, 2) / 255 - mean) / std
    expected = whole(normalised)
    hidden = whole.forward_head(whole.forward_features(normalised), pre_logits=True)
    network = Network(whole, RESNET).eval()
    torch.testing.assert_close(network(given), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.hidden(given), hidden, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network(given.float()), network(given))
    assert not {"fc.weight", "body.fc.weight"} & {*network.state_dict()}  # the last layer is there once


class Shaped(nn.Module):
    """A network whose last map comes in a given layout."""

    num_features = 6

    def __init__(self, layout):
        super().__init__()
        self.layout, self.fc = layout, nn.Linear(6, 1000)

    def get_classifier(self):
        return self.fc

    def reset_classifier(self, classes):
        self.fc = nn.Identity()

    def forward_features(self, x):
        tokens = torch.arange(4 * 6.0).view(1, 4, 6) * x.mean((1, 2, 3)).view(-1, 1, 1)
        square = tokens.unflatten(1, (2, 2))
        return {"tokens": tokens, "last": square, "first": square.permute(0, 3, 1, 2)}[self.layout]


@pytest.mark.parametrize("layout", ["tokens", "last", "first"])
def test_pooled_features_are_the_mean_of_the_last_map_in_any_layout(layout):
    architecture = Architecture("shaped", side=8, mean=(0.0,) * 3, std=(1.0,) * 3, features="pooled")
    network = Network(Shaped(layout), architecture)
    assert network.last.in_features == 6
    found = network.hidden(torch.full((2, 8, 8, 3), 255, dtype=torch.uint8))
    torch.testing.assert_close(found, torch.arange(24.0).view(4, 6).mean(0).expand(2, 6))


def test_batch_norms_keep_their_statistics_while_all_else_is_tuned():
    network = untrained(RESNET, 2)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    nn.init.normal_(network.last.weight)
    network.train()(pixels(3)).square().mean().backward()
    assert norms
    assert network.body.training
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("mirror", [False, True])
def test_the_views_of_a_photo_are_averaged(mirror):
    torch.manual_seed(2)
    network = untrained(RESNET, 4)
    wide = Photo(np.random.default_rng(0).integers(0, 256, (60, 200, 3), np.uint8))
    seen = crops(wide.pixels, 48)
    assert len(seen) > 1
    parts = [Photo(np.ascontiguousarray(view)) for view in seen]
    parts += [Photo(np.ascontiguousarray(view[:, ::-1])) for view in seen] if mirror else []
    found = NetworkClassifier(network, LABELS, views="crops", mirror=mirror).hidden([wide])
    expected = NetworkClassifier(network, LABELS).hidden(parts).mean(0)
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_what_is_looked_at_has_names():
    photo = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    np.testing.assert_array_equal(views_of(photo, 32), square(photo, 32))
    both = views_of(photo, 32, mirror=True)
    assert both.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(both[1], both[0][:, ::-1])
    with pytest.raises(UnknownName, match="letterbox"):
        NetworkClassifier(untrained(RESNET, 4), LABELS, views="round")


def test_a_new_last_layer_gives_uniform_probabilities():
    classifier = NetworkClassifier(untrained(RESNET, 4), LABELS)
    np.testing.assert_array_equal(classifier.scores([Photo(np.zeros((9, 9, 3), np.uint8))]), [[0.25] * 4])


def test_labels_must_be_as_many_as_classes():
    with pytest.raises(UsageError, match="4 labels for a network of 3"):
        NetworkClassifier(untrained(RESNET, 3), LABELS)


@pytest.mark.parametrize(
    ("name", "options"),
    [("resnet_of_mine", {}), ("torchvision:nothing", {}), ("test_resnet", {"sides": 3})],
)
def test_networks_that_cannot_be_are_named(name, options):
    with pytest.raises(UsageError, match=name):
        untrained(Architecture(name, options), 2)


def test_a_network_without_one_linear_last_layer_is_refused():
    whole = Shaped("first")
    whole.fc = nn.Conv2d(6, 1000, 1)
    with pytest.raises(UsageError, match="one linear layer"):
        Network(whole, Architecture("shaped"))


def test_what_is_saved_is_opened_again(classifier, photos, tmp_path):
    classifier.save(tmp_path / "a")
    again = opened(tmp_path / "a")
    assert {file.name for file in (tmp_path / "a").iterdir()} == {"card.toml", "weights.safetensors"}
    assert (again.labels, again.id) == (LABELS, classifier.id)
    np.testing.assert_array_equal(again.scores(photos[:4]), classifier.scores(photos[:4]))
    classifier.save(tmp_path / "a")  # over what is there


def test_a_saved_classifier_that_was_changed_is_refused(classifier, tmp_path):
    classifier.save(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BundleTampered, match="sha256"):
        opened(tmp_path)
    weights.unlink()
    with pytest.raises(BundleError):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"labels": ["a"]}, "RuntimeError"), ({"labels": ["a", "a"]}, "labels"), ({"architecture": {"name": "n"}}, "n")],
)
def test_a_card_that_makes_no_sense_is_refused(classifier, tmp_path, change, told):
    classifier.save(tmp_path)
    card = tmp_path / "card.toml"
    card.write_text(settings.to_toml({**open_folder(tmp_path).card, **change}))
    with pytest.raises(BundleError, match=told):
        opened(tmp_path)
    card.write_text("{")
    with pytest.raises(BundleError, match="cannot be understood"):
        opened(tmp_path)
    with pytest.raises(BundleNotFound):
        opened(tmp_path / "none")


WIDTHS = [
    ("mobilenetv2_100", {"pad_type": "same"}, 1280, 1280),
    ("torchvision:alexnet", {}, 4096, 256),
    ("vgg16", {}, 4096, 512),
    ("resnet50", {}, 2048, 2048),
    ("inception_v3", {}, 2048, 2048),
    ("efficientnet_b0", {}, 1280, 1280),
    ("efficientnet_b1", {}, 1280, 1280),
    ("efficientnet_b2", {}, 1408, 1408),
]


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(("name", "options", "penultimate", "pooled"), WIDTHS, ids=[row[0] for row in WIDTHS])
def test_the_papers_networks_give_features(name, options, penultimate, pooled):
    pytest.importorskip("torchvision")
    side = 160 if name == "inception_v3" else 96
    for features, width in (("penultimate", penultimate), ("pooled", pooled)):
        network = untrained(Architecture(name, options, side, features=features), 5)
        assert network.hidden(pixels(1, side)).shape == (1, width)
        assert network(pixels(1, side)).shape == (1, 5)
        if name == "vgg16":
            size = sum(weight.numel() for weight in network.parameters())
            assert (size < 15e6) == (features == "pooled")


def test_without_timm_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra, match="timm"):
        untrained(Architecture("resnet18"), 3)
