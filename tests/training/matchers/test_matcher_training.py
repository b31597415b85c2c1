"""A tiny matcher: both towers, its folder, and a run that was killed."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("timm")
pytest.importorskip("onnxscript")

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from torch import nn
from torch.nn import functional as F

from imagist.bundle import open_folder
from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.datasets.source import Source
from imagist.errors import DataError, UsageError
from imagist.images.encoder import ClassHead
from imagist.matching.backends.embedded import IMAGE, TEXT, VOCABULARY
from imagist.matching.background import background_of
from imagist.matching.wordpiece import WordPieces
from imagist.matching.zero_shot import zero_shot_of
from imagist.records import Caption
from imagist.training.captioners.class_names import ClassNames
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders.grid_encoder import GridEncoder, Space
from imagist.training.encoders.runtimes import on_device
from imagist.training.image_rows import ImageSource, read_rows
from imagist.training.matchers import images, loop, part, texts
from imagist.training.matchers import train as training
from imagist.training.matchers.images import Encoders, ImageSet, window_means
from imagist.training.matchers.learn_images import Batch, Lessons, losses, membership
from imagist.training.matchers.learn_images import Space as Learnt
from imagist.training.matchers.recipe import (
    Calibration,
    Data,
    ImageTower,
    MatcherRecipe,
    NamedCorpus,
    Sentences,
    TextTower,
)
from imagist.training.matchers.towers import ImageTower as Tower
from imagist.training.matchers.towers import TextGraph
from imagist.training.matchers.towers import TextTower as Reader
from tiny_checkpoints import bert

pytestmark = pytest.mark.torch

SIDE, CHANNELS, CLASSES, WIDTH = 32, 12, 1000, 16
NAMES = ClassNames({"dog": "151-268"}, {}, {"thing": ("{a}",)})
IMAGES = ImageTower(hidden_size=8, steps=6, batch_size=4, warmup_steps=2, save_every=2)
TEXTS = TextTower(
    embedding_size=8, width=8, layers=1, heads=2, max_tokens=12, steps=6, batch_size=6, warmup_steps=2, save_every=2
)


def recipe_of(words, wordnet, teacher):
    named = NamedCorpus((ImageSource("named.parquet", "train"),), 0.5, 4, 1, "wnid")
    other = NamedCorpus((ImageSource("named.parquet", without={"label": "bee"}),), 0.25, windows=2)
    calibration = Calibration((ImageSource("named.parquet"),), "embedded", 12, standardised=True)
    data = Data(
        (Source("captions.parquet"),), words, NAMES, (named, other), Sentences(share=0.5), calibration, 3, 1
    )  # fmt: skip
    return MatcherRecipe("tiny", data, Backbone(), str(wordnet), str(teacher), IMAGES, TEXTS, device="cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six captioned images and twelve of six names."""
    folder = tmp_path_factory.mktemp("data")

    def image(number):
        file = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": f"{number}.png"}

    said = [("a man with a dog", "a dog and a man"), ("a boat", "the boats at the beach", "two boats")] * 3
    rows = [{"image": image(i), "captions": [*some]} for i, some in enumerate(said)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "captions.parquet")
    names = ["goldfish", "tabby", "barn", "bee", "pizza", "monarch"] * 2
    wnids = imagenet_labels().names
    rows = [
        {"image": image(20 + i), "label": name, "split": "train" if i < 6 else "dev", "wnid": wnids[i * 40]}
        for i, name in enumerate(names)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "named.parquet")
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("teacher"))


def encoders_of(folder):
    """Two encoders of one space: a convolution each."""
    torch.manual_seed(4)
    heads = [nn.Linear(CHANNELS, CLASSES).requires_grad_(False) for _ in range(2)]
    space = Space("tiny@32", ClassHead(np.zeros((CHANNELS, CLASSES), np.float32), np.zeros(CLASSES, np.float32)))
    networks = [nn.Conv2d(3, CHANNELS, 8, 8).requires_grad_(False) for _ in range(2)]
    grids = [GridEncoder(each, CHANNELS, (0.5,) * 3, (0.5,) * 3, f"tiny {i}", space).eval()
             for i, each in enumerate(networks)]  # fmt: skip
    return Encoders(tuple(grids), tuple(heads), SIDE, folder, torch.device("cpu"))


