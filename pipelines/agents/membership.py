"""Whether this process still belongs to a generation of the group: the broker's word, not ours.

A worker that was paused does not know that the group has moved on. Its own generation number says
so only once a heartbeat has failed; until then it would send on what its successor decides anew.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust

_AGAIN_S = 0.1


async def confirmed(app: faust.App, generation: int) -> bool:
    """Ask the group's coordinator; waits while it does not answer. False once we have moved.

    True means that at that moment nobody else had been given our partitions: the coordinator
    gives them out with a higher generation only.
    """
    while app.consumer_generation_id == generation:
        thread: Any = app.consumer._thread  # type: ignore[attr-defined]
        if await thread.call_thread(_ask, thread, generation):
            return bool(app.consumer_generation_id == generation)
        await asyncio.sleep(_AGAIN_S)
    return False


async def _ask(thread: Any, generation: int) -> bool:
    coordinator = thread._ensure_consumer()._coordinator
    # While the group rebalances the coordinator says so and keeps our generation: that is a yes.
    return coordinator.generation == generation and bool(await coordinator._do_heartbeat())
