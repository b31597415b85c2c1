import pytest
from captioned_sets import sets, write_tokens
from hypothesis import given

from imagist.datasets.captions import read
from imagist.datasets.formats.flickr import split_token_line
from imagist.errors import DataError


@given(records=sets())
def test_round_trip(tmp_path_factory, records):
    path = write_tokens(tmp_path_factory.mktemp("tokens") / "results_20130124.token", records)
    assert read(path, check_images=False) == records


def test_the_published_layout(tmp_path):
    path = tmp_path / "Flickr8k.token.txt"
    path.write_bytes(
        b"1000268201_693b08cb0e.jpg#0\tA child in a pink dress is climbing up a set of stairs .\r\n"
        b"1000268201_693b08cb0e.jpg#1\tA girl going into a wooden building . \r\n"
        b"\r\n"
        b"2258277193_586949ec62.jpg.1#0\tsome  people\r\n"
    )
    first, second = read(path, check_images=False)
    assert first.image == "1000268201_693b08cb0e.jpg"
    assert first.captions == (
        "A child in a pink dress is climbing up a set of stairs .",
        "A girl going into a wooden building .",
    )
    assert (second.image, second.captions, second.split) == ("2258277193_586949ec62.jpg.1", ("some people",), None)


def test_sentences_of_an_image_may_lie_apart(tmp_path):
    (tmp_path / "t.txt").write_text("a.jpg#0\tone\nb.jpg#0\ttwo\na.jpg#1\tthree\n")
    assert [(r.image, r.captions) for r in read(tmp_path / "t.txt", check_images=False)] == [
        ("a.jpg", ("one", "three")),
        ("b.jpg", ("two",)),
    ]


def test_all_faults_are_named_with_their_lines(tmp_path):
    (tmp_path / "t.txt").write_bytes(
        b"a.jpg#0\tone\nno tab\n#1\tno name\na.jpg#x\tno number\na.jpg#0\tagain\nb#0\t\xff\n"
    )
    with pytest.raises(DataError, match=r"t\.txt: 5 faults") as error:
        read(tmp_path / "t.txt", check_images=False)
    text = str(error.value)
    assert all(f"line {n} is not IMAGE#NUMBER" in text for n in (2, 3, 4))
    assert "line 5 repeats a.jpg#0" in text
    assert "line 6 has a byte 0xff that is not UTF-8" in text


def test_an_empty_sentence_is_left_for_check(tmp_path):
    (tmp_path / "t.txt").write_text("a.jpg#0\t\na.jpg#1\tone\n")
    assert read(tmp_path / "t.txt", check_images=False)[0].captions == ("", "one")


def test_languages_are_refused(tmp_path):
    (tmp_path / "t.txt").write_text("a.jpg#0\tone\n")
    with pytest.raises(DataError, match="format tokens, which has no translations; de asked for"):
        read(tmp_path / "t.txt", check_images=False, languages=["de"])


@pytest.mark.parametrize("line", ["image,caption", "a.jpg\tone", "a.jpg#\tone", "a.jpg#²\tone", "a.jpg#1 one", "#1\tx"])
def test_what_is_no_token_line(line):
    assert split_token_line(line) is None


def test_a_name_may_hold_marks(tmp_path):
    (tmp_path / "t.txt").write_text("[a]#b #2.jpg#11\tone #3\ttwo\n")
    (record,) = read(tmp_path / "t.txt", check_images=False)
    assert (record.image, record.captions) == ("[a]#b #2.jpg", ("one #3 two",))
