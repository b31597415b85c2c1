"""Wrong arrays fail with a word before anything is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import chart_samples as made
from imagist.errors import UsageError
from imagist.metrics.classes import Reliability
from imagist.metrics.significance import Interval
from imagist.report.charts.validation import check_any, check_counts, check_flags, check_interval, check_shares

NAN = float("nan")


@pytest.mark.parametrize("values", [[0.5, NAN], [0.5, 1.01], [-0.1, 0], [0.5], [[0.5, 0.5]], ["a", "b"]])
def test_what_are_no_two_shares_is_refused(values):
    with pytest.raises(UsageError, match="accuracy must be"):
        check_shares("accuracy", np.array(values), (2,), item="bag")


def test_shares_counts_and_flags_pass():
    check_shares("accuracy", np.array([0, 1.0]), (2,), item="bag")
    check_shares("area", np.asarray(0.5), (), item="bag")
    check_counts("items", np.array([0, 7]), (2,), item="bag")
    check_flags("right", np.array([True, False]), (2,), item="bag")


@pytest.mark.parametrize("values", [[0.5, 1.0], [-1, 2], [1]])
def test_what_are_no_counts_is_refused(values):
    with pytest.raises(UsageError, match="items must be counts"):
        check_counts("items", np.array(values), (2,), item="bag")


def test_numbers_are_no_flags():
    with pytest.raises(UsageError, match="bag: right must be booleans"):
        check_flags("right", np.array([0, 1]), (2,), item="bag")


@pytest.mark.parametrize("interval", [Interval(0.5, 0.6, 0.7), Interval(0.9, 0.8, 1.1), Interval(NAN, 0, 1)])
def test_an_interval_holds_its_value(interval):
    with pytest.raises(UsageError, match="low <= value <= high"):
        check_interval("the mean", interval, item="bag")


def test_nothing_is_refused_with_its_name():
    with pytest.raises(UsageError, match="there are no sweeps to draw"):
        check_any("sweeps", [])


@pytest.mark.parametrize(
    ("record", "wrong", "message"),
    [
        (made.curves(), {"train": ()}, "need a fold"),
        (made.curves(), {"train": (np.empty(0),), "validation": ()}, "each fold an epoch"),
        (made.curves(), {"validation": made.curves().validation[:2]}, "3 folds, 2 validated"),
        (made.curves(), {"validation": made.curves().validation[::-1]}, r"validation accuracy must be \[6\]"),
        (made.trials(), {"accuracy": np.empty(0)}, "needs a fold"),
        (made.trials(), {"mean": Interval(0.5, 0.6, 0.7)}, "the mean"),
        (made.sweep(), {"weights": np.linspace(0.1, 1, 11)}, "ascend from 0 to 1"),
        (made.sweep(), {"weights": np.linspace(1, 0, 11)}, "ascend from 0 to 1"),
        (made.sweep(), {"low": np.ones(11)}, "between low and high"),
        (made.sweep(), {"accuracy": np.ones(3)}, r"accuracy must be \[11\]"),
        (made.category_errors(), {"systems": ()}, "errors of 0 systems"),
        (made.category_errors(), {"top5": np.zeros((3, 2))}, "top5"),
        (made.category_errors(), {"unreachable": np.zeros((2, 3))}, "unreachable must be booleans"),
        (made.category_errors(), {"counts": np.array([1.5, 2, 3])}, "counts"),
        (made.system(), {"accuracy": Interval(0.5, 0.6, 0.7)}, "accuracy must have"),
        (made.confusion(), {"labels": ()}, "needs a class"),
        (made.confusion(), {"counts": np.eye(2, dtype=int)}, "confusion matrix must be counts"),
        (made.calibration(), {"before": Reliability(np.zeros(3), np.zeros(3), np.zeros(3, int))}, "needs items"),
        (made.calibration(), {"after": Reliability(np.full(3, NAN), np.zeros(3), np.ones(3, int))}, "confidence"),
        (made.risk(), {"coverage": np.full(30, 0.5)}, "must ascend"),
        (made.risk(), {"coverage": np.empty(0), "risk": np.empty(0)}, "must ascend"),
        (made.risk(), {"chosen": (0.5, NAN)}, "the chosen point"),
        (made.risk(), {"area": 2.0}, "the area"),
        (made.text_vs_image(), {"targets": made.text_vs_image().targets + 1}, r"integers 0\.\.3"),
        (made.text_vs_image(), {"text": made.text_vs_image().text.astype(float)}, "text must be booleans"),
        (made.example(), {"pixels": np.zeros((0, 4, 3), np.uint8)}, "pixels must be uint8"),
        (made.example(), {"pixels": np.zeros((4, 4, 3))}, "pixels must be uint8"),
    ],
)
def test_records_refuse_what_cannot_be_drawn(record, wrong, message):
    with pytest.raises(UsageError, match=message):
        replace(record, **wrong)
