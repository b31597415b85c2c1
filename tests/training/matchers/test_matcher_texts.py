"""The texts of a text tower, and their word pieces."""

from __future__ import annotations

import numpy as np

from imagist import settings
from imagist.training.captioners.class_names import ClassNames
from imagist.training.matchers.recipe import Data, Sentences
from imagist.training.matchers.texts import Texts, gather, name_sentences, vocabulary, wordnet_nouns

NAMES = ClassNames({"dog": "151-268"}, {}, {"thing": ("{a}",)}, names={"1": "small goldfish"})
PIECES = ["[PAD]", "[UNK]", "a", "dog", "##s", "q", "beach", "never", "photo"]


def test_each_name_and_word_is_in_sentences_of_its_owner():
    named = name_sentences(NAMES, ["pet", "beach"])
    assert len(named.texts) == len(named.owners)
    own = {text for text, owner in zip(named.texts, named.owners, strict=True) if owner == 1}
    assert {"small goldfish", "goldfish", "a photo of a carassius auratus"} <= own
    assert [named.owners[named.texts.index(word)] for word in ("pet", "beach")] == [1000, 1001]
    assert [*named.owners] == sorted(named.owners)


def test_everything_that_a_recipe_names_is_read_once(tmp_path, wordnet, words):
    (tmp_path / "said.txt").write_text("A dog runs on a beach.\nA cat sleeps.\n", "utf-8")
    (tmp_path / "phrases.txt").write_text("in the evening\n1,000 pixels\non a beach at night\n", "utf-8")
    data = Data((), words, NAMES, sentences=Sentences(("said.txt",), ("phrases.txt",), share=0.5))
    named = name_sentences(NAMES, ["pet"])
    found = gather(data, tmp_path, ["a man and a dog", "a man"], named, wordnet, PIECES, 3)
    copies = dict(zip(found.texts, found.copies, strict=True))
    assert len(copies) == len(found.texts)
    assert copies["A dog runs on a beach."] == copies["a man and a dog"] == 0.5
    assert copies["in the evening"] == copies["beach"] == copies["never"] == 1
    assert copies["pet"] == 2
    assert "1,000 pixels" not in copies
    assert [*map(len, found.texts)] == sorted(map(len, found.texts))
    again = gather(data, tmp_path, ["a man and a dog", "a man"], named, wordnet, PIECES, 3)
    assert again.texts == found.texts


def test_nouns_of_wordnet_can_be_seen(wordnet):
    found = wordnet_nouns(wordnet, {"old", "woman"})
    assert {"dog", "boat", "old woman", "goldfish"} <= {*found}
    assert "idea" not in found


def test_a_pass_reads_the_share_of_captions_and_names_twice():
    texts = Texts(tuple("abcdefghij"), np.array([0.4] * 5 + [1] * 3 + [2] * 2))
    one, other = (texts.drawn(np.random.default_rng(seed)) for seed in (0, 1))
    assert len(one) == len(other) == 2 + 3 + 4
    assert sorted(one[one > 4]) == [5, 6, 7, 8, 8, 9, 9]
    assert {*one[one < 5]} != {*other[other < 5]}


def test_pieces_that_occur_are_kept_with_short_ones():
    pieces, ids = vocabulary(["a dog", "dogs", "a a a a"], PIECES, 3)
    assert pieces == ["[PAD]", "[UNK]", "a", "dog", "##s", "q"]
    assert ids.tolist() == [[2, 3, 0], [3, 4, 0], [2, 2, 2]]


def test_the_shipped_words_are_valid(pytestconfig):
    from imagist.training.matchers.recipe import MatcherRecipe

    recipe = settings.read(pytestconfig.rootpath / "configs" / "embedded" / "matcher.toml", MatcherRecipe)
    everyday = recipe.data.class_names.everyday
    assert len({*recipe.data.words.groups, *everyday}) > 300
    assert [each.sources[0].without for each in recipe.data.named] == [{"source": "caltech101"}, {}]
    paths = [source.path for corpus in (*recipe.data.named, recipe.data.calibration) for source in corpus.sources]
    assert not [path for path in paths if "photos15" in path]
