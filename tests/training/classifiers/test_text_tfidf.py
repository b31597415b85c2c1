"""The bag against scikit-learn's pipeline; penalties, folds, folders and attributions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from imagist.bundle import npz, write_part
from imagist.classifiers.text import tfidf
from imagist.errors import BundleError, BundleNotFound, BundleTampered, DataError, OutputError
from imagist.metrics.classes import negative_log_likelihood
from imagist.protocols import PartOptions, TextClassifier
from imagist.records import LabelSet
from imagist.training.classifiers import text_tfidf as words_bag
from imagist.training.classifiers.text_tfidf import PENALTIES, Tfidf, fit_tfidf

pytestmark = pytest.mark.torch

LABELS = LabelSet(("dog", "street", "water"))
WORDS = (("dog", "puppy", "grass", "runs"), ("car", "road", "street", "house"), ("sea", "boat", "wave", "swims"))
TEXTS = ["A dog's ball, on the grass!", "", "xyzzy", "the red car and the boat", "a man and a woman"]


def captions(number, seed, mixed=0.25):
    """Sentences of which a share speaks of another class."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, number)
    spoken = np.where(rng.uniform(size=number) < mixed, rng.integers(0, 3, number), targets)
    return [
        f"a {rng.choice(['red', 'small', 'big'])} {rng.choice(WORDS[k])} and a {rng.choice(WORDS[k])} with a man"
        for k in spoken
    ], targets


@pytest.fixture(scope="module")
def classifier():
    return fit_tfidf(Tfidf(penalty=1e-3), captions(150, 0), LABELS, None, 0)


def test_it_is_a_text_classifier(classifier):
    assert isinstance(classifier, TextClassifier)
    assert classifier.labels == LABELS


@pytest.mark.parametrize("penalty", [1e-2, 1e-3, 1e-4])
def test_scores_are_those_of_scikit_learn(penalty):
    text = pytest.importorskip("sklearn.feature_extraction.text")
    linear_model = pytest.importorskip("sklearn.linear_model")
    texts, targets = captions(150, 0)
    ours = fit_tfidf(Tfidf(penalty=penalty), (texts, targets), LABELS, None, 0)
    vectors = text.TfidfVectorizer(token_pattern=r"[\w'-]+", ngram_range=(1, 2), min_df=2)
    theirs = linear_model.LogisticRegression(C=1 / (2 * penalty * len(texts)), max_iter=5000, tol=1e-8)
    theirs.fit(vectors.fit_transform(texts), targets)
    held = [*captions(40, 1)[0], *TEXTS]
    assert set(ours.ngrams) == set(vectors.vocabulary_)
    order = [vectors.vocabulary_[ngram] for ngram in ours.ngrams]
    np.testing.assert_allclose(ours.hidden(held), vectors.transform(held).toarray()[:, order], atol=1e-6)
    np.testing.assert_allclose(ours.scores(held), theirs.predict_proba(vectors.transform(held)), atol=2e-3)


def test_scores_follow_from_hidden_states(classifier):
    logits = classifier.hidden(TEXTS) @ classifier.matrix + classifier.bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(classifier.scores(TEXTS), powers / powers.sum(1, keepdims=True), atol=1e-6)
    assert classifier.hidden(TEXTS).shape == (len(TEXTS), len(classifier.ngrams))
    np.testing.assert_array_equal(classifier.hidden(["", "xyzzy"]), 0)


@given(st.lists(st.sampled_from([*TEXTS, "a puppy", "a puppy runs"]), max_size=6), st.integers(0, 9))
def test_company_and_order_do_not_matter(classifier, texts, seed):
    order = np.random.default_rng(seed).permutation(len(texts))
    scores = classifier.scores(texts)
    assert scores.shape == (len(texts), 3)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(classifier.scores([texts[i] for i in order]), scores[order], atol=1e-6)
    np.testing.assert_allclose([classifier.scores([text])[0] for text in texts], scores.tolist(), atol=1e-6)


def test_more_texts_than_are_held_at_a_time(classifier, monkeypatch):
    texts = captions(23, 3)[0]
    expected = classifier.scores(texts)
    monkeypatch.setattr(tfidf, "AT_A_TIME", 5)
    np.testing.assert_allclose(classifier.scores(texts), expected, atol=1e-6)


def test_only_frequent_ngrams_are_in_the_vocabulary():
    train = (["a dog", "a dog", "a cat", "a dog runs"], np.array([0, 0, 1, 0]))
    known = lambda **given: fit_tfidf(Tfidf(penalty=1e-2, **given), train, LABELS, None, 0).ngrams  # noqa: E731
    assert known() == ("a", "a dog", "dog")
    assert known(min_df=1) == ("a", "a dog", "dog", "a cat", "cat", "dog runs", "runs")
    assert known(min_df=1, max_features=2) == ("a", "a dog")
    with pytest.raises(DataError, match="enough texts"):
        known(min_df=9)


def test_dev_chooses_the_penalty_under_which_it_is_most_likely():
    train, dev = captions(90, 0), captions(60, 1)
    fits = [fit_tfidf(Tfidf(penalty=penalty), train, LABELS, None, 0) for penalty in PENALTIES]
    losses = [negative_log_likelihood(fit.scores(dev[0]), dev[1]) for fit in fits]
    best = int(np.argmin(losses))
    assert 0 < best < len(PENALTIES) - 1  # a choice between too stiff and too loose
    chosen = fit_tfidf(Tfidf(), train, LABELS, dev, 0)
    np.testing.assert_array_equal(chosen.matrix, fits[best].matrix)


