"""What may be on its way to Kafka beside a correction: nothing of its topic-partition.

spool     a0  A1  a2  b3     a, b: partitions; A1 corrects
in flight a0 | A1 | a2 b3    |: waits for Kafka
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from producers.gateway.drain import Drain
from producers.gateway.store import Store, Unsent
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.telemetry import SampleType

TOPIC = SampleType.ORDERS.topic


class Future:
    """An acknowledgement that comes when the test says so."""

    def add_callback(self, call: Callable[[int, None], None], number: int) -> None:
        self.acknowledge = lambda: call(number, None)

    def add_errback(self, call: Callable[[int, BaseException], None], number: int) -> None:
        self.fail = lambda: call(number, TimeoutError())


class Wire:
    """Keeps what is handed over, with the future of each."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.futures: list[Future] = []

    def send(self, _topic: str, *, value: bytes, **_: Any) -> Future:
        self.futures.append(Future())
        self.sent.append(value)
        return self.futures[-1]

    def close(self, timeout: float) -> None:
        pass

    def has(self, *wanted: bytes) -> bool:
        """Whether exactly that is handed over soon, and then nothing more."""
        deadline = time.monotonic() + 10
        while len(self.sent) < len(wanted) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        return self.sent == list(wanted)


def unsent(partition: int, sequence: int, supersedes: str = "") -> Unsent:
    ident = BatchIdentity("p01", "gw-1", 1, TOPIC, partition, sequence)
    reason = "miscounted" if supersedes else ""
    header = BatchHeader(ident, 1, 0, 0, supersedes=supersedes, reason=reason)
    return Unsent(TOPIC, partition, to_headers(header), f"{partition}{sequence}".encode())


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    store, wire = Store(tmp_path / "spool.sqlite3"), Wire()
    store.commit([unsent(0, 0), unsent(0, 1, "batch/1/0"), unsent(0, 2), unsent(1, 3)], [], 0)
    drain = Drain(tmp_path / "spool.sqlite3", lambda: wire, None)  # type: ignore[arg-type, return-value]
    drain.start(lambda _: None)
    yield wire
    drain.close(0)
    store.close()


def test_a_correction_waits_and_is_waited_for(wire: Wire) -> None:
    assert wire.has(b"00")
    wire.futures[0].acknowledge()
    assert wire.has(b"00", b"01")
    wire.futures[1].acknowledge()
    assert wire.has(b"00", b"01", b"02", b"13")


def test_what_failed_goes_again_before_the_correction_of_it(wire: Wire) -> None:
    assert wire.has(b"00")
    wire.futures[0].fail()
    assert wire.has(b"00", b"00")
    wire.futures[1].acknowledge()
    assert wire.has(b"00", b"00", b"01")
