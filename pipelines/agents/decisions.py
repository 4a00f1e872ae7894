"""What people decided about flags, as far as the stream counts flags: asked for now and then."""

from __future__ import annotations

import faust

from pipelines.agents.owned import Owned
from pipelines.agents.rollup import RollupStage
from pipelines.sinks.overturned import overturned
from pipelines.sinks.warehouse import Warehouse

EVERY_S = 30.0


def follow_decisions(app: faust.App, warehouse: Warehouse, owned: Owned) -> None:
    """A task of the app: the second stage learns within half a minute what was overturned."""

    async def follow() -> None:
        while not app.should_stop:
            await app.sleep(EVERY_S)
            stages = [one.stage for one in owned.values() if isinstance(one.stage, RollupStage)]
            found = await overturned(warehouse) if stages else frozenset()
            for stage in stages:
                stage.overturned(found)

    app.task(follow)
