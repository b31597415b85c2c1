"""WordNet's database files."""

from __future__ import annotations

import pytest

from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.errors import DataError
from imagist.training.matchers.wordnet import check_wordnet, read_wordnet
from tiny_wordnet import KINDS


def test_a_noun_has_its_meanings_in_order_and_their_counts(wordnet):
    assert wordnet.senses["dog"] == (KINDS["dog"][0],)
    assert wordnet.count("dog", 1) == 40
    assert wordnet.count("dog", 2) == 0
    assert wordnet.others == {"run": 80}
    assert wordnet.synsets[16].words == ("old woman",)


@pytest.mark.parametrize(
    ("form", "lemma"),
    [("dog", "dog"), ("dogs", "dog"), ("mice", "mouse"), ("men", "man"), ("buses", None), ("old woman", "old woman"),
     ("puppies", "puppy"), ("beaches", "beach"), ("xyz", None)],
)  # fmt: skip
def test_plurals_are_forms_of_their_noun(wordnet, form, lemma):
    assert wordnet.lemma(form) == lemma


def test_the_meanings_above_have_their_distance(wordnet):
    chihuahua = int(imagenet_labels().names[151][1:])
    dog, animal, entity = (KINDS[kind][0] for kind in ("dog", "animal", "entity"))
    assert wordnet.above(chihuahua) == {chihuahua: 0, dog: 1, animal: 2, entity: 3}


def test_a_missing_file_is_named_with_the_package_that_has_it(tmp_path):
    for read in (read_wordnet, check_wordnet):
        with pytest.raises(DataError, match=r"data\.noun") as caught:
            read(tmp_path)
        assert "apt-get install wordnet-base" in caught.value.remedy


def test_other_files_of_these_names_are_refused(tmp_path):
    for name in ("data.noun", "index.noun", "noun.exc", "cntlist.rev"):
        (tmp_path / name).write_text("something else\n")
    with pytest.raises(DataError, match="no files of WordNet"):
        read_wordnet(tmp_path)


def test_a_complete_folder_passes(wordnet_folder):
    check_wordnet(wordnet_folder)
