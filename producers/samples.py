"""What a caller hands in becomes values of the contract, or is refused by field and rule.

Strict: only the contract's fields, each with its own check. No message repeats a value, nor the
name of an unknown field, since either may be personal data.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import ContractError
from schemas.personal import pseudonym_fault, public_id_fault
from schemas.telemetry import (
    ARROW,
    DIMENSIONS,
    MAX_AHEAD_MS,
    MEASURES,
    PSEUDONYM,
    Column,
    SampleType,
    columns,
)
from schemas.validate import EARLIEST_MS, row_errors

Value = int | str | bool | None
_DAY_ZERO = date(1970, 1, 1)
_NO_NUMBER = (str, bytes, float)
_REMEMBERED = 1_000_000
_SHOWN = 10


class RowsRefusedError(ContractError):
    """A call with many rows, of which some break a rule: none was taken.

    `field` and `rule` are those of the first; `rows` the numbers of (the first few) bad rows.
    """

    def __init__(self, field: str, rule: str, rows: Sequence[int] = ()) -> None:
        super().__init__(field, rule)
        self.rows = tuple(rows)

    def __str__(self) -> str:
        said = f"{self.field}: {self.rule}"
        return f"row {', '.join(map(str, self.rows))}: {said}" if self.rows else said


def event_ms(at: datetime | int | None, now_ms: int) -> int:
    """Event time in ms since epoch. Raises ContractError when it is not from 2020 to now + 60 s."""
    if at is None:
        return now_ms
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ContractError("event_time", "must have a time zone")
        ms = int(at.astimezone(UTC).timestamp() * 1000)
    else:
        ms = _whole(at, "event_time")
    if ms > now_ms + MAX_AHEAD_MS:
        raise ContractError("event_time", "must not be more than 60 s ahead of this clock")
    if ms < EARLIEST_MS:
        raise ContractError("event_time", "must not be before 2020-01-01")
    return ms


class Checker:
    """Checks values; `bases`, where given, are the only base ids that may be sent."""

    def __init__(self, bases: Iterable[str] | None = None) -> None:
        self._bases = None if bases is None else frozenset(bases)
        self._seen: set[str] = set()  # pseudonyms that were looked at

    def dimensions(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """A session's dimensions. Raises ContractError."""
        return self._all(DIMENSIONS, given)

    def measures(self, sample: SampleType, given: Mapping[str, Any]) -> dict[str, Value]:
        """One sample's measures. Raises ContractError."""
        return self._all(MEASURES[sample], given)

    def table(
        self, sample: SampleType, rows: pa.RecordBatch | Sequence[Mapping[str, Any]], now_ms: int
    ) -> pa.RecordBatch:
        """Many rows, schema `ARROW[sample]`. Raises RowsRefusedError; then none may be taken."""
        batch = rows if isinstance(rows, pa.RecordBatch) else gather(rows, sample)
        batch = _conform(batch, sample)
        errors = row_errors(batch, sample, now_ms)
        if errors:
            first = errors[0]
            alike = [e.row for e in errors if (e.field, e.rule) == (first.field, first.rule)]
            raise RowsRefusedError(first.field, first.rule, alike[:_SHOWN])
        for column, values in zip(columns(sample), batch.columns, strict=True):
            self._table_texts(column, values)
        return batch

    def text(self, column: Column, value: str) -> str:
        """A code, a pseudonym or a public id. Raises ContractError."""
        if column.allowed is not None:
            if value not in column.allowed:
                raise ContractError(column.name, "must be a code of the contract's list")
            return value
        if column.pattern is None or not re.fullmatch(column.pattern.rstrip("$"), value):
            raise ContractError(column.name, f"must match {column.pattern}")
        fault = self._fault(column, value)
        if fault:
            raise ContractError(column.name, fault)
        return value

    def _all(self, wanted: Sequence[Column], given: Mapping[str, Any]) -> dict[str, Value]:
        known = {c.name for c in wanted}
        if not known.issuperset(given):
            raise ContractError("fields", "must be of the contract: there is one that is not")
        return {c.name: self._one(c, given.get(c.name)) for c in wanted}

    def _one(self, column: Column, value: Any) -> Value:
        if value is None:
            if not column.nullable:
                raise ContractError(column.name, "must not be null")
            return None
        if column.maximum is not None:
            number = _whole(value, column.name)
            if not 0 <= number <= column.maximum:
                raise ContractError(column.name, f"must be from 0 to {column.maximum}")
            return number
        if pa.types.is_boolean(column.type):
            if not isinstance(value, bool | np.bool_):
                raise ContractError(column.name, "must be true or false")
            return bool(value)
        if pa.types.is_date(column.type):
            if not isinstance(value, date) or isinstance(value, datetime):
                raise ContractError(column.name, "must be a date")
            return (value - _DAY_ZERO).days
        if not isinstance(value, str):
            raise ContractError(column.name, "must be a text")
        return self.text(column, value)

    def _fault(self, column: Column, value: str) -> str | None:
        if column.pattern == PSEUDONYM:
            return pseudonym_fault(value)
        if column.name == "base_id" and self._bases is not None:
            return None if value in self._bases else "must be a registered base"
        return public_id_fault(value) if column.allowed is None else None

    def _table_texts(self, column: Column, values: pa.Array) -> None:
        """The same checks over a column, once per different value."""
        if column.pattern is None:
            return
        texts = values.cast(pa.utf8()) if pa.types.is_dictionary(values.type) else values
        for text in pc.unique(texts).to_pylist():
            if text is None or text in self._seen:
                continue
            fault = self._fault(column, text)
            if fault:
                bad = pc.indices_nonzero(pc.equal(texts, text)).to_pylist()
                raise RowsRefusedError(column.name, fault, bad[:_SHOWN])
            if column.pattern == PSEUDONYM:
                self._remember(text)

    def _remember(self, pseudonym: str) -> None:
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(pseudonym)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool | np.bool_):
        raise ContractError(name, "must be a whole number")
    try:
        return operator.index(value)
    except TypeError:
        raise ContractError(name, "must be a whole number") from None


