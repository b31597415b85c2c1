"""What the folder of a training says of it."""

from __future__ import annotations

import json

import pytest

from run_records import gain, languages, minutes, training_minutes

LOG = """\
10:00:00 grids of 6000 photos 512/6000    80.0 items/s  1.0 min left
10:02:00 grids of 6000 photos 6000/6000    80.0 items/s  0.0 min left
10:03:00 cross_entropy 100/400  loss 4  100.0 items/s  3.0 min left
10:05:00 cross_entropy 200/400  loss 3  100.0 items/s  2.0 min left
10:06:00 dev at step 200  cider 0.5  bleu_4 0.1
Traceback (most recent call last):
14:00:00 cross_entropy 210/400  loss 3  100.0 items/s  2.0 min left
14:04:00 cross_entropy 400/400  loss 3  100.0 items/s  0.0 min left
14:05:00 dev at step 400  cider 0.6  bleu_4 0.1
14:05:30 dev at step 0  cider 0.6  bleu_4 0.1
14:08:30 self_critical 10/10  reward 0.1  100.0 items/s  0.0 min left
14:09:00 dev at step 10  cider 0.7  bleu_4 0.1
"""


def test_minutes_are_counted_by_phase_without_breaks():
    assert minutes(LOG) == pytest.approx({"grids": 2.0, "cross_entropy": 4.0 + 5.0, "self_critical": 4.0})


def test_a_training_that_runs_past_midnight():
    assert minutes("23:59:00 cross_entropy 1/9  loss 1\n00:01:00 cross_entropy 2/9  loss 1\n") == {"cross_entropy": 2.0}


def test_an_empty_log_has_no_minutes():
    assert minutes("") == {}


def test_a_single_session_takes_the_minutes_that_the_log_lacks(tmp_path):
    (tmp_path / "train.log").write_text(LOG)
    assert training_minutes(tmp_path, {"minutes_this_session": 1.0}) == pytest.approx(
        {"cross_entropy": 9.0, "self_critical": 4.0}
    )
    assert training_minutes(tmp_path, {"minutes_this_session": 18.0}) == pytest.approx(
        {"cross_entropy": 12.0, "self_critical": 4.0}
    )


def test_a_run_without_a_log_has_its_session(tmp_path):
    assert training_minutes(tmp_path, {"minutes_this_session": 7.0}) == {"cross_entropy": 7.0}


def test_the_gain_is_from_the_first_evaluation_to_the_best(tmp_path):
    assert gain(tmp_path) is None
    told = [{"step": 0, "cider": 0.6}, {"step": 200, "cider": 0.7}, {"step": 400, "cider": 0.65}]
    (tmp_path / "self_critical.jsonl").write_text("\n".join(map(json.dumps, told)))
    assert gain(tmp_path) == pytest.approx((60.0, 70.0))


def test_languages_are_compared_by_one_reference():
    one, five, german = {"value": 0.3}, {"value": 0.6}, {"value": 0.2}
    dev = {"en": {"CIDEr": five}, "en, one reference": {"CIDEr": one}, "de": {"CIDEr": german}}
    assert languages({"dev": dev}) == {"en": one, "de": german}
    assert languages({"dev": {"en": {"CIDEr": five}}}) == {}
