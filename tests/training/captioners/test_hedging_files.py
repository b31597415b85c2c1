"""What a captioner is given to say less where its encoder is not sure."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from test_class_names import NAMES

from imagist.bundle import open_folder, write_part
from imagist.captioning.hedging import hedging_of
from imagist.training.captioners.hedging_files import hedging_files
from imagist.training.captioners.persons import SPOKEN_OF, PersonDetector
from imagist.training.captioners.recipe import HedgingSettings

pytestmark = pytest.mark.torch

CHANNELS = 6
WORDS = sorted(
    {word for name in NAMES.meanings for word in name.split()} | {"a", "an"} | SPOKEN_OF | {*["clothing", "food"]}
)


def detector():
    torch.manual_seed(0)
    made = PersonDetector(CHANNELS)
    torch.nn.init.normal_(made.cell.weight)
    made.mean.copy_(torch.randn(CHANNELS))
    made.scale.copy_(torch.rand(CHANNELS) + 0.5)
    return made.eval()


@pytest.fixture(scope="module")
def hedging(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "captioner"
    files = hedging_files(NAMES, detector(), HedgingSettings(margin=0.07, wrong=0.3, invented=0.5))
    write_part(folder, "naming", {}, None, **{name.replace(".", "__"): content for name, content in files.items()})
    return hedging_of(open_folder(folder), WORDS)


def ids(text):
    return tuple(WORDS.index(word) for word in text.split())


def test_the_settings_are_those_of_the_recipe(hedging):
    assert (hedging.margin, hedging.wrong, hedging.invented) == (0.07, 0.3, 0.5)


@pytest.mark.parametrize("cells", [4, 16, 49])
def test_persons_are_found_as_the_torch_module_finds_them(hedging, cells):
    grid = torch.randn(5, cells, CHANNELS)
    with torch.no_grad():
        expected = detector()(grid).sigmoid()
    np.testing.assert_allclose(hedging.somebody(grid.numpy()), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(("name", "number"), [("bell cote", 442), ("espressos", 967), ("boathouse", 449)])
def test_names_of_single_classes_are_found(hedging, name, number):
    assert hedging.names[ids(name)] == number


@pytest.mark.parametrize("name", ["dog", "crane", "man"])
def test_names_of_several_classes_and_of_persons_are_not_replaced(hedging, name):
    assert ids(name) not in hedging.names


def test_general_words_contain_the_class_and_take_their_article(hedging):
    words = {WORDS[place] for each in hedging.general[442] for place in each.words}
    assert "building" in words
    for number, some in hedging.general.items():
        for each in some:
            assert number in each.classes
            assert 0 <= each.specificity < 1
    clothing = next(each for each in hedging.general[399] if each.words == ids("clothing"))
    assert clothing.with_article == ids("clothing")
    insect = next(each for each in hedging.general[301] if each.words == ids("insect"))
    assert insect.with_article == ids("an insect")