def test_without_dev_folds_choose_and_all_texts_are_learnt_from():
    train = captions(90, 0)
    chosen = fit_tfidf(Tfidf(), train, LABELS, None, 0)
    equal = [
        np.array_equal(chosen.matrix, fit_tfidf(Tfidf(penalty=p), train, LABELS, None, 0).matrix) for p in PENALTIES
    ]
    assert sum(equal) == 1
    assert not equal[0]
    assert not equal[-1]
    again = fit_tfidf(Tfidf(), train, LABELS, None, 0)
    np.testing.assert_array_equal(chosen.matrix, again.matrix)


@given(targets=st.lists(st.integers(0, 2), min_size=2, max_size=40), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_each_text_is_held_out_once_and_folds_are_alike(targets, folds, seed):
    texts, classes = [f"text {i}" for i in range(len(targets))], np.array(targets)
    splits = words_bag._folds((texts, classes), folds, seed)
    assert sorted(text for _, (held, _) in splits for text in held) == sorted(texts)
    for (known, goals), (held, held_goals) in splits:
        assert sorted([*known, *held]) == sorted(texts)
        assert held
        assert known
        for text, goal in zip([*known, *held], [*goals, *held_goals], strict=True):
            assert goal == classes[int(text.split()[1])]
    for number in range(3):
        counts = [int((held == number).sum()) for _, (_, held) in splits]
        assert max(counts) - min(counts) <= 1


def test_one_text_is_too_few_to_choose_on():
    with pytest.raises(DataError, match="too few"):
        fit_tfidf(Tfidf(min_df=1), (["a dog"], np.array([0])), LABELS, None, 0)


def test_a_saved_classifier_gives_the_same_probabilities(classifier, tmp_path):
    classifier.save(tmp_path / "kept")
    again = tfidf.load(str(tmp_path / "kept"), PartOptions())
    assert (again.labels, again.ngrams, again.id) == (LABELS, classifier.ngrams, classifier.id)
    np.testing.assert_array_equal(again.scores(TEXTS), classifier.scores(TEXTS))
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["card.toml", "ngrams.txt", "weights.npz"]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: (folder / "card.toml").unlink(), BundleNotFound),
        (lambda folder: (folder / "card.toml").write_text('kind = "tfidf"\n', "utf-8"), BundleError),
        (lambda folder: (folder / "ngrams.txt").write_text("dog\n", "utf-8"), BundleTampered),
        (lambda folder: (folder / "weights.npz").write_bytes(b"PK torn"), BundleTampered),
        (lambda folder: (folder / "weights.npz").unlink(), BundleError),
        (lambda folder: written(folder, labels=["a"]), BundleError),
        (lambda folder: written(folder, weights__npz=b"PK torn"), BundleError),
        (lambda folder: written(folder, weights__npz=npz(idf=np.array([{}], object))), BundleError),
    ],
)
def test_a_damaged_folder_is_refused(classifier, tmp_path, spoil, error):
    classifier.save(tmp_path / "kept")
    spoil(tmp_path / "kept")
    with pytest.raises(error) as caught:
        tfidf.load(str(tmp_path / "kept"), PartOptions())
    assert str(tmp_path / "kept") in caught.value.item


def written(folder, labels=("dog", "street", "water"), **files):
    """Writes the folder anew, with a card that fits its files."""
    ngrams, weights = ((folder / name).read_bytes() for name in ("ngrams.txt", "weights.npz"))
    write_part(folder, "tfidf", {"labels": list(labels)}, **{"ngrams__txt": ngrams, "weights__npz": weights} | files)


def test_a_folder_that_cannot_be_written_is_an_error(classifier, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(OutputError):
        classifier.save(tmp_path / "file" / "inside")


def test_attributions_are_what_the_probability_loses(classifier):
    texts, targets = ["a dog and  a dog", "", "boat"], np.array([0, 1, 2])
    found = classifier.attributions(texts, targets)
    whole = classifier.scores(texts)[np.arange(3), targets]
    left = ["dog and a dog", "a and a dog", "a dog a dog", "a dog and dog", "a dog and a"]
    assert [word for word, _ in found[0]] == ["a", "dog", "and", "a", "dog"]
    np.testing.assert_allclose([share for _, share in found[0]], whole[0] - classifier.scores(left)[:, 0], atol=1e-6)
    assert found[1] == ()
    ((word, share),) = found[2]
    assert word == "boat"
    assert share == pytest.approx(float(whole[2] - classifier.scores([""])[0, 2]), abs=1e-6)
    assert share > 0.1


def test_the_word_of_a_class_speaks_for_it_and_against_the_others(classifier):
    for target, sign in ((0, 1), (1, -1)):
        words = dict(classifier.attributions(["a man with a puppy"], np.array([target]))[0])
        assert sign * words["puppy"] == max(abs(share) for share in words.values())


def test_leave_one_out_takes_any_classifier():
    class Longest:
        """Says how many words the text has, of four."""

        labels = LabelSet(("long", "short"))

        def scores(self, texts):
            share = np.array([len(text.split()) / 4 for text in texts], np.float32)
            return np.stack([share, 1 - share], 1)

    found = tfidf.leave_one_out(Longest(), ["one two three", "four"], np.array([0, 1]))
    assert found == [(("one", 0.25), ("two", 0.25), ("three", 0.25)), (("four", -0.25),)]
    assert tfidf.leave_one_out(Longest(), ["", ""], np.array([0, 1])) == [(), ()]


def test_another_bias_is_what_a_text_without_known_words_gets(classifier):
    turned = replace(classifier, bias=np.log(np.array([0.2, 0.3, 0.5], np.float32)))
    np.testing.assert_allclose(turned.scores(["xyzzy", ""]), [[0.2, 0.3, 0.5]] * 2, atol=1e-6)
