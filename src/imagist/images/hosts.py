"""Turns at hosts on the web: requests to one host keep their distance, and wait where it asks for time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MAX_HOSTS = 100_000
"""Hosts that are remembered; when there are more, those whose turn is over are forgotten."""


class Hosts:
    """The next turn at each host; threads share it.

    Args:
        now: A clock, in seconds.
        sleep: Waits for seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._now, self._sleep = now, sleep
        self._lock = threading.Lock()
        self._free: dict[str, float] = {}  # when a request may be made next

    def wait(self, host: str, rate: float | None = None) -> None:
        """Waits for a turn at a host.

        Args:
            host: Its name and port.
            rate: Requests a second to it, at most; None waits only while it asked for time.
        """
        with self._lock:
            now = self._now()
            turn = max(now, self._free.get(host, now))
            if rate is not None:
                self._free[host] = turn + 1 / rate
            if len(self._free) > MAX_HOSTS:
                self._free = {name: free for name, free in self._free.items() if free > now}
        if turn > now:
            self._sleep(turn - now)

    def hold(self, host: str, seconds: float) -> None:
        """Lets nobody ask a host for some seconds."""
        with self._lock:
            now = self._now()
            self._free[host] = max(self._free.get(host, now), now + seconds)


HOSTS = Hosts()
"""Those of this process."""
