"""A platform behind the gateway, killed at any moment: `python -m deploy.chaos.http_source`.

Each request is in the book before it is sent, with its idempotency key in its number, and is sent
until it is answered with 202: by this process, or by the next one. So in the end everything that
was tried is accepted, and must be stored once.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.chaos.calls import Options, Pace
from deploy.chaos.tally import TallyBook, read, session_of
from deploy.producer_check.gateway_trial import post
from producers.clock import EventClock
from producers.errors import PushError
from producers.shell import set_up_logs, stop_on_signals

PLATFORM = "by-http"
_ROWS = 20
_EVERY_S = 0.1
_AGAIN_S = 0.1
_ACCEPTED = 202
#: No answer, too many, and what a gateway says that cannot write.
_FOR_NOW = (0, 429, 503)


@dataclass(frozen=True)
class HttpOptions(Options):
    """`url` of the gateway; event time runs as in `SourceOptions`."""

    url: str
    api_key: str
    tally: Path
    speed: float
    start_ms: int
    start_wall_ms: int
    end_ms: int


class HttpSource:
    """One start of the process."""

    def __init__(self, options: HttpOptions, stop: threading.Event) -> None:
        self._options, self._stop = options, stop
        self._known = read(options.tally)
        self._book = TallyBook(options.tally)
        clock = EventClock(options.start_ms, options.start_wall_ms, options.speed)
        self._pace = Pace(clock, options.end_ms, stop, _EVERY_S)

    def run(self) -> None:
        """To the end of event time, or until a stop. Raises PushError for a final refusal."""
        for first, (count, at_ms) in sorted(self._known.waiting().items()):
            self._send(first, count, at_ms)
        number = self._known.next
        while self._pace.turn():
            at_ms = self._pace.now_ms()
            self._book.tried(number, _ROWS, at_ms)
            self._send(number, _ROWS, at_ms)
            number += _ROWS
        if not self._stop.is_set() and self._until_taken("/v1/heartbeat?final=true", b"", ""):
            self._book.ended()

    def _send(self, first: int, count: int, at_ms: int) -> None:
        rows = [row(n, at_ms) for n in range(first, first + count)]
        body = json.dumps(rows).encode()
        if self._until_taken("/v1/samples/orders", body, f"call-{first}"):
            self._book.accepted(first)

    def _until_taken(self, path: str, body: bytes, key: str) -> bool:
        """False when told to stop before."""
        while not self._stop.is_set():
            status = post(self._options.url, path, self._options.api_key, body, key)
            if status == _ACCEPTED:
                return True
            if status not in _FOR_NOW:
                raise PushError(f"the gateway answered {status} to {path}")
            if status:
                self._book.put_off()
            time.sleep(_AGAIN_S)
        return False


def row(number: int, at_ms: int) -> dict[str, object]:
    """Sample `number`."""
    return {
        "event_time": at_ms,
        "session_id": session_of(PLATFORM, number),
        "room_pid": "0a" * 16,
        "streamer_pid": "0b" * 16,
        "mcn_pid": None,
        "merchant_pid": "0c" * 16,
        "base_id": None,
        "district": "310115",
        "category": "food",
        "scenario": None,
        "orders": 1,
        "paid_fen": number,
        "refunds": 0,
        "refunded_fen": 0,
    }


def main() -> None:
    set_up_logs()
    options = HttpOptions.parse()
    with stop_on_signals() as stop:
        HttpSource(options, stop).run()


if __name__ == "__main__":
    main()
