"""Photos to grids, each once for as long as its photo lives."""

from __future__ import annotations

import gc
import shutil
import threading

import numpy as np
import pytest

import space_models
from imagist import registry
from imagist.arrays import softmax
from imagist.bundle import ENCODER, SHIPPED, npz, open_folder, write_part
from imagist.errors import BundleError, MissingExtra, UnknownName, UsageError
from imagist.images import encoder as module
from imagist.images.encoder import Encoder, Encoders, encoder_of, load
from imagist.protocols import PartOptions
from imagist.records import Photo

SHIPPED_ENCODER = open_folder(SHIPPED / "embedded" / ENCODER)


@pytest.fixture
def encoder():
    return Encoder(SHIPPED_ENCODER)


@pytest.fixture
def encoded(encoder, monkeypatch):
    """How many views each run of the network took."""
    runs, encode = [], encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda pixels: runs.append(len(pixels)) or encode(pixels))
    return runs


def noise(seed, height=30, width=40):
    return Photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), str(seed))


def test_a_photo_is_encoded_once(encoder, encoded):
    one, two = noise(1), noise(2)
    first = encoder.grids([one, two])
    again = encoder.grids([two, one, noise(3)])
    assert encoded == [2, 1]
    assert again[0] is first[1]
    assert again[1] is first[0]


def test_a_photo_given_twice_is_encoded_once(encoder, encoded):
    photo = noise(1)
    grids = encoder.grids([photo, noise(2), photo])
    assert encoded == [2]
    assert len(grids) == 3
    assert grids[0] is grids[2]


def test_photos_of_the_same_pixels_are_not_mixed_up(encoder):
    one, other = encoder.grids([noise(1), noise(1)])
    np.testing.assert_array_equal(one, other)
    assert one is not other


def test_a_photo_that_is_gone_is_forgotten(encoder, encoded):
    photo = noise(1)
    encoder.grids([photo])
    assert len(encoder._known) == 1
    del photo
    gc.collect()
    assert len(encoder._known) == 0


def test_nothing_gives_nothing(encoder, encoded):
    assert encoder.grids([]) == []
    assert encoded == []


def test_the_first_of_the_crops_is_the_whole():
    wide = noise(1, 40, 200)
    (whole,), (crops,) = Encoder(SHIPPED_ENCODER).grids([wide]), Encoder(SHIPPED_ENCODER, views="crops").grids([wide])
    assert len(whole) == 1 < len(crops)
    np.testing.assert_allclose(crops[0], whole[0], atol=1e-4)
    assert whole.dtype == np.float32


def test_views_of_different_photos_are_kept_apart():
    photos = [noise(1, 40, 200), noise(2), noise(3, 300, 50)]
    together = Encoder(SHIPPED_ENCODER, views="crops").grids(photos)
    for photo, grid in zip(photos, together, strict=True):
        (alone,) = Encoder(SHIPPED_ENCODER, views="crops").grids([photo])
        assert alone.shape == grid.shape
        np.testing.assert_allclose(alone, grid, atol=1e-4)


def test_threads_may_share_it(encoder):
    photos = [noise(i) for i in range(12)]
    expected = [Encoder(SHIPPED_ENCODER).grids([photo])[0] for photo in photos]
    found = {}

    def work(start):
        found[start] = encoder.grids(photos[start:] + photos[:start])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for start, grids in found.items():
        for grid, wanted in zip(grids, expected[start:] + expected[:start], strict=True):
            np.testing.assert_allclose(grid, wanted, atol=1e-4)


