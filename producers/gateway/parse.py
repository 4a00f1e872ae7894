"""Bodies to columns: JSON rows, columnar JSON, NDJSON and Arrow become one record batch.

The good path is typed decoding in C and then one array per column. Only a body with a fault is
gone through row by row in Python, to name each row, field and rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from producers.gateway.coded import coded_pseudonyms
from producers.gateway.errors import Refusal
from schemas.batch import read_value
from schemas.errors import ContractError, RowError
from schemas.telemetry import ARROW, Column, SampleType, columns
from schemas.validate import row_errors

JSON, NDJSON = "application/json", "application/x-ndjson"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (JSON, NDJSON, ARROW_STREAM)
UNKNOWN_FIELD = "has a field that the contract does not list"
TIME_RULE = "must be whole ms since 1970 or an ISO 8601 time with its offset"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIME = 1 << 53  # what JSON carries exactly


@dataclass(frozen=True, slots=True)
class Parsed:
    """Good rows in the contract's schema, and the errors of the others by their row number."""

    rows: pa.RecordBatch
    errors: list[RowError]


def parse(sample: SampleType, media_type: str, body: bytes, max_rows: int, now_ms: int) -> Parsed:
    """Decode and validate. Raises Refusal when the body as a whole cannot be used."""
    if media_type == ARROW_STREAM:
        return _split(_arrow(sample, body), sample, now_ms)
    if media_type == NDJSON:
        fast, slow = _ndjson_rows, _ndjson_any
    elif media_type == JSON:
        fast, slow = _json_rows, _json_any
    else:
        raise Refusal(415, "content-type", f"must be one of {', '.join(MEDIA_TYPES)}")
    try:
        found = fast(sample, body)
    except BAD_JSON:
        return _row_by_row(sample, slow(body), max_rows, now_ms)
    _bounded(len(found[0]), max_rows)
    return _split(_table(sample, found), sample, now_ms)


# -- the good path ----------------------------------------------------------------------------

BAD_JSON = (msgspec.MsgspecError, UnicodeError, ValueError, OverflowError, RecursionError)
_Columns = list[Sequence[Any]]


#: What a time may be; `ms_of` makes ms of it.
EVENT_TIME: Any = (
    Annotated[int, msgspec.Meta(ge=-_MAX_TIME, le=_MAX_TIME)]
    | Annotated[datetime, msgspec.Meta(tz=True)]
)


def _type_of(column: Column) -> Any:
    if column.name == "event_time":
        return EVENT_TIME
    kind: Any = str
    if column.maximum is not None:
        kind = Annotated[int, msgspec.Meta(ge=0, le=column.maximum)]
    elif pa.types.is_boolean(column.type):
        kind = bool
    return kind | None if column.nullable else kind


def _list_of(item: Any) -> Any:
    """A list type made at run time, which a type checker cannot follow."""
    return list.__class_getitem__(item)


def _rows_of(sample: SampleType) -> Any:
    fields = [
        (c.name, _type_of(c), None) if c.nullable else (c.name, _type_of(c))
        for c in columns(sample)
    ]
    return msgspec.defstruct(
        f"{sample.value}_row", fields, forbid_unknown_fields=True, kw_only=True, gc=False
    )


def _columns_of(sample: SampleType) -> Any:
    fields = [
        (c.name, _list_of(_type_of(c)) | None, None)
        if c.nullable
        else (c.name, _list_of(_type_of(c)))
        for c in columns(sample)
    ]
    return msgspec.defstruct(
        f"{sample.value}_columns", fields, forbid_unknown_fields=True, kw_only=True
    )


_ROW: dict[SampleType, Any] = {t: _rows_of(t) for t in SampleType}
_ROWS = {t: msgspec.json.Decoder(_list_of(_ROW[t])) for t in SampleType}
_LINE = {t: msgspec.json.Decoder(_ROW[t]) for t in SampleType}
_COLUMNS = {t: msgspec.json.Decoder(_columns_of(t)) for t in SampleType}
_NAMES = {t: [c.name for c in columns(t)] for t in SampleType}
_ANY = msgspec.json.Decoder()


def _json_rows(sample: SampleType, body: bytes) -> _Columns:
    if body.lstrip()[:1] == b"{":
        return _aligned(sample, _COLUMNS[sample].decode(body))
    return _transposed(sample, _ROWS[sample].decode(body))


def _ndjson_rows(sample: SampleType, body: bytes) -> _Columns:
    return _transposed(sample, _LINE[sample].decode_lines(body))


def _transposed(sample: SampleType, rows: list[Any]) -> _Columns:
    return [[getattr(row, name) for row in rows] for name in _NAMES[sample]]


