"""The variants of a model that requests ask for equal those that `imagist.load` opens."""

from __future__ import annotations

import pytest

import fake_service
import imagist
from imagist.errors import UsageError
from imagist.serving import options as asked
from imagist.serving.models import KEPT, chosen, served, weighted


@pytest.fixture(scope="module")
def shipped(pipeline):
    return served("embedded", pipeline, "embedded")


def same(left, right):
    assert [each.to_dict() for each in left] == [each.to_dict() for each in right]


@pytest.mark.parametrize(
    "options", [{"taxonomy": "sns4"}, {"weight": 0.4}, {"taxonomy": "social12", "weight": 0.7}, {}]
)
def test_categories_and_weights_are_as_loaded(shipped, photos, options):
    work = shipped.classify(asked.Classify(**options), 4)
    same(work.call(photos[:3]), imagist.load(threads=1, **options).predict(photos[:3]))


def test_captions_in_several_forms_are_as_loaded(shipped, photos):
    several = shipped.caption(asked.Caption(nbest=3), 4).call(photos[:2])
    loaded = imagist.load(threads=1, beam=5, nbest=5).captioner.caption(photos[:2])
    assert [each.nbest for each in several] == [each.nbest for each in loaded]


def test_equal_options_share_batches_and_others_do_not(shipped):
    def key(**options):
        return shipped.classify(asked.Classify(**options), 4).key

    assert key() == key(abstain_below=0.5, attention=True)  # these are applied to the results
    assert (
        len({key(), key(weight=0.5), key(taxonomy="sns4"), key(nbest=2), shipped.caption(asked.Caption(), 4).key}) == 5
    )


def test_facts_fit_the_model(shipped):
    facts = shipped.facts()
    assert facts["taxonomies"] == ["photos15", "sns4", "social12"]
    assert facts["languages"] == ["en"]
    assert facts["zero_shot"] is True
    assert len(facts["fusion"]["temperatures"]) > 1


def test_labels_are_embedded_once(photos, tmp_path):
    pytest.importorskip("onnx")
    import sample_parts

    model = fake_service.model(matcher=sample_parts.embedded_matcher(tmp_path))
    options = asked.Classify(labels=("cat", " dog "), weight=0.5)
    first = model.classify(options, 4)
    assert [*first.call(photos[:1])[0].labels][:2] == ["cat", "dog"]
    assert model.classify(options, 4).call.__self__ is first.call.__self__
    with pytest.raises(UsageError):
        model.classify(asked.Classify(labels=("cat", "cat ")), 4)
    with pytest.raises(UsageError, match="exclude"):
        served("x", imagist.load(threads=1), "embedded").classify(asked.Classify(labels=("a",), taxonomy="sns4"), 4)


def test_variants_do_not_grow_without_end():
    model = fake_service.model()
    for number in range(KEPT + 20):
        model.classify(asked.Classify(weight=number / 1000), 4)
    assert len(model._kept) == KEPT


def test_a_weight_needs_a_weighted_mean():
    from dataclasses import replace

    from imagist.classifiers.fusion import LogitFusion

    own = replace(fake_service.pipeline(), fusion=LogitFusion.weighted(0.5))
    with pytest.raises(UsageError, match="no weight"):
        weighted(own, 0.5)


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(imagist.UsageError, match="one of fake"):
        chosen({"fake": fake_service.model()}, "other")
