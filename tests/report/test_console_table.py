from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console

from imagist.errors import CorruptImage
from imagist.records import Caption, Failure, Hypothesis, LabelSet, Prediction
from imagist.report.console_table import add_caption, add_prediction, captioned_table, classified_table, show
from imagist.report.terminal import printable

LABELS = LabelSet(("cat", "dog", "food"))
LONG = "photos/" + "very-long-folder-name/" * 8 + "cat.jpg"


def row(*values):
    return np.array(values, np.float32)


def prediction(abstained=False, caption="a cat on a mat"):
    scores = row(0.6, 0.3, 0.1), row(0.2, 0.7, 0.1), row(0.8, 0.1, 0.1)
    return Prediction("a.jpg", Caption(caption, -1.5), LABELS, *scores, abstained)


def shown(table, **options):
    file = io.StringIO()
    show(table, Console(file=file, **options))
    return file.getvalue()


def test_a_row_has_the_caption_the_category_and_both_opinions():
    table = classified_table()
    add_prediction(table, "a.jpg", prediction())
    assert "a.jpg a cat on a mat cat 0.60 dog 0.70 cat 0.80" in " ".join(shown(table).split())


def test_the_most_probable_categories_are_listed_best_first():
    table = classified_table(2)
    add_prediction(table, "a.jpg", prediction(), top=2)
    text = shown(table)
    assert "2 most probable categories" in text
    assert text.index("cat 0.60") < text.index("dog 0.30")
    assert "food" not in text


def test_who_abstains_is_undecided():
    table = classified_table()
    add_prediction(table, "a.jpg", prediction(abstained=True))
    assert "undecided" in shown(table)


@pytest.mark.parametrize("add", [add_prediction, add_caption])
def test_a_failure_tells_why(add):
    table = classified_table() if add is add_prediction else captioned_table()
    add(table, "a.jpg", Failure("a.jpg", CorruptImage("is cut short")))
    assert "corrupt_image: is cut short" in shown(table)


def test_captions_list_their_hypotheses():
    table = captioned_table()
    add_caption(table, "a.jpg", Caption("a cat", -1.5, nbest=(Hypothesis("a cat", -1.5), Hypothesis("the cat", -2.25))))
    add_caption(table, "b.jpg", Caption("a dog", -3.0))
    text = shown(table)
    assert "the cat" in text
    assert "-2.25" in text
    assert "-3.00" in text


def test_outside_a_terminal_nothing_is_cut_or_folded():
    table = classified_table()
    add_prediction(table, LONG, prediction(caption="a cat " * 40))
    assert any(LONG in line and ("a cat " * 40).strip() in line for line in shown(table, width=80).splitlines())


def test_a_terminal_folds_and_loses_no_letter():
    table = classified_table()
    add_prediction(table, LONG, prediction())
    text = re.sub(r"\x1b\[[\d;]*m", "", shown(table, width=80, force_terminal=True, legacy_windows=False))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text
    cells = [line.split("│")[1].strip() for line in text.splitlines() if "│" in line]
    assert LONG in "".join(cells)


def test_names_cannot_steer_the_terminal_or_the_markup():
    assert printable("a\x1b[31m\n\udcff é🐈") == "a\\x1b[31m\\n\\udcff é🐈"
    table = classified_table()
    add_prediction(table, "[red]a\x1b[31m.jpg", prediction(caption="[bold]\x07"))
    text = shown(table)
    assert "[red]a\\x1b[31m.jpg" in text
    assert "[bold]\\x07" in text