def test_an_unknown_way_of_looking_is_refused():
    with pytest.raises(UnknownName, match="sideways"):
        Encoder(SHIPPED_ENCODER, views="sideways")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with two encoders of one space."""
    return space_models.write(tmp_path_factory.mktemp("space") / "model")


@pytest.fixture
def own(model, tmp_path):
    """A copy of that model to change."""
    shutil.copytree(model.path, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def lacking(monkeypatch):
    """Encoders of these names need a package that is not installed."""

    def refuse(*names):
        def opened(folder, options):
            if (name := open_folder(folder).card.get("name")) in names:
                raise MissingExtra(f"{name} is not installed", remedy="pip install it")
            return load(folder, options)

        monkeypatch.setattr(registry, "find", lambda kind, name: opened)

    return refuse


def served(folder, part="captioner", **options):
    return encoder_of(open_folder(folder / part), PartOptions(**options))


def test_a_space_is_served_by_the_encoder_asked_for(model):
    for name in space_models.NAMES:
        encoder = served(model.path, encoder=name)
        assert (encoder.name, encoder.space) == (name, space_models.SPACE)
        assert encoder.id == f"{name}-{encoder.version}"
    with pytest.raises(UnknownName) as caught:
        served(model.path, encoder="other")
    assert caught.value.item == "other"
    assert caught.value.remedy == "one of embedded, lite"


def test_lite_is_preferred_where_it_is_installed(model, lacking):
    assert served(model.path).name == "lite"
    lacking("lite")
    assert served(model.path).name == "embedded"
    with pytest.raises(MissingExtra, match="lite"):
        served(model.path, encoder="lite")
    lacking("lite", "embedded")
    with pytest.raises(MissingExtra):
        served(model.path)


def test_a_damaged_encoder_is_not_passed_over(own):
    (own / "encoder-lite" / "encoder.onnx").write_bytes(b"?")
    with pytest.raises(BundleError):
        served(own)


def test_parts_share_the_encoder_that_is_open_already(model, own):
    pool = Encoders()
    first = served(model.path, encoder="embedded", encoders=pool)
    assert served(model.path, "image_classifier", encoders=pool) is first
    assert served(own, encoders=pool) is first  # the same version in another model
    assert served(model.path, encoder="lite", encoders=pool) is not first
    crops = served(model.path, encoders=pool, views="crops")
    assert crops is not first
    assert crops.views == "crops"


def test_a_classifier_that_is_bound_to_an_encoder_draws_the_captioner_to_it(own):
    pool = Encoders()
    version = open_folder(own / ENCODER).version
    write_part(own / "image_classifier", "linear", {"encoder": version})
    bound = served(own, "image_classifier", encoders=pool)
    assert bound.name == "embedded"
    assert served(own, encoders=pool) is bound


def test_a_bound_part_refuses_another_encoder(tmp_path):
    model = space_models.bound(tmp_path)
    part = model.path
    assert served(part, encoder="embedded").id == model.encoder.version
    with pytest.raises(UsageError, match="'embedded' alone, not with 'lite'"):
        served(part, encoder="lite")


def test_encoders_that_ship_serve_models_without_one_of_their_space(model, own, monkeypatch, tmp_path):
    for folder in own.glob(f"{ENCODER}*"):
        shutil.rmtree(folder)
    with pytest.raises(BundleError, match=f"encoder .*{space_models.SPACE}"):
        served(own)
    monkeypatch.setattr(module, "SHIPPED", model.path.parent)
    assert served(own).name == "lite"
    (tmp_path / "shipped" / "encoders").mkdir(parents=True)
    shutil.copytree(model.path / "encoder-lite", tmp_path / "shipped" / "encoders" / "any")
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "shipped")
    assert [served(own).name, served(own, encoder="lite").name] == ["lite", "lite"]


def test_the_encoder_of_a_model_goes_before_a_shipped_one_of_the_same_name(model, own, monkeypatch):
    write_part(own / "encoder", "onnx", {"name": "lite", "space": space_models.SPACE, "of": "its own"}, None,
               encoder__onnx=SHIPPED_ENCODER.read("encoder.onnx"))  # fmt: skip
    shutil.rmtree(own / "encoder-lite")
    monkeypatch.setattr(module, "SHIPPED", model.path.parent)
    assert served(own).version == open_folder(own / "encoder").version


def test_a_plugin_serves_a_space(own, monkeypatch):
    write_part(own / "encoder-other", "mine", {"name": "other", "space": space_models.SPACE})
    mine = object()
    found = registry.find
    monkeypatch.setattr(registry, "find", lambda kind, name: (lambda *_: mine) if name == "mine" else found(kind, name))
    assert served(own, encoder="other") is mine


def test_the_classes_are_those_of_its_file(model):
    encoder = served(model.path, encoder="embedded")
    assert encoder.has_classes
    photos = [noise(1), noise(2, 40, 200)]
    grids = encoder.grids(photos)
    found = encoder.classes(grids)
    assert found.shape == (2, space_models.CLASSES)
    assert found.dtype == np.float32
    head = open_folder(model.path / "encoder").arrays("classes.npz")
    expected = softmax(np.stack([grid[0].mean(0) for grid in grids]) @ head["weight"].astype(np.float32) + head["bias"])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(encoder.classes([grid[0] for grid in grids]), found)
    np.testing.assert_array_equal(encoder.classes(np.concatenate(grids)), found)
    assert encoder.classes([]).shape == (0, space_models.CLASSES)


def test_the_classes_of_several_views_are_their_mean(model):
    encoder = served(model.path, views="crops")
    (grid,) = encoder.grids([noise(1, 40, 200)])
    assert len(grid) > 1
    np.testing.assert_allclose(encoder.classes([grid])[0], encoder.classes([*grid]).mean(0), atol=1e-6)


def test_an_encoder_without_classes_says_so(tmp_path):
    space_models.plain_encoder(tmp_path / "plain")
    encoder = Encoder(open_folder(tmp_path / "plain"))
    assert not encoder.has_classes
    with pytest.raises(UsageError, match="embedded: has no classes"):
        encoder.classes([])


@pytest.mark.parametrize(
    "arrays",
    [
        {"weight": np.zeros((1280, 10))},
        {"weight": np.zeros((1280, 10)), "bias": np.zeros(9)},
        {"weight": np.zeros(1280), "bias": np.zeros(())},
    ],
)
def test_a_damaged_file_of_classes_is_refused(tmp_path, arrays):
    graph = SHIPPED_ENCODER.read("encoder.onnx")
    write_part(tmp_path / "encoder", "onnx", {}, None, encoder__onnx=graph, classes__npz=npz(**arrays))
    with pytest.raises(BundleError, match=r"classes\.npz"):
        load(str(tmp_path / "encoder"), PartOptions())


def test_a_saved_encoder_keeps_its_classes(model, tmp_path):
    encoder = served(model.path)
    encoder.save(tmp_path / "saved")
    again = load(str(tmp_path / "saved"), PartOptions())
    assert again.id == encoder.id
    assert again.has_classes
