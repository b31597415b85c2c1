"""Captioners without a model, and images for them."""

from __future__ import annotations

import random
import zlib

import numpy as np

from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.crops import hypotheses_of
from imagist.captioning.description.english import is_content
from imagist.records import Caption, Hypothesis, Photo

GRASS = (20, 160, 40)
DOG, MAN, BENCH, GIRL = (120, 60, 20), (200, 30, 30), (90, 90, 90), (240, 120, 200)

SUBJECTS = """\
a man
a woman
a dog
two dogs
a brown dog
a brown and white dog
a group of people
two children
a boy
a man and a woman
a man and a dog
a young girl
people
a football player
there is a cat
a photo of a bird
""".splitlines()
WORN = """\




in a blue shirt
in a white shirt
wearing a hat
in a red jacket and black pants
""".splitlines()
DEEDS = """\
is running
is standing
runs
are playing
play
running
jumps to catch a ball
is holding a camera
is riding a bike

is sitting and reading a book
is doing a trick
""".splitlines()
PLACES = """\

on a bench
in the snow
through the grass
in front of a building
with a ball in its mouth
on the beach
at night
in a large green field
near a fence
while a crowd watches
down a city street
next to a tree
""".splitlines()


class RandomCaptioner:
    """Writes random but sensible sentences, equal for equal pixels, and records them."""

    id = "random"

    def __init__(self, seed=0, nbest=4, attention=True):
        self.seed, self.nbest, self.attention = seed, nbest, attention
        self.said = []
        self.sizes = []

    def caption(self, photos):
        self.sizes.append(len(photos))
        return [self._one(photo) for photo in photos]

    def _one(self, photo):
        rng = random.Random(zlib.crc32(np.ascontiguousarray(photo.pixels).tobytes()) + self.seed)
        texts = dict.fromkeys(self.sentence(rng) for _ in range(self.nbest))
        hypotheses = [Hypothesis(text, -rng.uniform(0.3, 1.4) * (len(text.split()) + 1)) for text in texts]
        self.said += texts
        tokens = tuple(hypotheses[0].text.split())
        cells = np.random.default_rng(rng.randrange(99)).random((len(tokens), 5, 6)).astype(np.float32)
        maps = cells / cells.sum((1, 2), keepdims=True) if self.attention else None
        return Caption(hypotheses[0].text, hypotheses[0].logprob, tokens, tuple(hypotheses), maps)

    def sentence(self, rng):
        subject, worn, deed, *places = (rng.choice(list_) for list_ in (SUBJECTS, WORN, DEEDS, PLACES, PLACES))
        said = [subject, worn, agreeing(subject, deed), *places]
        return " ".join(part for part in said if part)

    @property
    def content(self):
        """The content words of all its captions."""
        return {word.lower() for text in self.said for word in words_of(text) if is_content(word)}


def agreeing(subject, deed):
    """The deed, its verb in the number of the subject."""
    several = " and a " in subject or subject.split()[-1] in ("dogs", "people", "children")
    one, many = ("is", "runs", "jumps", "plays"), ("are", "run", "jump", "play")
    forms = dict(zip(one, many, strict=True) if several else zip(many, one, strict=True))
    verb, *rest = deed.split() or [""]
    return " ".join([forms.get(verb, verb), *rest])


class ScriptedCaptioner(RandomCaptioner):
    """Writes a given sentence about each part; an image of the size of the whole is the whole."""

    def __init__(self, whole, **parts):
        super().__init__()
        self.whole, self.parts = whole, parts

    def _one(self, photo):
        said = self._said(photo)
        said = [said] if isinstance(said, str) else list(said)
        self.said += said
        hypotheses = tuple(Hypothesis(text, -0.5 * (len(text.split()) + 1) - n) for n, text in enumerate(said))
        return Caption(said[0], hypotheses[0].logprob, tuple(said[0].split()), hypotheses)

    def _said(self, photo):
        """The first part whose colour fills a tenth of the image, in the order given."""
        for name, said in self.parts.items():
            colour = np.array(COLOURS[name])
            if photo.pixels.shape[:2] != SIZE and (photo.pixels == colour).all(2).mean() >= 0.1:
                return said
        return self.whole


COLOURS = {"dog": DOG, "man": MAN, "bench": BENCH, "girl": GIRL}
SIZE = (120, 160)


def scene(**boxes):
    """A photo of grass with things of one colour each, in boxes of fractions."""
    height, width = SIZE
    pixels = np.full((height, width, 3), GRASS, np.uint8)
    for name, (x0, y0, x1, y1) in boxes.items():
        pixels[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)] = COLOURS[name]
    return Photo(pixels, "scene")


def noise(seed, height=60, width=80):
    """A photo of random pixels."""
    return Photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), f"noise{seed}")


def crop_of(*texts, box=(0.0, 0.0, 1.0, 1.0), per_word=-0.5):
    """The hypotheses about one crop, of falling probability."""
    hypotheses = [Hypothesis(text, (per_word - 0.05 * n) * (len(text.split()) + 1)) for n, text in enumerate(texts)]
    return hypotheses_of(Caption(texts[0], hypotheses[0].logprob, (), tuple(hypotheses)), box)
