"""The reward of captions that have no references: what they name should be there, as the encoders see it.

Captions that are learnt from sentences name a class for every image, and persons where images with captions mostly show
some. With this reward they name what is likely, by a more general word where the class is not sure.

Shapes: N images, C classes, M captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Array, Floats, Ints
from imagist.captioning.hedging import worth
from imagist.datasets.labels import read_all as read_labelled
from imagist.errors import UsageError
from imagist.images.photo import ImageSource
from imagist.training.captioners.class_names import ClassNames
from imagist.training.captioners.corpora import Encoding, images_of
from imagist.training.captioners.persons import SPOKEN_OF, PersonDetector
from imagist.training.captioners.recipe import NamingReward, Recipe
from imagist.training.captioners.rewards import END_WORD, Judged

UNFINISHED = frozenset((
    "a", "an", "the", "of", "in", "on", "with", "and", "is", "are", "to", "at", "by", "for", "from", "near", "some",
    "that", "there", "two", "his", "her", "its", "front", "their",
))  # fmt: skip
"""Words with which no sentence ends."""

UNSEEN = 0.1  # least probability, in some part of the image, of something that is there


@dataclass(frozen=True, eq=False)
class Seen:
    """What the encoders see in N images.

    Attributes:
        classes: Probabilities of the classes, ``[N, C]``.
        visible: The same where they are highest, in the image or a part of it.
        somebody: Probability that a person is to be seen, ``[N]``.
    """

    classes: Array
    visible: Array
    somebody: Array


class NamingScorer:
    """Scores captions.

    Args:
        names: Names of the classes and everyday words.
        seen: What there is in the images.
        config: What is lost for what.
    """

    def __init__(self, names: ClassNames, seen: Seen, config: NamingReward) -> None:
        self._names, self._seen, self._config = names, seen, config

    def scores(self, texts: Sequence[str], images: Ints) -> Floats:
        """Rewards float64 ``[M]`` of tokenised captions of the images with these numbers, int64 ``[M]``."""
        return np.array([self._score(text.split(), image) for text, image in zip(texts, images, strict=True)], float)

    def _score(self, words: Sequence[str], image: int) -> float:
        config, seen = self._config, self._seen
        is_finished = words[-1:] == [END_WORD] and UNFINISHED.isdisjoint(words[-2:-1])
        lost = 0.0 if is_finished else config.unfinished
        speaks_of_persons = not SPOKEN_OF.isdisjoint(words)
        worths = []
        for classes in self._names.meant([word for word in words if word not in SPOKEN_OF]):
            numbers = list(classes)
            probability = min(1.0, float(seen.classes[image, numbers].sum()))
            worths.append(worth(self._names.specificity(classes), probability, config.wrong))
            lost += config.unseen * max(0.0, 1 - float(seen.visible[image, numbers].sum()) / UNSEEN)
        if speaks_of_persons:
            somebody = float(seen.somebody[image])
            worths.append(worth(config.person, somebody, config.wrong))
            lost += config.invented * (1 - somebody)
        return float(max(worths, default=0.0)) - lost


def judged_images(recipe: Recipe, encoding: Encoding, detector: PersonDetector | None) -> Judged | None:
    """The labelled and unlabelled images of a recipe with the reward of their captions; None where it has no share.

    Args:
        recipe: With `NamingReward`.
        encoding: Its encoders.
        detector: As `person_detector` of the recipe.

    Raises:
        UsageError: The recipe has no such images, or an encoder has no classes.
        DataError: A file cannot be read.
    """
    config, data = recipe.self_critical.naming, recipe.data
    if detector is None or data.class_names is None or not (config.share and recipe.self_critical.steps):
        return None
    if not (data.labelled or data.unlabelled):
        raise UsageError(
            "needs images in data.labelled or data.unlabelled", item="self_critical.naming",
            remedy="name some, or set its share to 0",
        )  # fmt: skip
    labelled = [source.within(encoding.data) for each in data.labelled for source in each.sources]
    images: list[ImageSource] = [*(read_labelled(labelled) if labelled else ())]
    images += [image for each in data.unlabelled for image in images_of(each.sources, encoding.data)]
    views = max([each.views for each in data.labelled] + [each.views for each in data.unlabelled])
    seen = Seen(
        encoding.class_probabilities(images), encoding.visible_classes(images), encoding.probabilities(images, detector)
    )
    reward = NamingScorer(data.class_names, seen, config)
    return Judged(encoding.features(images, views), reward, config.temperature, seed=3)