class Writer:
    """A captioner that says one of two things."""

    id = "writer"

    def caption(self, photos):
        return [Caption(("a dog", "a boat")[photo.pixels[0, 0, 0] % 2], -1.0) for photo in photos]


def few_sentences(names, groups):
    """One for each class and everyday word; the teacher reads them in a moment."""
    every = texts.name_sentences(names, groups)
    _, first = np.unique(every.owners, return_index=True)
    return texts.NameSentences(tuple(every.texts[i] for i in first), tuple(every.owners[i] for i in first))


@pytest.fixture(scope="module")
def run(data, words, wordnet_folder, teacher):
    """Trains into a folder."""
    recipe = recipe_of(words, wordnet_folder, teacher)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "open_encoders", lambda backbone, data, folder, device: encoders_of(folder))
        patched.setattr(part, "open_captioner", lambda model: Writer())
        patched.setattr(images, "runner", lambda encoder, side, device: on_device(encoder, device))  # without an export
        patched.setattr(training, "name_sentences", few_sentences)
        patched.setattr(texts, "wordnet_nouns", lambda wordnet, pieces: ["dog", "old woman"])
        yield lambda folder, **changes: training.train(replace(recipe, **changes), data, folder)


@pytest.fixture(scope="module")
def matcher(run, tmp_path_factory):
    """The folder of a finished run."""
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def written(monkeypatch):
    """What runs of this test would write, without the export."""
    found = []
    monkeypatch.setattr(training, "write_matcher", lambda *arguments: found.append(arguments))
    return found


def sessions(folder):
    import onnxruntime

    return [onnxruntime.InferenceSession(folder / name) for name in (IMAGE, TEXT)]


def test_a_run_writes_a_folder_that_the_embedded_matcher_reads(matcher, run):
    folder = open_folder(matcher)
    assert folder.kind == "embedded"
    assert folder.card["space"] == "tiny@32"
    assert folder.card["max_tokens"] == 12
    assert background_of(folder) is not None
    assert zero_shot_of(folder).image_threshold is not None
    image, text = sessions(matcher)
    grid, classes = np.random.rand(3, 16, CHANNELS).astype(np.float32), np.full((3, CLASSES), 1e-3, np.float32)
    (seen,) = image.run(None, {"grid": grid, "classes": classes})
    ids = np.array([WordPieces(folder.lines(VOCABULARY)).ids("a dog")])
    (told,) = text.run(None, {"ids": ids, "mask": np.ones(ids.shape, np.float32)})
    assert (seen.shape, told.shape) == ((3, WIDTH + CLASSES), (1, WIDTH + CLASSES))
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([seen, told]), axis=1), 1, rtol=1e-4)

    before = (matcher / IMAGE).stat().st_mtime_ns
    assert run(matcher.parent) == matcher  # not trained again
    assert (matcher / IMAGE).stat().st_mtime_ns == before


def test_a_killed_run_goes_on_and_ends_the_same(run, matcher, tmp_path, monkeypatch, written):
    save, saved = loop.checkpoint.save, []

    def killed(path, state):
        save(path, state)
        saved.append(path.name)
        if len(saved) in (1, 5):
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.checkpoint, "save", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    run(tmp_path)
    assert saved == ["texts.pt"] * 3 + ["images.pt"] * 3
    for name in ("texts.pt", "images.pt"):
        one, other = (torch.load(folder / name)["weights"] for folder in (matcher.parent, tmp_path))
        assert [key for key in one if not torch.equal(one[key], other[key])] == []
    *_, fitted, cells = written[0]
    assert fitted.settings == zero_shot_of(open_folder(matcher))
    assert cells == 16


def test_a_background_is_fitted_where_it_is_asked_for(run, tmp_path, written, words, wordnet_folder, teacher):
    recipe = recipe_of(words, wordnet_folder, teacher)
    for calibration in (None, replace(recipe.data.calibration, standardised=False)):
        run(tmp_path, data=replace(recipe.data, calibration=calibration))
    (*_, nothing, _), (*_, plain, _) = written
    assert nothing is None
    assert plain.background is None


