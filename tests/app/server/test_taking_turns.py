"""One owner waits for himself, and for nobody else."""

import asyncio

from rsvlm.app.server.taking_turns import Turns


def test_an_owner_has_so_many_turns() -> None:
    async def run() -> tuple[int, list[str]]:
        turns, now, most, order = Turns(2), 0, 0, list[str]()

        async def work(owner: str) -> None:
            nonlocal now, most
            async with turns.turn(owner):
                now += owner == "ann"
                most = max(most, now)
                await asyncio.sleep(0.01)
                now -= owner == "ann"
                order.append(owner)

        await asyncio.gather(*(work("ann") for _ in range(6)), work("bob"))
        assert turns._owners == {}
        return most, order

    most, order = asyncio.run(run())
    assert most == 2
    assert order.index("bob") <= 2  # though he came last


def test_a_turn_is_given_back_by_who_gives_up() -> None:
    async def run() -> None:
        turns = Turns(1)

        async def work() -> None:
            async with turns.turn("ann"):
                await asyncio.sleep(60)

        tasks = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns._owners == {}
        async with turns.turn("ann"):
            pass

    asyncio.run(run())
