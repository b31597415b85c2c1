from __future__ import annotations

from imagist.engine.estimate import Estimate
from imagist.engine.sampling import drawn
from imagist.records import Row


def test_an_estimate_in_words():
    found = Estimate(images=3_600_000, measured=200, rate=100.0, memory=1_500_000_000)
    assert found.seconds == 36_000
    assert found.lines(2) == [
        "3,600,000 inputs",
        "100.0 images/s, measured on 200 of them",
        "about 10.0 hours on this machine",
        "1.5 GB of memory",
        "costs about 20.00 at 2 an hour",
    ]
    assert Estimate(100, 10, 50.0, None).lines()[2:] == ["about 2 seconds on this machine"]


def test_a_sample_is_uniform_in_order_and_the_same_by_its_seed():
    rows = [Row(str(n)) for n in range(20)]
    counts = dict.fromkeys(range(20), 0)
    for seed in range(600):
        sample, number = drawn(rows, 5, seed)
        found = [int(row.source) for row in sample]
        assert number == 20
        assert found == sorted(found)
        for n in found:
            counts[n] += 1
    assert min(counts.values()) > 100
    assert max(counts.values()) < 200
    assert [row.source for row in drawn(rows, 5, 3)[0]] == [row.source for row in drawn(rows, 5, 3)[0]]
    assert [row.source for row in drawn(rows, 50, 0)[0]] == [row.source for row in rows]
