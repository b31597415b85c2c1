import pytest
from captioned_sets import sets
from hypothesis import assume, given

from imagist.datasets import labels
from imagist.datasets.captions import read
from imagist.datasets.source import Source
from imagist.errors import DataError

HEADER = "image_name| comment_number| comment\n"


@given(records=sets())
def test_round_trip(tmp_path_factory, records):
    assume(not any("|" in r.image for r in records))
    path = tmp_path_factory.mktemp("bars") / "results.csv"
    lines = [f"{r.image}| {i}| {caption}\n" for r in records for i, caption in enumerate(r.captions)]
    path.write_text(HEADER + "".join(lines), "utf-8")
    assert read(path, check_images=False) == records


def test_the_published_layout_and_its_one_line_without_a_bar(tmp_path):
    (tmp_path / "results.csv").write_text(
        HEADER + '1.jpg| 0| A " quote , a comma .\n1.jpg| 1| a | bar\n'
        "2199200615.jpg| 4   A dog runs across the grass .\n"
    )
    assert [(r.image, r.captions) for r in read(tmp_path / "results.csv", check_images=False)] == [
        ("1.jpg", ('A " quote , a comma .', "a | bar")),
        ("2199200615.jpg", ("A dog runs across the grass .",)),
    ]


def test_faults_have_their_lines(tmp_path):
    (tmp_path / "r.csv").write_text(HEADER + "1.jpg\n\n2.jpg| 3\n| 1| x\n3.jpg| 0| fine\n")
    with pytest.raises(DataError, match="3 faults") as error:
        read(tmp_path / "r.csv", check_images=False)
    text = str(error.value)
    assert "line 2 has 1 cells under 3" in text
    assert "line 4 has 2 cells under 3" in text
    assert "line 5: column 'image_name' is empty" in text


def test_a_table_with_bars_and_labels_is_no_file_of_captions(tmp_path):
    (tmp_path / "a.csv").write_text('image|caption|label\nx.jpg|"one | two"|cat\n')
    assert labels.read(Source(tmp_path / "a.csv"), check_images=False)[0].label == "cat"
    assert read(tmp_path / "a.csv", check_images=False)[0].captions == ("one | two",)


def test_a_bar_in_a_header_of_commas_does_not_count(tmp_path):
    (tmp_path / "a.csv").write_text("image,caption,a|b,c\nx.jpg,one,2,3\n")
    assert read(tmp_path / "a.csv", check_images=False)[0].captions == ("one",)
