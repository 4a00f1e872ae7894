"""Two sources that misbehave on purpose, in a thread: batches dropped, repeated and reordered,
rows of long ago (`unruly`), and a clock that is far ahead (`ahead`).

What they did stands in a book, with the fate of each batch, so that the comparison knows what
must be stored, what must be missed as a gap, and what must have been refused.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from deploy.chaos.book import Book
from deploy.chaos.sender import BookedSink
from producers.batcher import SealedBatch
from producers.clock import EventClock
from producers.pacing import wall_ms
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity
from schemas.sharding import shard_of
from schemas.telemetry import ARROW, SampleType

PLATFORM = "unruly"
_LANES = 4
_ROWS = 20
_BEHIND_MS = 20 * 60_000
_AHEAD_MS = 10 * 60_000
_EVERY_S = 0.5


@dataclass
class Deed:
    """One misdeed that was asked for; `done` once Kafka has acknowledged what it sent."""

    kind: str
    done: threading.Event = field(default_factory=threading.Event)


class Unruly:
    """The thread. `ask` may be called from any other; `stop` says goodbye and waits."""

    def __init__(
        self, bootstrap: str, path: Path, partitions: int, clock: EventClock, end_ms: int
    ) -> None:
        """Event time stands still at `end_ms`."""
        self._bootstrap, self._path, self._clock = bootstrap, path, clock
        self._end_ms = end_ms
        self._lanes = min(_LANES, partitions)
        self._sessions = _sessions_by_lane(partitions, self._lanes)
        self._wishes: queue.Queue[Deed] = queue.Queue()
        self._ending = threading.Event()
        self._epoch = wall_ms()
        self._sequence: dict[tuple[str, int], int] = {}
        self._last: dict[int, list[SealedBatch]] = {n: [] for n in range(self._lanes)}
        self._turn = 0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="unruly", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, kind: str) -> Deed:
        """Ask for drop, reorder, repeat, ahead or behind."""
        deed = Deed(kind)
        self._wishes.put(deed)
        return deed

    def stop(self, patience_s: float) -> bool:
        """Say goodbye; True when everything was acknowledged in time."""
        self._ending.set()
        self._thread.join(patience_s)
        return not self._thread.is_alive() and self.error is None

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            book = Book(self._path)
            sink = BookedSink(self._bootstrap, book, threading.Event())
            while not self._ending.wait(_EVERY_S):
                self._usual(book, sink)
                while not self._wishes.empty():
                    self._do(self._wishes.get(), book, sink)
            self._goodbye(book, sink)
        except BaseException as error:
            self.error = error
            raise

    def _usual(self, book: Book, sink: BookedSink) -> None:
        """One batch to one lane, in turn."""
        lane = self._turn % self._lanes
        self._turn += 1
        batch = self._seal("unruly", lane, self._event_ms())
        self._send([batch], book, sink)
        sink.tell_book()
        self._last[lane] = [*self._last[lane][-7:], batch]

    def _do(self, deed: Deed, book: Book, sink: BookedSink) -> None:
        lane = self._turn % self._lanes
        now = self._event_ms()
        if deed.kind == "drop":
            book.accept([self._seal("unruly", lane, now)], now, "drop")
            after = [self._seal("unruly", lane, now)]  # what shows that one is missing
            self._send(after, book, sink)
        elif deed.kind == "reorder":
            self._send([self._seal("unruly", lane, now) for _ in range(4)][::-1], book, sink)
        elif deed.kind == "repeat":
            for batch in self._last[lane][-3:]:
                sink.send_booked(0, replace(batch))
        elif deed.kind == "behind":
            self._send([self._seal("unruly", lane, now - _BEHIND_MS, now)], book, sink)
        elif deed.kind == "ahead":
            self._send([self._seal("ahead", lane, wall_ms() + _AHEAD_MS)], book, sink, "ahead")
        if sink.flush(60.0):
            deed.done.set()
        sink.tell_book()

    def _send(
        self, batches: list[SealedBatch], book: Book, sink: BookedSink, fate: str = ""
    ) -> None:
        for number, batch in book.accept(batches, self._event_ms(), fate):
            sink.send_booked(number, batch)

    def _goodbye(self, book: Book, sink: BookedSink) -> None:
        now = self._event_ms()
        lanes = list(self._sequence)
        last = [self._seal(source, lane, now, rows=0, final=True) for source, lane in lanes]
        self._send(last, book, sink)
        while not sink.flush(5.0):
            pass
        sink.tell_book()
        sink.close()
        book.close()

    def _event_ms(self) -> int:
        passed = max(0, wall_ms() - self._clock.start_wall_ms)
        running = self._clock.start_event_ms + round(passed * (self._clock.speed or 1.0))
        return min(running, self._end_ms - 1)

    def _seal(
        self,
        source: str,
        lane: int,
        event_ms: int,
        watermark_ms: int | None = None,
        *,
        rows: int = _ROWS,
        final: bool = False,
    ) -> SealedBatch:
        sequence = self._sequence.get((source, lane), 0)
        self._sequence[source, lane] = sequence + 1
        topic = SampleType.ORDERS.topic
        ident = BatchIdentity(PLATFORM, source, self._epoch, topic, lane, sequence)
        table = order_rows(self._sessions[lane][:rows], event_ms, sequence)
        header = BatchHeader(ident, rows, watermark_ms or event_ms, wall_ms(), final)
        return SealedBatch(header, encode(table), None)


def order_rows(sessions: list[str], event_ms: int, salt: int) -> pa.RecordBatch:
    """One row of orders a session; figures depend on `salt` only."""
    n, schema = len(sessions), ARROW[SampleType.ORDERS]
    given = {
        "event_time": [event_ms] * n,
        "session_id": sessions,
        "room_pid": sessions,
        "streamer_pid": sessions,
        "merchant_pid": sessions,
        "district": ["310115"] * n,
        "category": ["food"] * n,
        "orders": [1 + (salt + i) % 3 for i in range(n)],
        "paid_fen": [1000 + 10 * salt + i for i in range(n)],
        "refunds": [0] * n,
        "refunded_fen": [0] * n,
    }
    columns = []
    for column in schema:
        values = given.get(column.name, [None] * n)
        if column.name == "event_time":
            columns.append(pa.array(values, pa.int64()).cast(column.type))
        elif pa.types.is_dictionary(column.type):
            columns.append(pa.array(values, pa.utf8()).dictionary_encode().cast(column.type))
        else:
            columns.append(pa.array(values, column.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _sessions_by_lane(partitions: int, lanes: int) -> list[list[str]]:
    """Session ids that hash to each of the first partitions."""
    found: list[list[str]] = [[] for _ in range(partitions)]
    number = 0
    while min(len(found[n]) for n in range(lanes)) < _ROWS:
        name = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
        found[int(shard_of([name.encode()], partitions)[0])].append(name)
        number += 1
    return found
