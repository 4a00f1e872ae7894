"""A platform's back end that is made to be killed: numbered samples through the SDK, and a book.

Sample number n is an orders sample with `paid_fen` n. The book gets `t <first> <count>` before a
call and `a <first> <count>` when it has returned, each one write to the operating system, so
that after a kill -9 it tells what was accepted; what was tried and not accepted may be either.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.stack.process import Child
from producers import TelemetryClient
from producers.anonymise import Secret
from producers.client import ClientOptions, Session
from producers.pacing import wall_ms
from producers.spool import SpoolFull
from schemas.telemetry import SampleType

PLATFORM = "sdk-check"
_BULK = 20
_RESERVED = 1_000_000


@dataclass(frozen=True)
class Book:
    """Numbers that were tried, and those of them that were accepted."""

    tried: frozenset[int]
    accepted: frozenset[int]


def read_book(paths: Iterable[Path]) -> Book:
    """A torn last line is left out."""
    found: dict[str, set[int]] = {"t": set(), "a": set()}
    for path in paths:
        for line in path.read_text("ascii").splitlines(keepends=True):
            kind, first, count = (*line.split(), "", "")[:3]
            if line.endswith("\n"):
                found[kind].update(range(int(first), int(first) + int(count)))
    return Book(frozenset(found["t"]), frozenset(found["a"]))


class Writer:
    """The back end as a child process; run number `run` has numbers of its own."""

    def __init__(self, directory: Path, bootstrap: str, partitions: int, run: int) -> None:
        self.book = directory / f"book-{run}"
        argv = [sys.executable, "-m", "deploy.check.sdk_writer", str(directory / "spool")]
        argv += [bootstrap, str(partitions), str(self.book), str(run * _RESERVED + 1)]
        self._child = Child(argv, {}, directory / f"writer-{run}.log")

    def kill(self) -> None:
        """SIGKILL, as a crash does it."""
        self._child.kill()

    def finish(self, timeout_s: float) -> int | None:
        """SIGTERM: accept no more, send everything; the exit code, None when it takes longer."""
        self._child.signal(signal.SIGTERM)
        return self._child.wait(timeout_s)

    def exit_code(self) -> int | None:
        return self._child.exit_code()

    def accepted(self) -> int:
        """How many samples the book has as accepted so far."""
        return len(read_book([self.book]).accepted) if self.book.exists() else 0


def main(spool: str, bootstrap: str, partitions: str, book: str, first: str) -> int:
    """Write until SIGTERM; 0 when Kafka has acknowledged everything."""
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, asked)
    options = ClientOptions(partitions=int(partitions))
    client = TelemetryClient(
        PLATFORM, bootstrap, Path(spool), Secret(b"no secret: made up ids only, 32b"),
        options=options,
    )  # fmt: skip
    with Path(book).open("ab", buffering=0) as file:
        sessions = [_session(client, n) for n in range(8)]
        for number, count in _calls(int(first), stop):
            file.write(f"t {number} {count}\n".encode())
            try:
                _call(client, sessions, number, count)
            except SpoolFull:
                continue
            file.write(f"a {number} {count}\n".encode())
            stop.wait(0.001)
    return 0 if client.close(90, goodbye=True) else 1


def _calls(first: int, stop: threading.Event) -> Iterator[tuple[int, int]]:
    """(first number, count): mostly single samples, now and then many at once."""
    turn = 0
    while not stop.is_set():
        turn += 1
        count = 1 if turn % 10 else _BULK
        yield first, count
        first += count


def _call(client: TelemetryClient, sessions: list[Session], number: int, count: int) -> None:
    live = sessions[number % len(sessions)]
    if count == 1:
        live.orders(1, paid_fen=number)
        return
    measures = {"orders": 1, "refunds": 0, "refunded_fen": 0}
    same: dict[str, Any] = {**live.dimensions, **measures, "event_time": wall_ms()}
    rows = [{**same, "paid_fen": number + i} for i in range(count)]
    client.write(SampleType.ORDERS, rows)


def _session(client: TelemetryClient, number: int) -> Session:
    return client.session(
        room=f"room-{number}",
        streamer=f"streamer-{number}",
        merchant="shop",
        district="310115",
        category="food",
    )


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
