"""The fusion of the embedded model: weight, interval and temperatures of one taxonomy."""

from __future__ import annotations

import numpy as np

from imagist.classifiers.taxonomy import Taxonomy, identity
from imagist.records import LabelSet
from imagist.training.embedded import fusion

LABELS = LabelSet(("bird", "cat", "dog", "person"))


def test_the_fusion_of_a_taxonomy_leaves_out_what_is_in_no_category():
    rng = np.random.default_rng(0)
    names = list(LABELS) * 10
    goal = np.array([LABELS.index(name) for name in names])
    image = np.full((40, 4), 0.1) + 0.6 * np.eye(4)[goal]
    text = rng.dirichlet(np.ones(4), 40)
    pets = Taxonomy("pets", LabelSet(("pet", "wild")), {"pet": ("cat", "dog"), "wild": ("bird",)})
    for taxonomy in (identity(LABELS), pets):
        entry = fusion.fit_fusion(taxonomy, LABELS, image, text, names)
        assert entry["weight"] < 0.5
        assert len(entry["temperatures"]) == fusion.WEIGHT_GRID
        assert all(t > 0 for t in entry["temperatures"])
        assert entry["interval"][0] <= entry["weight"] <= entry["interval"][1]
