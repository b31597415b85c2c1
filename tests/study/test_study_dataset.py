"""A study's examples and trials: selection, groups, and faults."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import study_cases as cases
from imagist.datasets.labels import Source
from imagist.errors import DataError, UsageError
from imagist.study.config import Data, Folds
from imagist.study.dataset import assemble as assembled
from imagist.study.dataset import leaks, trials
from imagist.study.store import Store

TWELVE = [0, 1, 2] * 8


def assemble(config, folder, folds=None):
    return assembled(config, folder, Store(folder / "store"), folds or Folds())


def parquet(folder, rows, name="set.parquet"):
    """Rows of ``(name, label, bytes, split, account)``."""
    columns = dict(zip(("file_name", "label", "image", "split", "account"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({key: list(values) for key, values in columns.items()}), folder / name)
    return Data((Source(name),))


def drawn(label, number, split="train", account=None, seed=None):
    return f"{label}{number}", label, cases.image(seed or (ord(label[0]), number)), split, account


@pytest.fixture
def animals(tmp_path):
    labels = [("cat", 3), ("dog", 2), ("stone", 2), ("wolf", 2)]
    return parquet(
        tmp_path, [drawn(label, n, "train" if n else "dev") for label, count in labels for n in range(count)]
    )


def test_labels_are_sorted_and_targets_are_theirs(animals, tmp_path):
    data = assemble(animals, tmp_path)
    assert data.labels.names == ("cat", "dog", "stone", "wolf")
    assert [data.labels.names[t] for t in data.targets] == [each.label for each in data.examples]
    assert len(data.hashes) == len(data.groups) == len(set(data.groups.tolist())) == 9


def test_a_taxonomy_beside_the_data_maps_and_leaves_out_what_has_no_category(animals, tmp_path):
    (tmp_path / "pets.toml").write_text('[labels]\n"canines" = ["dog", "wolf"]\nfelines = ["cat"]\n')
    data = assemble(Data(animals.sources, taxonomy="pets.toml"), tmp_path)
    assert data.labels.names == ("canines", "felines")
    assert [each.image for each in data.examples] == ["cat0", "cat1", "cat2", "dog0", "dog1", "wolf0", "wolf1"]
    assert data.targets.tolist() == [1, 1, 1, 0, 0, 0, 0]


def test_the_first_of_each_category_are_counted_within_the_splits_asked_for(animals, tmp_path):
    data = assemble(Data(animals.sources, first=1, splits=("train",)), tmp_path)
    assert [each.image for each in data.examples] == ["cat1", "dog1", "stone1", "wolf1"]


def of_splits(folder, **counts):
    """So many cats, then dogs, of each split."""
    return parquet(
        folder,
        [drawn(label, f"{split}{n}", split, seed=(ord(label[0]), ord(split[0]), n))
         for split, count in counts.items() for label in ("cat", "dog") for n in range(count)],
    )  # fmt: skip


def test_the_first_are_of_all_splits_where_folds_are_made_and_of_what_is_trained_on_where_splits_are_fixed(tmp_path):
    config = of_splits(tmp_path, dev=3, train=2, extra=3)
    first = Data(config.sources, first=3)

    def counted(folds):
        found = assemble(first, tmp_path, folds).examples
        return {
            split: [e.image for e in found if e.split == split and e.label == "cat"]
            for split in ("dev", "train", "extra")
        }

    assert counted(Folds()) == {"dev": ["catdev0", "catdev1", "catdev2"], "train": [], "extra": []}
    whole = ["catdev0", "catdev1", "catdev2"]
    assert counted(Folds("fixed")) == {"dev": whole, "train": ["cattrain0", "cattrain1"], "extra": ["catextra0"]}
    assert counted(Folds("fixed", test="dev+extra"))["extra"] == ["catextra0", "catextra1", "catextra2"]
    one = assemble(Data(config.sources, first=1), tmp_path, Folds("fixed")).examples
    assert [e.image for e in one if e.split != "dev"] == ["cattrain0", "dogtrain0"]
    assert len(assemble(config, tmp_path, Folds("fixed")).examples) == 16


def test_images_without_a_split_are_all_named_where_splits_are_fixed(tmp_path):
    rows = [drawn(label, n, (None, "train", "dev")[n]) for label in ("cat", "dog") for n in range(3)]
    config = parquet(tmp_path, rows)
    with pytest.raises(DataError) as caught:
        assemble(config, tmp_path, Folds("fixed"))
    assert "2 faults (image without a split, where folds.kind is fixed: 2)" in str(caught.value)
    for told in ("cat0", "dog0", 'split = "train"', 'folds.kind = "stratified"'):
        assert told in str(caught.value)
    assert len(assemble(config, tmp_path).examples) == 6
    kept = assemble(Data(config.sources, splits=("train", "dev")), tmp_path, Folds("fixed"))
    assert [each.image for each in kept.examples] == ["cat1", "cat2", "dog1", "dog2"]


def test_hashes_and_near_duplicates_are_looked_for_once(tmp_path, monkeypatch):
    config = parquet(tmp_path, [drawn("cat", 0), drawn("cat", 1), drawn("dog", 0, seed=(ord("c"), 1))])
    first = assemble(config, tmp_path)
    for name in ("hashes", "clusters"):
        monkeypatch.setattr(f"imagist.study.dataset.near_duplicates.{name}", None)
    again = assemble(config, tmp_path)
    np.testing.assert_array_equal(first.hashes, again.hashes)
    assert first.groups.tolist() == again.groups.tolist() == [0, 1, 1]


def test_all_files_that_cannot_be_opened_are_reported_at_once(tmp_path, monkeypatch):
    (tmp_path / "set.csv").write_text("image,label\n" + "".join(f"{n}.png,cat\n" for n in range(3)))
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(cases.image(n))

    def shut(self):
        if self.name in ("0.png", "2.png"):
            raise PermissionError(13, "Permission denied")
        return cases.image(1)

    monkeypatch.setattr("pathlib.Path.read_bytes", shut)
    with pytest.raises(DataError) as caught:
        assemble(Data((Source("set.csv"),)), tmp_path)
    assert "2 faults" in str(caught.value)
    for name in ("0.png", "2.png"):
        assert f"{name}: Permission denied" in str(caught.value)


def test_the_digest_names_the_images_and_their_order(tmp_path):
    rows = [drawn(label, n) for label in ("cat", "dog") for n in range(2)]
    other = (*rows[0][:2], cases.image(7), *rows[0][3:])
    found = [
        assemble(parquet(tmp_path, of, f"{i}.parquet"), tmp_path).digest
        for i, of in enumerate([rows, rows, rows[::-1], [other, *rows[1:]]])
    ]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_images_are_decoded_under_their_own_names(tmp_path):
    data = assemble(parquet(tmp_path, [drawn("cat", 0), drawn("dog", 0)]), tmp_path)
    (photo,) = data.photos([1])
    assert photo.source == "dog0"
    assert photo.pixels.shape == (36, 30, 3)


def test_near_duplicates_are_of_one_group_and_so_are_accounts_where_asked(tmp_path):
    rows = [drawn("cat", n, account="ann" if n in (0, 3) else f"user{n}") for n in range(4)]
    rows.append(drawn("dog", 0, account="bob", seed=(ord("c"), 1)))  # the very image of cat1
    config = parquet(tmp_path, rows)
    alone, by_account = (assemble(config, tmp_path, Folds(kind)).groups for kind in ("stratified", "grouped"))
    assert alone.tolist() == [0, 1, 2, 3, 1]
    assert by_account.tolist() == [0, 1, 2, 0, 1]


def test_all_unreadable_images_are_reported_at_once(tmp_path):
    rows = [drawn("cat", 0), ("x", "cat", b"nothing", "train", None), ("y", "dog", b"GIF89a", "train", None)]
    with pytest.raises(DataError) as caught:
        assemble(parquet(tmp_path, rows), tmp_path)
    assert "2 faults" in str(caught.value)
    assert "x: " in str(caught.value)
    assert "y: " in str(caught.value)


def test_all_sources_that_are_not_there_are_reported_at_once(tmp_path):
    with pytest.raises(DataError) as caught:
        assemble(Data((Source("one.parquet"), Source("two.csv"))), tmp_path)
    assert "one.parquet" in str(caught.value)
    assert "two.csv" in str(caught.value)


def test_no_example_left_is_said(animals, tmp_path):
    with pytest.raises(DataError, match=r"no example is left.*data\.splits"):
        assemble(Data(animals.sources, splits=("validation",)), tmp_path)


def test_an_unknown_taxonomy_lists_those_there_are(animals, tmp_path):
    with pytest.raises(UsageError, match="photos15"):
        assemble(Data(animals.sources, taxonomy="photos51"), tmp_path)


@pytest.mark.parametrize("kind", ["stratified", "grouped"])
def test_made_folds_test_every_example_once_per_seed(kind):
    data = cases.dataset(TWELVE)
    made = [*trials(Folds(kind, number=4, seeds=(3, 5)), data)]
    assert [(trial.seed, trial.number) for trial in made] == [(seed, n) for seed in (3, 5) for n in range(4)]
    for seed in (3, 5):
        tested = np.concatenate([trial.fold.test for trial in made if trial.seed == seed])
        assert sorted(tested.tolist()) == list(range(24))
    for trial in made:
        assert np.bincount(data.targets[trial.fold.test]).tolist() == [2, 2, 2]
        assert not {*trial.fold.train} & {*trial.fold.test}
    assert any((a.fold.test != b.fold.test).any() for a, b in zip(made[:4], made[4:], strict=True))


@pytest.mark.parametrize("fits", [1, 2, 3])
def test_inner_folds_cut_only_what_is_trained_on(fits):
    data = cases.dataset(TWELVE)
    for trial in trials(Folds(number=3, inner=3, fits=fits), data):
        assert len(trial.inner) == fits
        for part in trial.inner:
            assert sorted([*part.train, *part.test]) == trial.fold.train.tolist()
        assert trial.validation.tolist() == [row for part in trial.inner for row in part.test]
        assert len({*trial.validation}) == len(trial.validation)
        if fits == 3:
            assert sorted(trial.validation.tolist()) == trial.fold.train.tolist()


@pytest.mark.parametrize("kind", ["stratified", "grouped"])
def test_near_duplicates_never_straddle_a_made_fold(kind):
    rng = np.random.default_rng(1)
    data = cases.dataset(rng.integers(0, 3, 90), groups=np.sort(rng.integers(0, 40, 90)))
    for trial in trials(Folds(kind, number=3, inner=3, fits=3, seeds=(0, 1)), data):
        for part in (trial.fold, *trial.inner):
            assert not {*data.groups[part.train]} & {*data.groups[part.test]}
    assert leaks(Folds(kind, number=3), data) == []


def test_few_shots_leave_the_rest_unlabelled():
    data = cases.dataset(TWELVE)
    made = [*trials(Folds(number=4, inner=2, shots=4, seeds=(0, 1)), data)]
    for trial in made:
        assert np.bincount(data.targets[trial.fold.train]).tolist() == [4, 4, 4]
        assert sorted([*trial.fold.train, *trial.test_and_unlabelled]) == list(range(24))
        assert len(trial.unlabelled) == 6
    assert any((a.fold.train != b.fold.train).any() for a, b in zip(made[:4], made[4:], strict=True))
    assert all(len(trial.unlabelled) == 0 for trial in trials(Folds(number=4, inner=2, shots=9), data))


def test_fixed_folds_are_the_splits_of_the_files():
    data = cases.dataset(TWELVE, splits=["train"] * 9 + ["val"] * 3 + ["test"] * 12)
    (trial,) = trials(Folds("fixed", test="test", inner=3), data)
    assert trial.fold.train.tolist() == list(range(12))
    assert trial.fold.test.tolist() == list(range(12, 24))
    (both,) = trials(Folds("fixed", test="val+test", inner=3), data)
    assert both.fold.train.tolist() == list(range(9))


def test_near_duplicates_across_fixed_splits_are_found_and_can_be_left_out_of_training():
    hashes = np.random.default_rng(2).integers(0, 2**63, 24).astype(np.uint64)
    hashes[20] = hashes[1] ^ np.uint64(0b101)
    data = cases.dataset(TWELVE, splits=["train"] * 12 + ["dev"] * 12, hashes=hashes)
    (leak,) = leaks(Folds("fixed"), data)
    assert (leak.train, leak.test, leak.bits) == ("1.png", "20.png", 2)
    dropping = Folds("fixed", inner=3, drop_leaks=True)
    assert leaks(dropping, data) == []
    (trial,) = trials(dropping, data)
    assert trial.fold.train.tolist() == [0, *range(2, 12)]
    assert trial.fold.test.tolist() == list(range(12, 24))


def test_a_split_that_is_not_there_lists_those_there_are():
    data = cases.dataset(TWELVE, splits=["train"] * 12 + ["dev"] * 12)
    with pytest.raises(DataError, match=r"split test.*dev, train"):
        next(trials(Folds("fixed", test="test"), data))


def test_a_class_that_cannot_be_trained_is_named():
    with pytest.raises(DataError, match=r"some fold tests class2 \(1 example\) and has none to train on"):
        next(trials(Folds(number=3), cases.dataset([0, 1] * 6 + [2])))


def test_more_fits_than_inner_folds_are_refused():
    with pytest.raises(UsageError, match="4 fits of 3 inner folds"):
        next(trials(Folds(inner=3, fits=4), cases.dataset(TWELVE)))
