from __future__ import annotations

import asyncio

import pytest

from imagist.serving.gate import FairGate


def test_requests_take_turns():
    async def run():
        gate, order = FairGate(1), []

        async def item(request, number):
            await gate.enter(request)
            order.append((request, number))
            await asyncio.sleep(0)
            gate.leave()

        await gate.enter("first")
        tasks = [asyncio.create_task(item("large", n)) for n in range(5)]
        tasks += [asyncio.create_task(item("small", 0)), asyncio.create_task(item("other", 0))]
        await asyncio.sleep(0)
        assert gate.waiting == 7
        gate.leave()
        await asyncio.gather(*tasks)
        return order

    order = asyncio.run(run())
    assert order[:3] == [("large", 0), ("small", 0), ("other", 0)]
    assert [number for request, number in order if request == "large"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("capacity", [1, 3])
def test_no_more_are_inside_than_it_has_places(capacity):
    async def run():
        gate, inside, most = FairGate(capacity), 0, 0

        async def item(request):
            nonlocal inside, most
            await gate.enter(request)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            gate.leave()

        await asyncio.gather(*(item(n % 4) for n in range(20)))
        return most

    assert asyncio.run(run()) == capacity


def test_the_cancelled_take_no_place():
    async def run():
        gate = FairGate(1)
        await gate.enter("a")
        waiting = [asyncio.create_task(gate.enter(name)) for name in ("b", "b", "c")]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        gate.leave()
        waiting[1].cancel()  # admitted already, but it does not know yet
        await asyncio.sleep(0)
        await asyncio.wait_for(waiting[2], 1)
        assert gate.waiting == 0
        gate.leave()
        await asyncio.wait_for(gate.enter("d"), 1)

    asyncio.run(run())
