"""Writes how a captioner says less where its encoder is not sure: the files that `imagist.captioning.hedging` reads."""

from __future__ import annotations

import numpy as np

from imagist import settings
from imagist.bundle import npz
from imagist.captioning.hedging import DETECTOR, LONGEST_NAME, TABLE
from imagist.training.captioners.class_names import ClassNames
from imagist.training.captioners.persons import SPOKEN_OF, PersonDetector
from imagist.training.captioners.recipe import HedgingSettings


def hedging_files(names: ClassNames, detector: PersonDetector, config: HedgingSettings) -> dict[str, bytes]:
    """The files, by name.

    Args:
        names: Names of the classes and everyday words.
        detector: Of persons.
        config: What is lost for what.
    """
    single = {
        phrase: classes[0]
        for phrase, classes in names.meanings.items()
        if len(classes) == 1 and len(phrase.split()) <= LONGEST_NAME and SPOKEN_OF.isdisjoint(phrase.split())
    }
    general = {
        word: {
            "with_article": names.with_article(word),
            "specificity": round(names.specificity(classes), 4),
            "classes": list(classes),
        }
        for word, classes in names.everyday.items()
        if len(classes) > 1
    }
    table = {
        "margin": config.margin, "wrong": config.wrong, "invented": config.invented, "persons": sorted(SPOKEN_OF),
        "names": single, "general": general,
    }  # fmt: skip
    weight = (detector.cell.weight[0] / detector.scale).detach().numpy()
    bias = detector.cell.bias.item() - float(weight @ detector.mean.numpy())
    return {
        TABLE: settings.to_toml(table).encode(),
        DETECTOR: npz(weight=weight.astype(np.float32), bias=np.array(bias, np.float32)),
    }
