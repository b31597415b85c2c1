"""Phrase tables are read as clip-interrogator words them, and lists of one's own as they are."""

from __future__ import annotations

import gzip
import sys

import pytest

from imagist.errors import MissingExtra, UsageError
from imagist.matching.phrases import PhraseTables, open_tables


def test_the_embedded_table_ships():
    tables = open_tables()
    flavors = tables.of("flavors")
    assert tables.phrases.keys() == {"flavors"}
    assert len(flavors) == len({*flavors}) == len(tables) > 4500
    assert {"dog", "red umbrella", "riding a skateboard", "on the beach"} <= {*flavors}
    assert all(phrase == " ".join(phrase.split()).lower() for phrase in flavors)


def test_the_embedded_table_guesses_at_no_person():
    words = {word for phrase in open_tables().of("flavors") for word in phrase.split()}
    assert words.isdisjoint({"man", "woman", "men", "women", "boy", "girl", "child", "baby", "old", "young", "asian"})


def test_a_list_of_ones_own(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"\xef\xbb\xbfcollapsed  building\r\n\n flooded street\r\ncollapsed building\n")
    assert open_tables([tmp_path / "mine.txt"]).phrases == {"flavors": ("collapsed building", "flooded street")}
    (tmp_path / "mine.txt.gz").write_bytes(gzip.compress("été\n".encode()))
    assert open_tables([tmp_path / "mine.txt.gz"]).of("flavors") == ("été",)


def test_a_list_in_another_encoding_or_damaged_is_refused(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes("caf\u00e9".encode("utf-16"))
    assert open_tables([path]).of("flavors") == ("caf\u00e9",)
    path.write_bytes(b"a beach\ncaf\xe9\n")
    with pytest.raises(UsageError, match=r"mine\.txt: line 2 has a byte 0xe9 that is not UTF-8 \(save it as UTF-8\)"):
        open_tables([path])
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"a beach\n" * 9)[:-9])
    with pytest.raises(UsageError, match="cannot be read"):
        open_tables([tmp_path / "cut.txt.gz"])


def test_a_folder_of_the_classic_tables(tmp_path):
    texts = {"artists": "Monet\nManet\n", "flavors": "oil\n", "mediums": "a photo\n", "negative": "blurry\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "places.txt").write_text("a beach\noil\n")
    tables = open_tables([tmp_path])
    assert tables.of("artists") == ("by Monet", "by Manet", "inspired by Monet", "inspired by Manet")
    assert tables.of("flavors") == ("oil", "a beach")
    assert tables.of("movements") == ()
    assert len(tables.of("trendings")) == 72
    assert "trending on Artstation" in tables.of("trendings")


def test_tables_are_merged_by_role_and_their_id_says_so(tmp_path):
    (tmp_path / "one.txt").write_text("a\nb\n")
    (tmp_path / "two.txt").write_text("b\nc\n")
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    both = open_tables([one, two])
    assert both.of("flavors") == ("a", "b", "c")
    assert both.id == PhraseTables({"flavors": ("a", "b", "c")}).id
    assert len({both.id, open_tables([one]).id, PhraseTables({"negative": ("a", "b", "c")}).id}) == 3


@pytest.mark.parametrize("name", ["missing", "missing.txt", "missing.txt.gz"])
def test_a_table_that_is_not_there(name, tmp_path):
    with pytest.raises(UsageError) as caught:
        open_tables([tmp_path / name])
    assert name in str(caught.value)


def test_tables_without_a_phrase(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\n")
    for name in (tmp_path / "empty.txt", tmp_path):
        with pytest.raises(UsageError, match="no phrase"):
            open_tables([name])
    (tmp_path / "empty.txt").rename(tmp_path / "notes.md")
    with pytest.raises(UsageError, match=r"no \.txt"):
        open_tables([tmp_path])


def test_the_tables_of_an_installed_clip_interrogator(tmp_path, monkeypatch):
    package = tmp_path / "clip_interrogator"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (package / "data" / "flavors.txt").write_text("oil\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert open_tables(["clip-interrogator"]).of("flavors") == ("oil",)
    assert "clip_interrogator" not in sys.modules


def test_without_clip_interrogator_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setattr("imagist.matching.phrases.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="pip install"):
        open_tables(["clip-interrogator"])
