from __future__ import annotations

import threading

from imagist.images import hosts
from imagist.images.hosts import Hosts


class Clock:
    """A clock that sleeping moves."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.now += seconds


def made():
    clock = Clock()
    return clock, Hosts(lambda: clock.now, clock.sleep)


def test_requests_to_one_host_keep_their_distance():
    clock, found = made()
    for _ in range(3):
        found.wait("a", 10)
    found.wait("b", 10)
    assert clock.slept == [0.1, 0.1]


def test_nobody_waits_without_a_rate():
    clock, found = made()
    for _ in range(3):
        found.wait("a")
    assert clock.slept == []


def test_all_wait_where_a_host_asks_for_time():
    clock, found = made()
    found.hold("a", 5)
    found.hold("a", 2)
    found.wait("b")
    found.wait("a")
    assert clock.slept == [5]
    found.wait("a")
    assert clock.slept == [5]


def test_threads_share_the_turns():
    waits = []
    found = Hosts(lambda: 0.0, waits.append)
    threads = [threading.Thread(target=found.wait, args=("a", 4)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0.25, 0.5, 0.75]


def test_few_hosts_are_remembered(monkeypatch):
    monkeypatch.setattr(hosts, "MAX_HOSTS", 2)
    clock, found = made()
    for name in "abcdef":
        found.wait(name, 10)
        clock.now += 1
    assert len(found._free) <= 3
