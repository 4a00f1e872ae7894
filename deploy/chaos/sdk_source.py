"""A back end with the SDK that can be killed at any moment: `python -m deploy.chaos.sdk_source`.

What the SDK has taken must be stored once; what it refused must never be; what was under way at a
kill may be either. SIGUSR1 makes it write as much as it can until the spool is full.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.chaos.calls import Options, Pace
from deploy.chaos.tally import TallyBook, read, session_of
from producers import TelemetryClient
from producers.anonymise import Secret
from producers.batcher import SealPolicy
from producers.client import ClientOptions
from producers.clock import EventClock
from producers.sender import SenderPolicy
from producers.shell import set_up_logs, stop_on_signals
from producers.spool import SpoolFull, SpoolLimits
from schemas.telemetry import HEARTBEAT_MS, SampleType

PLATFORM = "by-sdk"
_EVERY_S = 0.1
_SINGLES = 4
_BULK = 20
_BURST = 1_000
_MOST_BURSTS = 60
_LIMITS = SpoolLimits(max_bytes=1 << 20)
_CLOSE_S = 3_600.0


@dataclass(frozen=True)
class SdkOptions(Options):
    """`partitions` of the topics, for a first start without Kafka."""

    bootstrap: str
    spool: Path
    tally: Path
    partitions: int
    speed: float
    start_ms: int
    start_wall_ms: int
    end_ms: int


class SdkSource:
    """One start of the process."""

    def __init__(self, options: SdkOptions, stop: threading.Event, wanted: threading.Event) -> None:
        self._stop, self._wanted = stop, wanted
        tally = read(options.tally)
        self._book, self._number = TallyBook(options.tally), tally.next
        clock = EventClock(options.start_ms, options.start_wall_ms, options.speed)
        self._pace = Pace(clock, options.end_ms, stop, _EVERY_S)
        # Its clock is the event clock: a second is many seconds of event time.
        seal = SealPolicy(linger_ms=2_000, heartbeat_ms=HEARTBEAT_MS)
        self._client = TelemetryClient(
            PLATFORM, options.bootstrap, options.spool, Secret(b"no secret: made up ids only, 32b"),
            source="sdk",
            options=ClientOptions(
                _LIMITS, SenderPolicy(seal=seal), block_s=0.1, partitions=options.partitions
            ),
            now_ms=self._pace.now_ms,
        )  # fmt: skip

    def run(self) -> None:
        """To the end of event time, or until a stop; then all is sent, or left in the spool."""
        session = self._client.session(
            room="room", streamer="streamer", merchant="shop", district="310115", category="food"
        )
        while self._pace.turn():
            for _ in range(_SINGLES):
                self._write(session.dimensions, 1)
            self._write(session.dimensions, _BULK)
            if self._wanted.is_set():
                self._wanted.clear()
                self._burst(session.dimensions)
        if (
            self._client.close(_CLOSE_S, goodbye=not self._stop.is_set())
            and not self._stop.is_set()
        ):
            self._book.ended()

    def _burst(self, dimensions: dict[str, Any]) -> None:
        for _ in range(_MOST_BURSTS):
            if not self._write(dimensions, _BURST):
                return

    def _write(self, dimensions: dict[str, Any], count: int) -> bool:
        """One call; False when the spool was full."""
        first, at_ms = self._number, self._pace.now_ms()
        self._number += count
        rows = [
            {
                **dimensions, "session_id": session_of(PLATFORM, n), "event_time": at_ms,
                "orders": 1, "paid_fen": n, "refunds": 0, "refunded_fen": 0,
            }
            for n in range(first, first + count)
        ]  # fmt: skip
        self._book.tried(first, count, at_ms)
        try:
            self._client.write(SampleType.ORDERS, rows)
        except SpoolFull:
            self._book.refused(first)
            return False
        self._book.accepted(first)
        return True


def on_demand() -> tuple[threading.Event, Callable[..., None]]:
    """An event that SIGUSR1 sets."""
    wanted = threading.Event()

    def handle(*_: object) -> None:
        wanted.set()

    return wanted, handle


def main() -> None:
    set_up_logs()
    wanted, handle = on_demand()
    signal.signal(signal.SIGUSR1, handle)
    options = SdkOptions.parse()
    with stop_on_signals() as stop:
        SdkSource(options, stop, wanted).run()


if __name__ == "__main__":
    main()
