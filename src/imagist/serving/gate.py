"""Lets the items of many requests through in turns, so that a large request does not hold up small ones."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable


class FairGate:
    """Admits a bounded number of items at a time, one of each waiting request after the other.

    All calls come from one event loop.

    Args:
        capacity: Items inside at a time, >= 1.
    """

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Items that wait."""
        return sum(map(len, self._waiting.values()))

    async def enter(self, request: Hashable) -> None:
        """Waits for a place. A cancelled item costs nobody a place.

        Args:
            request: Whose item it is.
        """
        if self._free and not self._waiting:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # admitted and cancelled in the same moment
                self.leave()
            else:
                self._forget(request, place)
            raise

    def leave(self) -> None:
        """Gives a place back: the next item of the request whose turn it is gets it."""
        self._free += 1
        while self._free and self._waiting:
            request, places = self._waiting.popitem(last=False)
            place = places.popleft()
            if places:
                self._waiting[request] = places
            if not place.done():
                self._free -= 1
                place.set_result(None)

    def _forget(self, request: Hashable, place: asyncio.Future[None]) -> None:
        places = self._waiting.get(request)
        if places and place in places:
            places.remove(place)
            if not places:
                del self._waiting[request]
