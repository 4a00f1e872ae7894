"""From a fault to closed minutes being where they should be again: a thread that asks ClickHouse.

Readers' truth is the yardstick: the last closed minute of the cells, against the event time that
the load has reached. Where a fault comes before the last one is over, both are told: the time from
the first of them on, and that from the last one on, in which nothing more was broken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from deploy.check.warehouse import Warehouse

_EVERY_S = 0.5


@dataclass
class RecoveryClock:
    """What is over when. Pure: time is passed in, in seconds; lags are event time, in seconds."""

    slack_s: float
    usual_s: float | None = None
    since: float | None = None
    last: float = 0.0
    times: list[float] = field(default_factory=list)
    calm_times: list[float] = field(default_factory=list)

    def fault(self, now: float) -> None:
        self.last = now
        if self.since is None:
            self.since = now

    def seen(self, lag_s: float, now: float) -> None:
        """The lag was measured; before the first fault it is what is usual."""
        if self.since is None:
            if not self.times:
                self.usual_s = max(self.usual_s or 0.0, lag_s)
            return
        if lag_s <= (self.usual_s or 0.0) + self.slack_s:
            self._over(now)

    def _over(self, now: float) -> None:
        self.times.append(now - (self.since or now))
        self.calm_times.append(now - self.last)
        self.since = None


class Watch:
    """Measures the lag twice a second. `event_ms` tells the event time of the load."""

    def __init__(
        self, warehouse: Warehouse, event_ms: Callable[[], int], clock: RecoveryClock
    ) -> None:
        self._warehouse, self._event_ms, self.clock = warehouse, event_ms, clock
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.lag_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(10)

    def fault(self) -> None:
        with self._lock:
            self.clock.fault(time.monotonic())

    def _run(self) -> None:
        while not self._ending.wait(_EVERY_S):
            self.lag_s = self._lag()
            if self.lag_s is not None:
                with self._lock:
                    self.clock.seen(self.lag_s, time.monotonic())

    def _lag(self) -> float | None:
        """None while ClickHouse does not answer or nothing has closed."""
        w = self._warehouse
        try:
            with Client(
                w.host, w.port, w.database, w.user, w.password,
                connect_timeout=2, send_receive_timeout=3,
            ) as client:  # fmt: skip
                sql = "SELECT toUnixTimestamp(max(minute)) FROM indicators_cell WHERE closed = 1"
                newest = int(client.execute(sql)[0][0])
        except (driver_errors.Error, OSError, EOFError):
            return None
        return self._event_ms() / 1000 - newest if newest else None
