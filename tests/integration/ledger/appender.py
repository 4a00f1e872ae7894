"""Appends entries one after the other and says on stdout which are written; a process to kill.

python -m tests.integration.ledger.appender BOOTSTRAP TOPIC ID NAME FIRST COUNT
"""

from __future__ import annotations

import asyncio
import sys

from pipelines.core.ledger.entry import Draft, Kind
from pipelines.ledger.log import LedgerLog
from pipelines.ledger.read import wall_ms


async def run(bootstrap: str, topic: str, id_: str, name: str, first: int, count: int) -> None:
    log = LedgerLog(bootstrap, topic, id_, wall_ms)
    await log.start()
    for number in range(first, first + count):
        flag = f"{name}-{number}"
        draft = Draft(f"opened:{flag}", flag, Kind.OPENED, "clerk", "system")
        await log.append(lambda _, draft=draft: [draft])  # type: ignore[misc]
        assert f"opened:{flag}" in log.book.ids
        sys.stdout.write(f"{flag}\n")
        sys.stdout.flush()
    await log.stop()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:5], *map(int, sys.argv[5:7])))  # type: ignore[arg-type]
