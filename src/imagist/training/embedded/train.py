"""Trains the embedded bundle from nothing, behind ``make train-embedded``.

Stages, in order: encoder, grids, captioner, heads, bundle, card. Each leaves its result in the run's folder and is
skipped when that is there; a killed run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from imagist.arrays import Array, Halves
from imagist.bundle import ENCODER, MODEL_CARD, SHIPPED, Bundle, copy_part, open_folder, write_bundle, write_part
from imagist.captioning.decoding import Decoding
from imagist.classifiers.calibration import KIND as TEMPERATURE
from imagist.classifiers.fusion.scores import KIND as SCORE
from imagist.classifiers.image.linear import LinearClassifier
from imagist.classifiers.ngrams import counts
from imagist.classifiers.taxonomy import built_in
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.errors import DataError, ImagistError
from imagist.images.encoder import Encoder as GraphEncoder
from imagist.images.views import square
from imagist.pipeline import load
from imagist.records import LabelSet
from imagist.training.captioners.context import TrainingContext
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.evaluator import CaptionEvaluator, CaptionModel, generate_captions
from imagist.training.captioners.phases import train_phases
from imagist.training.captioners.recipe import CrossEntropy, SelfCritical
from imagist.training.captioners.vocabulary import WordVocabulary, build_vocabulary, tokenised
from imagist.training.embedded import heads, measure
from imagist.training.embedded import model_card as modelcard
from imagist.training.embedded.images import SIDE, Encoded, PhotoSet, flickr8k, labelled
from imagist.training.embedded.sentences import LabelSentences
from imagist.training.encoders import distillation as distil
from imagist.training.encoders.features import Grids
from imagist.training.export import bundle as assemble
from imagist.training.export.graphs import EncoderGraph
from imagist.training.networks.attention import AttentionDecoder
from imagist.training.networks.mobilenet import Encoder

log = logging.getLogger("imagist.training")

WEIGHTS = Path("weights") / "mobilenetv2_100.imagenet.fp16.safetensors"
VIEWS = (3, 3, 1)  # of each image of Flickr8k, photos15 and tiny_imagenet
SHARES = (1.0, 0.25, 0.25)  # of the same in each batch of the captioner
CROSS_ENTROPY = CrossEntropy(
    epochs=9, patience=0, first_eval=0.5, batch_size=24, learning_rate=1.2e-3, doubly_stochastic_weight=0.5
)
SELF_CRITICAL = SelfCritical(
    steps=600, batch_size=24, temperature=0.5, patch_keep_rate=0.5, learning_rate=2e-4, eval_every=100,
    cross_entropy_weight=0.5,
)  # fmt: skip
LONGEST, LEAST_COUNT = 20, 4
TAXONOMIES = ("photos15", "sns4", "social12")
CALIBRATED = 60  # every so many images of Flickr8k train show the ranges of the captioner's activations


@dataclass(frozen=True, eq=False)
class Classifiers:
    """Both classifiers of the model, and what fuses them.

    Attributes:
        labels: The C classes.
        image: Matrix ``[D, C]`` and bias ``[C]`` over the mean of the grid.
        text: Over captions.
        fusion: For each taxonomy its weight, the weight's interval, and temperatures.
    """

    labels: LabelSet
    image: tuple[Array, Array]
    text: TfidfClassifier
    fusion: Mapping[str, Mapping[str, Any]]

    def add_to(self, bundle: Bundle) -> Bundle:
        """The model with these parts besides its captioner and encoder."""
        encoder = GraphEncoder(open_folder(bundle.path / ENCODER))
        fusions, calibrations = {}, {}
        for name, fitted in self.fusion.items():
            fusions[name] = {"weight": fitted["weight"], "interval": fitted["interval"]}
            calibrations[name] = {"image": 1.0, "text": 1.0, "fused": fitted["temperatures"]}
        tables = (("fusion", SCORE, fusions), ("calibration", TEMPERATURE, calibrations))
        writers: dict[str, Callable[[Path], object]] = {
            "encoder": encoder.save,
            "captioner": copy_part(bundle.part("captioner")),
            "text_classifier": self.text.save,
            "image_classifier": LinearClassifier(self.labels, encoder, *self.image).save,
        }
        for part, kind, table in tables:
            settings = {"default": table.pop(TAXONOMIES[0]), "taxonomies": table}
            writers[part] = partial(write_part, kind=kind, card=settings)
        card = {"name": bundle.name, "description": bundle.description}
        return write_bundle(bundle.path, card, writers)


class Training:
    """One run: the data, the folder of its checkpoints, and where the bundle goes."""

    def __init__(self, data: Path, folder: Path, bundle: Path) -> None:
        self.data, self.folder, self.bundle_folder = data, folder, bundle
        folder.mkdir(parents=True, exist_ok=True)

    def encoder(self) -> Encoder:
        """The encoder, distilled now or before."""
        return self._encoder

    @cached_property
    def _encoder(self) -> Encoder:
        sets, judge = self._train_sets, flickr8k(self.data, "dev").fraction(0.2)
        return distil.distil(sets, VIEWS, judge, self.data / WEIGHTS, self.folder, distil.DistilConfig())

    def grids(self) -> list[Encoded]:
        """The training sets and both dev sets with their grids: Flickr8k, photos15, tiny_imagenet, then the devs."""
        encoder = self.encoder()
        sets = [*self._train_sets, flickr8k(self.data, "dev"), labelled(self.data, "photos15", "dev")]
        return [
            Encoded(photos, distil.grids(photos, number, encoder, self.folder))
            for photos, number in zip(sets, (*VIEWS, 1, 1), strict=True)
        ]

    def captioner(self) -> tuple[CaptionModel, CaptionEvaluator, list[Encoded]]:
        """The captioner, trained now or before, with what judges it, and the sets."""
        sets = self.grids()
        corpora = [corpus_of(item) for item in sets]
        vocabulary = self._vocabulary(corpora[:3])
        torch.manual_seed(0)
        decoder = AttentionDecoder(
            len(vocabulary.lines), sets[0].grids.shape[3], hidden_size=384, embedding_size=256, attention_size=128
        )
        model = CaptionModel(torch.nn.Identity(), decoder)
        evaluator = CaptionEvaluator(corpora[3], vocabulary, Decoding(max_length=LONGEST))
        context = TrainingContext(
            corpora[:3], vocabulary, LONGEST, evaluator, self.folder, Accelerator(cpu=True), SHARES
        )
        train_phases(model, context, CROSS_ENTROPY, SELF_CRITICAL)
        return model, evaluator, sets

    def parts(self) -> assemble.Parts:
        """The trained captioner with its encoder."""
        model, evaluator, _ = self.captioner()
        return assemble.Parts(
            "embedded", "MobileNetV2 layout distilled from random weights, soft-attention LSTM captions, 15 classes",
            "attention", EncoderGraph(self.encoder()), SIDE, model.decoder, evaluator.vocabulary,
            self._search(model, evaluator),
        )  # fmt: skip

    def heads(self) -> Classifiers:
        """The two classifiers and the fusion, fitted now."""
        model, evaluator, sets = self.captioner()
        search = self._search(model, evaluator)
        labels = LabelSet(tuple(sorted(set(sets[1].photos.labels))))
        sets[1], dev = (self._as_served(item) for item in (sets[1], sets[4]))

        def told_of(grids: Halves) -> list[str]:
            return generate_captions(model, Grids(grids[:, None]), evaluator.vocabulary, search)

        train = heads.training_examples(sets[:3], labels, told_of)
        names = dev.photos.labels
        goal = np.array([labels.index(name) for name in names])
        features = dev.grids[:, 0].astype(np.float32).mean(1)
        said = told_of(dev.grids[:, 0])
        image = heads.best_linear("images", train.images(), (features, goal), len(labels))
        terms = heads.best_terms(train.captions)
        places = {term: place for place, term in enumerate(terms)}
        table = counts(train.captions, places)
        idf = heads.inverse_frequency(table)
        told = heads.weighed(counts(said, places), idf)
        text = heads.best_linear("texts", train.texts(heads.weighed(table, idf)), (told, goal), len(labels))
        image_scores, text_scores = image.scores(features), text.scores(told)
        fusion = {t: heads.fit_fusion(built_in(t), labels, image_scores, text_scores, names) for t in TAXONOMIES}
        matrices = [(each.matrix / each.temperature, each.bias / each.temperature) for each in (image, text)]
        return Classifiers(labels, matrices[0], TfidfClassifier(labels, terms, idf, *matrices[1]), fusion)

    def bundle(self) -> None:
        """Writes the bundle and proves it: the float export against torch, and what making it small costs."""
        parts, classifiers = self.parts(), self.heads()
        seen = self.grids()[0].grids[::CALIBRATED, 0].astype(np.float32)
        photos = flickr8k(self.data, "dev").fraction(0.2).pixels
        plain = self.folder / "bundle-float"
        classifiers.add_to(assemble.export_bundle(parts, plain))
        proof = {"float": assemble.parity(parts, plain, photos)}
        if proof["float"]["equal_captions"] < 1:
            raise DataError(f"the export differs from torch: {proof['float']}", item=str(plain))
        classifiers.add_to(assemble.export_bundle(parts, self.bundle_folder, seen))
        proof["shipped"] = assemble.parity(parts, self.bundle_folder, photos)
        figures = {name: self._figures(folder) for name, folder in (("float", plain), ("shipped", self.bundle_folder))}
        (self.folder / "measured.json").write_text(
            json.dumps({"parity": proof, "dev": figures}, indent=1, default=vars)
        )
        log.info("parity %s", json.dumps(proof))

    def card(self) -> None:
        """Writes the model card from what was measured."""
        measured = json.loads((self.folder / "measured.json").read_text())
        (self.bundle_folder / MODEL_CARD).write_text(modelcard.model_card(measured, self.bundle_folder), "utf-8")

    def _figures(self, folder: Path) -> dict[str, object]:
        found: dict[str, object] = {
            "captions": measure.captions(load(folder), [self.data / "flickr8k" / "dev.parquet"], "dev")
        }
        for name in TAXONOMIES:
            found[name] = measure.classes(load(folder, taxonomy=name), [self.data / "photos15.parquet"], "dev")
        return found

    def _as_served(self, item: Encoded) -> Encoded:
        """The set with its first views as the bundle will see them: in float32, and resized by Pillow.

        Training resizes and rounds in its own way. Heads and temperatures fitted to that cost the words two points of
        accuracy where the bundle is used.
        """
        graph = EncoderGraph(self.encoder())
        grids = np.array(item.grids)
        with torch.no_grad():
            for start in range(0, len(grids), 50):
                seen = np.concatenate([square(pixels, SIDE) for pixels in item.photos.pixels[start : start + 50]])
                grids[start : start + 50, 0] = graph(torch.from_numpy(seen)).numpy()
        return replace(item, grids=grids)

    def _search(self, model: CaptionModel, evaluator: CaptionEvaluator) -> Decoding:
        """The length power that dev likes best, for a beam of 3."""
        tried = [replace(evaluator.search, length_penalty=power) for power in (0.0, 0.4, 0.7, 1.0, 1.3)]
        figures = [evaluator.evaluate(model, search) for search in tried]
        for search, figure in zip(tried, figures, strict=True):
            log.info("length power %.1f  %s", search.length_penalty, figure)
        return max(zip(tried, figures, strict=True), key=lambda pair: pair[1]["cider"])[0]

    def _vocabulary(self, corpora: list[Corpus]) -> WordVocabulary:
        """The words of Flickr8k's sentences, and all that label sentences may need."""
        said = (text for corpus in corpora for of in corpus.captions for _, text in of)
        drawn = (text for corpus in corpora if corpus.label_sentences for text in corpus.label_sentences.all())
        return build_vocabulary(said, ["en"], LEAST_COUNT, drawn)

    @cached_property
    def _train_sets(self) -> list[PhotoSet]:
        sets = (labelled(self.data, name, "train") for name in ("photos15", "tiny_imagenet"))
        return [flickr8k(self.data, "train"), *sets]


