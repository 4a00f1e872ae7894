"""Rounds: one run at a time of each key, and an end that leaves nothing running."""

from __future__ import annotations

import asyncio

from pipelines.agents.rounds import Rounds


def test_a_key_has_one_run_at_a_time_and_keys_do_not_wait() -> None:
    async def scene() -> list[str]:
        gate, done = asyncio.Event(), []

        async def work(name: str) -> None:
            await gate.wait()
            done.append(name)

        started = []
        rounds = Rounds(lambda c: started.append(asyncio.ensure_future(c)) or started[-1])
        assert rounds.begin("a", lambda: work("a"))
        assert not rounds.begin("a", lambda: work("a again"))
        assert rounds.begin("b", lambda: work("b"))
        gate.set()
        await asyncio.wait(started)
        await asyncio.sleep(0)
        assert rounds.begin("a", lambda: work("a later"))
        await rounds.end(1)
        return done

    assert asyncio.run(scene()) == ["a", "b", "a later"]


def test_a_run_that_fails_frees_its_key() -> None:
    async def scene() -> bool:
        async def fails() -> None:
            raise ValueError

        started = []
        rounds = Rounds(lambda c: started.append(asyncio.ensure_future(c)) or started[-1])
        rounds.begin("a", fails)
        await asyncio.wait(started)
        await asyncio.sleep(0)
        return rounds.begin("a", fails)

    assert asyncio.run(scene())


def test_the_end_waits_for_what_runs_and_begins_nothing_more() -> None:
    async def scene() -> list[str]:
        done = []

        async def work() -> None:
            await asyncio.sleep(0.02)
            done.append("whole")

        rounds = Rounds(asyncio.ensure_future)
        rounds.begin("a", work)
        await rounds.end(5)
        assert not rounds.begin("b", work)
        return done

    assert asyncio.run(scene()) == ["whole"]


def test_the_end_cuts_off_what_takes_too_long() -> None:
    async def scene() -> list[str]:
        seen = []

        async def hangs() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cut off")
                raise

        rounds = Rounds(asyncio.ensure_future)
        rounds.begin("a", hangs)
        await asyncio.sleep(0)
        await rounds.end(0.01)
        return seen

    assert asyncio.run(scene()) == ["cut off"]