def _aligned(sample: SampleType, found: Any) -> _Columns:
    count = len(found.event_time)
    values = [getattr(found, name) for name in _NAMES[sample]]
    values = [[None] * count if column is None else column for column in values]
    if any(len(column) != count for column in values):
        raise ValueError("columns of unequal length")
    return values


def _table(sample: SampleType, values: _Columns) -> pa.RecordBatch:
    fields = ARROW[sample]
    arrays = [_array(field, column) for field, column in zip(fields, values, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=fields)


def _array(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    if pa.types.is_dictionary(field.type):
        return pa.array(values, pa.utf8()).dictionary_encode().cast(field.type)
    if pa.types.is_timestamp(field.type):
        return pa.array([ms_of(v) for v in values], pa.int64()).cast(field.type)
    return pa.array(values, field.type)


def ms_of(value: int | datetime) -> int:
    """Ms since 1970 of an `EVENT_TIME`."""
    if isinstance(value, int):
        return value
    since = value - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _arrow(sample: SampleType, body: bytes) -> pa.RecordBatch:
    try:
        return read_value(body, sample)
    except ContractError as error:
        status = 413 if "at most" in error.rule else 422
        raise Refusal(status, error.field, error.rule) from None


def _split(rows: pa.RecordBatch, sample: SampleType, now_ms: int) -> Parsed:
    errors = coded_pseudonyms(rows, sample) + row_errors(rows, sample, now_ms)
    if not errors:
        return Parsed(rows, [])
    bad = {e.row for e in errors}
    good = [i for i in range(rows.num_rows) if i not in bad]
    first = {e.row: e for e in reversed(errors)}
    return Parsed(rows.take(pa.array(good, pa.int32())), [first[n] for n in sorted(first)])


def _bounded(count: int, max_rows: int) -> None:
    if count > max_rows:
        raise Refusal(413, "body", f"must have at most {max_rows} rows")


# -- the way of a body with a fault -----------------------------------------------------------


def _json_any(body: bytes) -> list[Any]:
    """The rows of a body as they came; columnar bodies have errors of their own."""
    found = _decoded(_ANY.decode, body)
    if isinstance(found, dict):
        raise Refusal(422, *_columnar_fault(found))
    if not isinstance(found, list):
        raise Refusal(422, "body", "must be an array of rows or an object of columns")
    return found


def _ndjson_any(body: bytes) -> list[Any]:
    return list(_decoded(_ANY.decode_lines, body))


def _decoded(decode: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return decode(body)
    except BAD_JSON:
        raise Refusal(400, "body", "is not readable JSON in UTF-8") from None


def _columnar_fault(found: dict[str, Any]) -> tuple[str, str]:
    """An object of columns has no rows to name: the first column at fault is."""
    sample_names = {n for names in _NAMES.values() for n in names}
    for name, values in found.items():
        if name not in sample_names:
            return "columns", UNKNOWN_FIELD
        if values is not None and not isinstance(values, list):
            return name, "must be an array"
    return "columns", "must all be there, be of one length, and hold values of the contract's types"


def _row_by_row(sample: SampleType, rows: list[Any], max_rows: int, now_ms: int) -> Parsed:
    _bounded(len(rows), max_rows)
    wanted = columns(sample)
    names = frozenset(_NAMES[sample])
    errors: list[RowError] = []
    good: list[int] = []
    for number, row in enumerate(rows):
        fault = _fault(row, wanted, names)
        if fault is None:
            good.append(number)
        else:
            errors.append(RowError(number, *fault))
    kept = [msgspec.convert(rows[i], _ROW[sample]) for i in good]
    found = _split(_table(sample, _transposed(sample, kept)), sample, now_ms)
    errors += [RowError(good[e.row], e.field, e.rule) for e in found.errors]
    return Parsed(found.rows, sorted(errors, key=lambda e: e.row))


def _fault(row: Any, wanted: tuple[Column, ...], names: frozenset[str]) -> tuple[str, str] | None:
    """Field and rule of the first fault of a row."""
    if not isinstance(row, dict):
        return "row", "must be an object"
    if not row.keys() <= names:
        return "row", UNKNOWN_FIELD  # the name itself may be personal data
    for column in wanted:
        if column.name not in row:
            if not column.nullable:
                return column.name, "is missing"
        elif not _fits(column, row[column.name]):
            return column.name, _rule(column)
    return None


def _fits(column: Column, value: Any) -> bool:
    try:
        msgspec.convert(value, _TYPES[column.name])
    except BAD_JSON:
        return False
    return True


_TYPES = {c.name: _type_of(c) for t in SampleType for c in columns(t)}


def _rule(column: Column) -> str:
    null = " or null" if column.nullable else ""
    if column.name == "event_time":
        return TIME_RULE
    if column.maximum is not None:
        return f"must be a whole number from 0 to {column.maximum}{null}"
    if pa.types.is_boolean(column.type):
        return f"must be true or false{null}"
    return f"must be a string{null}"