def gather(rows: Sequence[Mapping[str, Any]], sample: SampleType) -> pa.RecordBatch:
    """Rows as mappings to columns; a field that no row has is null."""
    known = ARROW[sample]
    names = {name for row in rows for name in row}
    if not names.issubset(known.names):
        raise RowsRefusedError("fields", "must be of the contract: there is one that is not")
    arrays = [_column([row.get(f.name) for row in rows], f) for f in known]
    return pa.RecordBatch.from_arrays(arrays, schema=known)


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    plain = pa.utf8() if pa.types.is_dictionary(field.type) else field.type
    try:
        if not pa.types.is_string(plain) and any(
            isinstance(v, str | bytes | float) for v in values
        ):
            raise TypeError
        array = pa.array(values, plain)
        return array.dictionary_encode().cast(field.type) if plain != field.type else array
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise RowsRefusedError(field.name, f"must have Arrow type {plain}") from None


def _conform(batch: pa.RecordBatch, sample: SampleType) -> pa.RecordBatch:
    """Any order of the contract's columns; codes plain or by dictionary; optional ones left out."""
    wanted = ARROW[sample]
    if batch.schema.equals(wanted):
        return batch
    if not set(batch.schema.names).issubset(wanted.names) or len(set(batch.schema.names)) != len(
        batch.schema.names
    ):
        raise RowsRefusedError(
            "fields", "must be of the contract, each once: there is one that is not"
        )
    return pa.RecordBatch.from_arrays([_fitted(batch, f) for f in wanted], schema=wanted)


def _fitted(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    at = batch.schema.get_field_index(field.name)
    if at < 0:
        return pa.nulls(batch.num_rows, field.type)
    values = batch.column(at)
    if values.type == field.type:
        return values
    kinds = pa.types
    try:
        if kinds.is_dictionary(field.type) and not kinds.is_dictionary(values.type):
            if not (kinds.is_string(values.type) or kinds.is_null(values.type)):
                raise TypeError
            return values.cast(pa.utf8()).dictionary_encode().cast(field.type)
        if kinds.is_string(field.type) and not kinds.is_null(values.type):
            raise TypeError
        if kinds.is_floating(values.type) or kinds.is_string(values.type):
            raise TypeError
        return values.cast(field.type)
    except (pa.ArrowException, TypeError, ValueError):
        raise RowsRefusedError(field.name, f"must have Arrow type {field.type}") from None
