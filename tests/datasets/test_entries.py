import pytest

from imagist.datasets.entries import Entry


def entry(image, held=False):
    return Entry("row 7", image, (), held=held)


def test_beside_the_file_where_it_is_there(tmp_path):
    (tmp_path / "a.jpg").touch()
    path = tmp_path / "captions.csv"
    assert entry("a.jpg").located(path, None) == str(tmp_path / "a.jpg")
    assert entry("./a.jpg").located(path, None) == f"{tmp_path}/./a.jpg"
    assert entry("b.jpg").located(path, None) == "b.jpg"


def test_in_the_folder_that_is_given_whether_or_not_it_is_there():
    assert entry("a.jpg").located("x/captions.csv", "images") == "images/a.jpg"
    assert entry("/else/a.jpg").located("x/captions.csv", "images") == "/else/a.jpg"


@pytest.mark.parametrize("given", [entry("https://example.org/a.jpg"), entry("a.jpg", held=True)])
def test_addresses_and_names_of_what_is_held_stay(given):
    assert given.located("x/captions.csv", "images") == given.image


def test_without_a_name_by_file_and_row():
    assert entry("a.jpg").address("x/a.parquet") == "x/a.parquet#7"
    assert entry("", held=True).located("x/a.parquet", None) == "x/a.parquet#7"