def corpus_of(item: Encoded) -> Corpus:
    """A set with its own sentences, or with those that its labels give."""
    photos = item.photos
    if photos.labels:
        return Corpus(Grids(item.grids), labels=photos.labels, label_sentences=LabelSentences(set(photos.labels)))
    return Corpus(Grids(item.grids), [[("en", text) for text in tokenised(of)] for of in photos.captions])


STAGES = ("encoder", "grids", "captioner", "heads", "bundle", "card")


def main(argv: list[str] | None = None) -> int:
    """Runs the stages asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", choices=[[], *STAGES], help=f"of {', '.join(STAGES)}")
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"), help="folder of images")
    parser.add_argument("--folder", type=Path, default=Path("runs/embedded"), help="checkpoints and results")
    parser.add_argument("--bundle", type=Path, default=SHIPPED / "embedded", help="where the bundle goes")
    args = parser.parse_args(argv)
    if args.data is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    training = Training(args.data, args.folder, args.bundle)
    handlers: list[logging.Handler] = [logging.StreamHandler(), logging.FileHandler(args.folder / "train.log")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=handlers)
    torch.set_num_threads(os.cpu_count() or 1)
    for chatty in ("onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        for stage in args.stages or ("bundle", "card"):  # each stage runs those that it stands on
            getattr(training, stage)()
    except ImagistError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
