"""Chunks of a file become rows of the contract; raw texts never leave."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from producers.arrays import I32, I64
from producers.errors import UsageError
from producers.replay.mapping import COUNT_OF, Mapping
from producers.replay.read import whole_numbers
from schemas.sharding import shard_of
from schemas.telemetry import ARROW, MAX_AHEAD_MS, Column, columns
from schemas.validate import row_errors

_ENTITY = {"session_id": "session", "room_pid": "room", "streamer_pid": "streamer",
           "merchant_pid": "merchant"}  # fmt: skip
_FAR_MS = 2**53 - MAX_AHEAD_MS  # pacing, not the row rules, keeps rows behind the clock


@dataclass(frozen=True)
class Rows:
    """Rows of one chunk, in the order of the file, with event time and partition of each."""

    rows: pa.RecordBatch
    event_ms: I64
    partition: I32


@dataclass
class RowMaker:
    """Maps chunks; remembers the pseudonyms that it made."""

    mapping: Mapping
    secret: bytes
    file_entity: str
    partitions: int
    _made: dict[tuple[str, str], str] = field(default_factory=dict)

    def make(self, chunk: pa.RecordBatch, event_ms: I64, first_row: int) -> Rows:
        """Rows of the contract. Raises UsageError naming row, column and rule."""
        entities = self._entities(chunk, first_row)
        dimensions_and_measures = columns(self.mapping.sample)[1:]
        arrays = [
            pa.array(event_ms, pa.int64()).view(pa.timestamp("ms", tz="UTC")),
            *(self._column(c, chunk, entities, first_row) for c in dimensions_and_measures),
        ]
        rows = pa.RecordBatch.from_arrays(arrays, schema=ARROW[self.mapping.sample])
        for error in row_errors(rows, self.mapping.sample, _FAR_MS):
            raise UsageError(f"row {first_row + error.row}: {error.field}: {error.rule}")
        ids = [i.encode() for i in rows.column("session_id").to_pylist()]
        return Rows(rows, event_ms, shard_of(ids, self.partitions))

    def _entities(self, chunk: pa.RecordBatch, first_row: int) -> pa.DictionaryArray:
        name = self.mapping.entity_column
        if name is None:
            texts = pa.array([self.file_entity]).dictionary_encode()
            return texts.take(pa.array(np.zeros(chunk.num_rows, np.int64)))
        values = chunk.column(name)
        if values.null_count:
            row = first_row + int(
                np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]
            )
            raise UsageError(f"row {row}: {name}: must not be empty")
        return values.cast(pa.string()).dictionary_encode()

    def _column(
        self, column: Column, chunk: pa.RecordBatch, entities: pa.DictionaryArray, first_row: int
    ) -> pa.Array:
        kind = _ENTITY.get(column.name)
        if kind is not None:
            made = [self._pseudonym(kind, text) for text in entities.dictionary.to_pylist()]
            return pa.array(made, pa.utf8()).take(entities.indices)
        is_count = column.name == COUNT_OF[self.mapping.sample]
        source = self.mapping.columns.get(column.name)
        source = source or (self.mapping.count_column if is_count else None)
        if source is None:
            return _repeat(self.mapping.constant(column), column, chunk.num_rows)
        values = chunk.column(source)
        if column.maximum is not None:
            numbers = whole_numbers(values, source, column.maximum, first_row)
            return pa.array(numbers).cast(column.type)
        if pa.types.is_boolean(column.type):
            return _flags(values, source, first_row)
        encoded = values.cast(pa.string()).dictionary_encode()
        if len(encoded.dictionary) > 1000:
            raise UsageError(f"{source}: has too many different values for {column.name}")
        return encoded.cast(column.type)

    def _pseudonym(self, kind: str, text: str) -> str:
        """HMAC-SHA256 with a domain per kind of entity, cut to 128 bits."""
        key = (kind, text)
        if key not in self._made:
            message = f"livewatch/{kind}\0{text}".encode()
            self._made[key] = hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:32]
        return self._made[key]


def _flags(values: pa.Array, name: str, first_row: int) -> pa.Array:
    try:
        return values.cast(pa.bool_())
    except pa.ArrowException:
        raise UsageError(f"rows from {first_row}: {name}: must be true or false") from None


def _repeat(value: object, column: Column, count: int) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        one = pa.array([value], pa.utf8()).dictionary_encode().cast(column.type)
        return one.take(pa.array(np.zeros(count, np.int64)))
    return pa.repeat(pa.scalar(value, column.type), count)


def in_time_order(chunk: pa.RecordBatch, event_ms: I64) -> tuple[pa.RecordBatch, I64]:
    """A chunk sorted by event time; rows of one time keep their order."""
    order = np.argsort(event_ms, kind="stable")
    return chunk.take(pa.array(order)), event_ms[order]
