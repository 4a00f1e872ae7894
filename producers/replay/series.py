"""A file as a series in time: first and last event, order, and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from producers.arrays import I64
from producers.errors import UsageError
from producers.replay.mapping import Mapping
from producers.replay.read import event_ms, read_chunks
from producers.replay.rows import RowMaker, Rows, in_time_order

_CHUNK_ROWS = 16_384


@dataclass(frozen=True)
class Survey:
    """What a first reading finds."""

    rows: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class Series:
    """Rows of a file by event time. Unsorted files need `sort`, which holds them in memory."""

    path: Path
    mapping: Mapping
    sort: bool = False

    def survey(self) -> Survey:
        """Read the times once. Raises UsageError when there are none or they run backwards."""
        count, first, last = 0, 0, 0
        for number, (_, times) in self._timed():
            if not count:
                first = int(times[0])
            if not self.sort:
                self._check_order(times, last if count else first, number)
            else:
                first = min(first, int(times.min()))
            last = max(last, int(times.max()))
            count += len(times)
        if not count:
            raise UsageError(f"{self.path}: has no rows")
        return Survey(count, first, last)

    def rows(self, maker: RowMaker, shift_ms: int) -> Iterator[Rows]:
        """Rows in time order, `shift_ms` later than the file says."""
        for number, (chunk, times) in self._ordered():
            yield maker.make(chunk, times + shift_ms, number)

    def _timed(self) -> Iterator[tuple[int, tuple[pa.RecordBatch, I64]]]:
        """Chunks with their times and the number of their first row, from 1."""
        number = 1
        for chunk in read_chunks(self.path, self.mapping):
            if chunk.num_rows:
                yield number, (chunk, event_ms(chunk, self.mapping, number))
                number += chunk.num_rows

    def _ordered(self) -> Iterator[tuple[int, tuple[pa.RecordBatch, I64]]]:
        if not self.sort:
            yield from self._timed()
            return
        whole = pa.concat_batches([chunk for _, (chunk, _) in self._timed()])
        chunk, times = in_time_order(whole, event_ms(whole, self.mapping, 1))
        for first in range(0, len(times), _CHUNK_ROWS):
            at = slice(first, first + _CHUNK_ROWS)
            yield first + 1, (chunk.slice(first, _CHUNK_ROWS), times[at])

    def _check_order(self, times: I64, before: int, number: int) -> None:
        steps = times[1:] < times[:-1]
        if times[0] < before or steps.any():
            row = number if times[0] < before else number + 1 + int(steps.argmax())
            raise UsageError(
                f"row {row}: {self.mapping.time_column}: must not be earlier than the row before; "
                "give --sort to have the file sorted in memory"
            )
