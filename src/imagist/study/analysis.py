"""How much of the information about an image's category its captions keep, for each captioner of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from imagist.metrics.information import Information, information
from imagist.study.dataset import Dataset, Trial
from imagist.study.results import SystemResult, test_rows
from imagist.study.store import Store, key_of


@dataclass(frozen=True, eq=False)
class CaptionInformation:
    """The captions of one captioner compared with the images.

    Attributes:
        captioner: Its name.
        text: Its most accurate text classifier.
        image: The most accurate image classifier.
        information: The comparison of both on the test rows.
    """

    captioner: str
    text: SystemResult
    image: SystemResult
    information: Information


def caption_information(
    systems: Sequence[SystemResult],
    captions: Mapping[str, Sequence[str]],
    trials: Sequence[Trial],
    data: Dataset,
    store: Store,
) -> tuple[CaptionInformation, ...]:
    """Compares the captions of each captioner with the images; empty without text or image classifiers.

    Args:
        systems: Results of all systems.
        captions: Of all N examples, by captioner.
        trials: J of them.
        data: The examples.
        store: The study's store.
    """
    ranked = sorted(systems, key=lambda each: -each.accuracy.value)
    image = next((each for each in ranked if each.system.kind == "image"), None)
    rows, found = test_rows(trials), []
    for name, of_all in captions.items():
        text = next((each for each in ranked if each.system.kind == "text" and each.system.captioner == name), None)
        if text is not None and image is not None:
            tested = [of_all[i] for i in rows]
            given = data.targets[rows], image.probabilities, text.probabilities, tested, data.labels
            record = store.record(key_of("information", *given), Information, partial(information, *given))
            found.append(CaptionInformation(name, text, image, record))
    return tuple(found)
