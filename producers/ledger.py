"""The producer's own book of what it produced, written before anything is sent.

Append-only JSON lines: a header with the clock of the run, then one line per batch that
has rows. Each line reaches the operating system before its batch is sent, so the book
survives a kill -9 of the process; a torn last line is left out by the reader. It may hold
batches that a killed process had no time to send, and never lacks one that was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from producers.batcher import SealedBatch
from producers.clock import EventClock
from producers.errors import UsageError
from schemas.identity import BatchIdentity
from schemas.telemetry import MEASURES

VERSION = 1
#: Measures that are counted, per sample type; gauges are summed too, as a check sum.
_SUMMED = {t: [c.name for c in cs if c.allowed is None] for t, cs in MEASURES.items()}


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One produced batch. Times are ms since epoch; `sums` has one total per measure.

    `due_ms` is the wall time at which its newest row was due, `sealed_ms` when it was
    sealed; rows are numbered 0 to `rows` - 1.
    """

    platform_id: str
    source: str
    epoch: int
    topic: str
    partition: int
    sequence: int
    rows: int
    sums: dict[str, int]
    min_event_ms: int
    max_event_ms: int
    watermark_ms: int
    due_ms: int
    sealed_ms: int

    @property
    def identity(self) -> BatchIdentity:
        return BatchIdentity(
            self.platform_id, self.source, self.epoch, self.topic, self.partition, self.sequence
        )


class Ledger:
    """Writer of the book. `append` returns only when the line is with the operating system."""

    def __init__(self, path: Path, clock: EventClock, *, overwrite: bool = False) -> None:
        self.path = path
        self._clock = clock
        self._file: IO[bytes] = _create(path, overwrite)
        header = {"ledger": VERSION, **asdict(clock)}
        self._file.write(json.dumps(header).encode() + b"\n")

    def append(self, batch: SealedBatch) -> None:
        """Write one batch down; heartbeats have no line."""
        if batch.rows is not None:
            line = json.dumps(asdict(entry_of(batch, self._clock)), separators=(",", ":"))
            self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        self._file.close()


def entry_of(batch: SealedBatch, clock: EventClock) -> LedgerEntry:
    """What the book says of a batch with rows."""
    header, rows = batch.header, batch.rows
    if rows is None:
        raise ValueError("a heartbeat has no ledger entry")
    ident = header.identity
    times = rows.column(0).cast(pa.int64()).to_numpy()
    newest = int(times.max())
    due = clock.due_ms(newest)
    return LedgerEntry(
        ident.platform_id,
        ident.source,
        ident.epoch,
        ident.topic,
        ident.partition,
        ident.sequence,
        header.rows,
        {name: _sum(rows.column(name)) for name in _SUMMED[ident.sample]},
        int(times.min()),
        newest,
        header.watermark_ms,
        header.sent_ms if due is None else due,
        header.sent_ms,
    )


def read_clock(path: Path) -> EventClock:
    """The clock of the run. Raises UsageError when the file is not a ledger."""
    with path.open("rb") as file:
        header = _parse(file.readline())
    if header is None or header.get("ledger") != VERSION:
        raise UsageError(f"{path}: is not a ledger of version {VERSION}")
    return EventClock(header["start_event_ms"], header["start_wall_ms"], header["speed"])


def read_ledger(path: Path) -> Iterator[LedgerEntry]:
    """Every batch in the book, in the order of sealing; a torn last line is left out.

    Raises UsageError when the file is not a ledger or a line within it is broken.
    """
    read_clock(path)
    with path.open("rb") as file:
        file.readline()
        for number, line in enumerate(file, start=2):
            if not line.endswith(b"\n"):
                return
            entry = _parse(line)
            if entry is None:
                raise UsageError(f"{path}: line {number} is broken")
            yield LedgerEntry(**entry)


def forget_unspooled(path: Path, last_put: str) -> bool:
    """Take the last line out where its batch never came into the spool; whether there was one.

    A simulator with a spool writes its line first. Killed between the two, it leaves one line too
    many, and that can only be the last. `last_put` is the spool's (`Spool.last_put`).
    """
    entries = list(read_ledger(path))
    if not entries:
        return False
    ident = entries[-1].identity
    if f"{ident.source_uri} {ident.id}" == last_put:
        return False
    lines = path.read_bytes().splitlines(keepends=True)[: len(entries)]  # the header counts, too
    path.write_bytes(b"".join(lines))
    return True


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _sum(column: pa.Array) -> int:
    values = column.fill_null(0) if column.null_count else column
    return int(values.to_numpy().sum(dtype=np.int64))


def _create(path: Path, overwrite: bool) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return path.open("wb" if overwrite else "xb", buffering=0)
    except FileExistsError:
        raise UsageError(
            f"{path} already holds a run: choose another --out, or --overwrite"
        ) from None
