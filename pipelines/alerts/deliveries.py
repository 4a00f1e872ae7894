"""Who delivers: one deliverer a receiver, by the file of receivers as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from pipelines.alerts import metrics, receivers
from pipelines.alerts.deliver import Deliverer
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.receivers import Receiver

log = structlog.get_logger("livewatch.alerts")
_LOOK_S = 2.0


class Deliveries:
    """`receivers` is one list for all who route: it is changed in place when the file changes.

    What is owed to a receiver that has left the file stays owed, and goes out should it come back.
    One that is new is told of what is flagged from then on. A file that is wrong changes nothing.
    """

    def __init__(
        self, file: Path | None, make: Callable[[Receiver], Deliverer], look_s: float = _LOOK_S
    ) -> None:
        """Raises AlertsError."""
        self.receivers = receivers.load(file) if file else []
        self._file, self._make, self._look_s = file, make, look_s
        self._seen = self._stamp()
        self._working: dict[Receiver, tuple[Deliverer, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until cancelled, or until a deliverer fails."""
        try:
            while True:
                self._look()
                self._align()
                tasks = [task for _, task in self._working.values()]
                if not tasks:
                    await asyncio.sleep(self._look_s)
                    continue
                ended, _ = await asyncio.wait(
                    tasks, timeout=self._look_s, return_when=asyncio.FIRST_COMPLETED
                )
                for task in ended:
                    task.result()
        finally:
            tasks = [task for _, task in self._working.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        for deliverer, _ in self._working.values():
            deliverer.wake.set()

    def _look(self) -> None:
        """Take the file where it has changed."""
        if self._file is None or (stamp := self._stamp()) == self._seen:
            return
        self._seen = stamp
        try:
            self.receivers[:] = receivers.load(self._file)
        except AlertsError as error:
            metrics.WRONG.set(1)
            log.error("the file of receivers stays as it was", why=str(error))
            return
        metrics.WRONG.set(0)
        log.info("receivers", names=[one.name for one in self.receivers])

    def _align(self) -> None:
        """A deliverer for each receiver as it is; one that has changed has another."""
        for gone in self._working.keys() - set(self.receivers):
            self._working.pop(gone)[1].cancel()
        for receiver in self.receivers:
            if receiver not in self._working:
                deliverer = self._make(receiver)
                self._working[receiver] = (deliverer, asyncio.create_task(deliverer.run()))

    def _stamp(self) -> tuple[int, int, int] | None:
        """Tells one state of the file from the next; None while it is away."""
        try:
            at = self._file.stat() if self._file else None
        except OSError:
            return None
        return (at.st_ino, at.st_mtime_ns, at.st_size) if at else None
