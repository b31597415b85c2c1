"""What a classifier is to be fitted to: whether it has examples, and a class for each."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import DataError
from imagist.training.classifiers.labelled import check_labelled


@pytest.mark.parametrize(
    "targets", [np.array([0, 2, 1]), np.array([2, 2, 2], np.uint8), [0, 1, 2]], ids=["mixed", "small", "list"]
)
def test_a_class_for_each_is_all_it_takes(targets):
    check_labelled({"train": (["a", "b", "c"], targets)}, 3, "texts")


@pytest.mark.parametrize(
    ("examples", "targets", "told"),
    [
        ([], [], "train has no images"),
        (["a", "b"], [0], "train has 2 images and targets of the shape [1]"),
        (["a", "b"], [[0], [1]], "train has 2 images and targets of the shape [2, 1]"),
        (["a"], [3], "train has targets that are not whole numbers 0..2"),
        (["a", "b"], [0, -1], "train has targets that are not whole numbers 0..2"),
        (["a"], [1.0], "train has targets that are not whole numbers 0..2"),
        (["a"], [True], "train has targets that are not whole numbers 0..2"),
    ],
)
def test_examples_and_targets_that_do_not_fit_are_errors(examples, targets, told):
    with pytest.raises(DataError) as caught:
        check_labelled({"train": (examples, np.array(targets))}, 3, "images")
    assert str(caught.value) == told


def test_faults_of_all_sets_are_reported_together():
    sets = {"train": ([], np.zeros(0, int)), "dev": (["a"], np.array([0])), "more": (["a"], np.array([1]))}
    with pytest.raises(DataError) as caught:
        check_labelled(sets, 1, "texts")
    assert str(caught.value) == "train has no texts; more has targets that are not whole numbers 0..0"
