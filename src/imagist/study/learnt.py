"""Which captioners and networks of a study learnt from its test images, by what their files say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from imagist.bundle import trained_on
from imagist.datasets.near_duplicates import close_pairs
from imagist.study.captions import Paths, captioner_model
from imagist.study.config import Study
from imagist.study.dataset import Dataset, Trial

log = logging.getLogger("imagist.training")


def learnt_from_test(study: Study, data: Dataset, every: Sequence[Trial], paths: Paths) -> tuple[str, ...]:
    """A sentence for each captioner and network that learnt from test images, or from near-duplicates of them.

    Models that imagist trained or fitted carry hashes of the images that they learnt from; of others nothing is known.

    Args:
        study: Its settings.
        data: The examples.
        every: The trials.
        paths: Where models and weights are looked for.

    Raises:
        BundleError: A model's hashes cannot be read.
    """
    tested = data.hashes[np.unique(np.concatenate([trial.fold.test for trial in every]))]
    found = []
    for name, model in _models(study, paths):
        hashes = trained_on(model)
        known = set() if hashes is None else {i for i, _, _ in close_pairs(tested, hashes)}
        if known:
            found.append(
                f"{name} learnt from {len(known):,} of the {len(tested):,} test images, or from near-duplicates of "
                "them: on new images it is worse than here."
            )
            log.warning("%s", found[-1])
    return tuple(found)


def _models(study: Study, paths: Paths) -> Iterator[tuple[str, str | Path]]:
    """The name of each captioner and image classifier, and the model or file of weights that it begins with."""
    for captioner in study.captioners:
        if captioner.kind != "recorded":
            yield f"The captioner {captioner.name}", captioner_model(captioner, paths)
    for classifier in study.image_classifiers:
        if weights := classifier.settings.network.weights:
            yield f"The network of {classifier.name}", paths.data / weights