def test_images_without_known_classes_are_a_fault_of_their_column(run, tmp_path, words, wordnet_folder, teacher):
    named = (NamedCorpus((ImageSource("named.parquet"),), classes="label"),)
    recipe = recipe_of(words, wordnet_folder, teacher)
    with pytest.raises(DataError, match="wnid"):
        run(tmp_path, data=replace(recipe.data, named=named))


def test_padding_changes_nothing_and_the_graph_of_texts_is_the_tower_s():
    tower = Reader(30, 5, 6, TEXTS).eval()
    rotation = nn.Linear(6, 6, bias=False)
    ids = torch.randint(1, 30, (4, 7))
    padded = F.pad(ids, (0, 3))
    graph = TextGraph(tower, rotation, replace(TEXTS, class_weight=0.5, norm_power=1.0))
    with torch.no_grad():
        for one, other in zip(tower(ids), tower(padded), strict=True):
            torch.testing.assert_close(one, other)
        vectors, affinity, sure = tower(ids)
        found = graph(padded, (padded > 0).float())
    learnt = F.normalize(rotation(F.normalize(vectors, dim=1)), dim=1)
    classes = 0.5 * torch.sigmoid(sure)[:, None] * F.normalize(affinity.softmax(1), dim=1)
    assert F.cosine_similarity(found, torch.cat([learnt, classes], 1)).min() > 0.999


def test_an_image_begins_at_the_names_of_its_classes():
    vectors = F.normalize(torch.randn(5, 6), dim=1)
    tower = Tower(vectors, CHANNELS, ImageTower(hidden_size=4)).eval()
    with torch.no_grad():
        found = tower(torch.randn(5, CHANNELS), torch.eye(5))
    assert (found @ vectors.T).argmax(1).tolist() == [*range(5)]


def test_windows_are_means_of_parts_of_the_grid():
    grid = np.arange(16 * 2, dtype=np.float32).reshape(16, 2)
    found = window_means(grid, 40, 3)
    np.testing.assert_allclose(found[0], grid.mean(0))
    np.testing.assert_array_equal(found, window_means(grid, 40, 3))
    assert len(np.unique(found[:, 0])) > 3
    assert found.min() > grid.min()
    with pytest.raises(DataError, match="not square"):
        window_means(grid[:3], 2, 0)


def test_two_captions_of_one_image_are_not_set_against_each_other():
    width, classes = 6, 3
    seen = ImageSet((np.zeros((2, 1, CHANNELS)),), torch.full((2, classes), 1 / classes))
    lessons = Lessons(
        seen, torch.randn(4, width), np.array([0, 2, 4]), (), torch.randn(classes + 1, width), np.arange(classes + 1),
        membership([np.array([0, 2])], classes), torch.randn(2, 1, width), torch.tensor([[1.0, 0.0], [0.0, 0.5]]),
    )  # fmt: skip
    space = Learnt(Tower(torch.randn(classes, width), CHANNELS, IMAGES), width).eval()
    unit = F.normalize(torch.randn(2, width), dim=1)
    batch = Batch(
        torch.randn(2, CHANNELS), torch.full((2, classes), 1 / classes), seen.targets, torch.tensor([1, 1]),
        torch.tensor([True, False]), unit, F.normalize(torch.randn(classes + 1, width), dim=1), unit,
    )  # fmt: skip
    parts = losses(space, batch, lessons, IMAGES)
    assert parts["captions"].item() == pytest.approx(0, abs=1e-5)
    assert {*parts} == {"captions", "classes", "groups", "nouns"}
    assert lessons.members.tolist() == [[1], [0], [1]]


def test_the_first_encoder_tells_the_space(tmp_path):
    encoders = encoders_of(tmp_path)
    encoders.encoders[1].space = None
    assert encoders.space == "tiny@32"
    encoders.encoders[0].space = None
    with pytest.raises(UsageError, match="no space"):
        _ = encoders.space


def test_rows_of_a_value_are_left_out(data):
    rows = read_rows((ImageSource("named.parquet", "train", {"label": "bee"}),), data)
    assert [row.columns["label"] for row in rows] == ["goldfish", "tabby", "barn", "pizza", "monarch"]
