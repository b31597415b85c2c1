"""How numbers and names are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.report.formatting import folded, p_value, plain, points, shortened, with_interval

ANY = st.text(st.characters(codec=None), max_size=80)


@given(ANY)
def test_plain_text_is_one_printable_line_and_stays_so(text):
    line = plain(text)
    assert line.isprintable()
    assert line == plain(line)
    assert line.encode("utf-8").decode("utf-8") == line


def test_plain_keeps_what_can_be_read():
    assert plain("  a\n dog\t<b> \x00\x1b\ufffe & 狗 \u202ex ") == "a dog <b> & 狗 x"
    assert plain("caf\udce9") == "caf\\udce9"


@given(ANY, st.integers(3, 40))
def test_short_text_stays_and_long_text_keeps_both_ends(text, most):
    line, cut = plain(text), shortened(text, most)
    assert len(cut) <= most
    if len(line) <= most:
        assert cut == line
    else:
        head, tail = cut.rsplit("…", 1) if "…" not in line else (line[:1], line[-1:])
        assert line.startswith(head)
        assert line.endswith(tail)


def test_names_that_differ_at_their_ends_still_differ():
    assert shortened("blip-large + bert + b0", 12) == "blip-l…+ b0"
    assert shortened("blip-large + bert + b1", 12) == "blip-l…+ b1"


@given(ANY, st.integers(5, 40), st.integers(1, 3))
def test_folded_text_fits(text, width, lines):
    found = folded(text, width, lines).split("\n")
    assert len(found) <= lines
    assert max(map(len, found)) <= width


def test_folding_breaks_at_spaces_and_hyphens():
    assert folded("captioning-large + bag", 12) == "captioning-\nlarge + bag"
    assert folded("one two three four five", 9) == "one two\nthre…five"
    assert folded("", 9) == ""


@pytest.mark.parametrize(
    ("share", "sign", "said"),
    [
        (0.976, False, "97.6"), (1, False, "100.0"), (0, True, "+0.0"), (-0.00001, False, "0.0"),
        (-0.0123, True, "−1.2"), (0.05, True, "+5.0"),
    ],
)  # fmt: skip
def test_shares_are_reported_times_100(share, sign, said):
    assert points(share, sign=sign) == said


def test_intervals_stand_in_brackets():
    assert with_interval(Interval(0.612, 0.5804, 0.64)) == "61.2 [58.0, 64.0]"
    assert with_interval(Interval(0.01, -0.002, 0.022), sign=True) == "+1.0 [−0.2, +2.2]"


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0, "<0.001"), (0.00099, "<0.001"), (0.001, "0.001"), (0.0449, "0.045"), (0.2, "0.20"), (0.997, "0.99"),
        (1, "1"),
    ],
)  # fmt: skip
def test_p_values_are_rounded_but_never_to_certainty(p, said):
    assert p_value(p) == said


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(UsageError, match="between 0 and 1"):
        p_value(p)
