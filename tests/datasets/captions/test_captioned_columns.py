import pytest

from imagist.datasets.captions.columns import choose, first_known, lacking, naming, plain_names


@pytest.mark.parametrize(
    ("names", "image", "captions"),
    [
        (["image", "caption"], "image", ("caption",)),
        (["Image Name", " Comment_Number", " Comment"], "Image Name", (" Comment",)),
        (["caption", "captions", "id", "file_name"], "file_name", ("captions",)),
        (["url", "text"], "url", ("text",)),
        (["caption_1", "caption_0", "Image"], "Image", ("caption_0", "caption_1")),
    ],
)
def test_columns_are_known_by_what_people_call_them(names, image, captions):
    columns = choose(names, (), "a.csv")
    assert (columns.image, columns.captions) == (image, captions)


def test_names_are_compared_without_case_and_punctuation():
    assert plain_names(["File Name", "file_name", "Größe [m]"]) == {"filename": "File Name", "größem": "Größe [m]"}
    assert first_known(("image", "filename"), plain_names(["File Name", "url"])) == "File Name"
    assert first_known(("image",), plain_names(["url"])) is None


@pytest.mark.parametrize(
    ("holding", "expected"),
    [((), None), (("image",), "path"), (("image", "path"), "image_id"), (("image", "path", "image_id"), None)],
)
def test_bytes_are_named_by_a_column_without_any(holding, expected):
    assert naming("image", plain_names(["image", "image_id", "path"]), holding) == expected


def test_the_error_of_missing_columns_lists_those_there_are():
    error = lacking(["column of images", "column 'de'"], ["a", "b"], "x.csv", "give them")
    assert str(error) == "x.csv: no column of images and no column 'de'; it has 'a', 'b' (give them)"
    assert "it has none" in str(lacking(["column of images"], [], "x.csv", "give one"))
