"""Row rules of the contract, vectorised: the good path costs no Python loop over rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import RowError
from schemas.telemetry import MAX_AHEAD_MS, PSEUDONYM, Column, SampleType, columns

# Before this nothing of ours existed: an event time below it is a broken clock.
EARLIEST_MS = 1_577_836_800_000  # 2020-01-01
Mask = npt.NDArray[np.bool_]
_HEX = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdef", np.uint8))


def row_errors(rows: pa.RecordBatch, sample: SampleType, broker_ms: int) -> list[RowError]:
    """First broken rule of each bad row, in row order; empty when every row is good."""
    if rows.num_rows == 0:
        return []
    errors: dict[int, RowError] = {}
    for column, values in zip(columns(sample), rows.columns, strict=True):
        for rule, bad in _broken(column, values, broker_ms):
            for row in np.flatnonzero(bad).tolist():
                errors.setdefault(row, RowError(row, column.name, rule))
    return [errors[row] for row in sorted(errors)]


def _broken(column: Column, values: pa.Array, broker_ms: int) -> list[tuple[str, Mask]]:
    found: list[tuple[str, Mask]] = []
    if not column.nullable and values.null_count:
        found.append(("must not be null", _mask(pc.is_null(values))))
    if column.name == "event_time":
        found += _time_rules(values, broker_ms)
    elif column.allowed is not None:
        found.append(("must be a code of the contract's list", _not_in(values, column.allowed)))
    elif column.pattern is not None:
        found.append((f"must match {column.pattern}", _no_match(values, column.pattern)))
    elif column.maximum is not None:
        bad = pc.or_(pc.less(values, 0), pc.greater(values, column.maximum))
        found.append((f"must be from 0 to {column.maximum}", _mask(bad)))
    return [(rule, bad) for rule, bad in found if bad.any()]


def _time_rules(values: pa.Array, broker_ms: int) -> list[tuple[str, Mask]]:
    ms = values.cast(pa.int64()).fill_null(EARLIEST_MS).to_numpy(zero_copy_only=False)
    ahead = f"must not be more than {MAX_AHEAD_MS // 1000} s ahead of the broker's clock"
    return [
        (ahead, ms > broker_ms + MAX_AHEAD_MS),
        ("must not be before 2020-01-01", ms < EARLIEST_MS),
    ]


def _not_in(values: pa.DictionaryArray, allowed: frozenset[str]) -> Mask:
    """A code is judged once per dictionary entry, not once per row."""
    known = np.array([v in allowed for v in values.dictionary.to_pylist()], dtype=bool)
    return _by_index(values, known)


def _no_match(values: pa.Array, pattern: str) -> Mask:
    if pattern == PSEUDONYM and _all_pseudonyms(values.drop_null()):
        return np.zeros(len(values), bool)
    if isinstance(values, pa.DictionaryArray):
        entries = pc.match_substring_regex(values.dictionary, pattern)
        return _by_index(values, _mask(entries))
    return _mask(pc.invert(pc.match_substring_regex(values, pattern)))


def _all_pseudonyms(values: pa.Array) -> bool:
    """Whether every value is 32 lower-case hex digits: a look at the bytes, no regex."""
    start, end = _span(values)
    if end - start != 32 * len(values):
        return False
    if end == start:
        return True
    data = np.frombuffer(values.buffers()[2], np.uint8)[start:end]
    return bool(_HEX[data].all() and pc.all(pc.equal(pc.binary_length(values), 32)).as_py())


def _span(values: pa.Array) -> tuple[int, int]:
    """Where the characters of a string array begin and end in its data buffer."""
    if not len(values):
        return 0, 0
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    return int(offsets[values.offset]), int(offsets[values.offset + len(values)])


def _by_index(values: pa.DictionaryArray, good_entry: Mask) -> Mask:
    index = values.indices.fill_null(0).to_numpy(zero_copy_only=False)
    if not len(good_entry):
        return _mask(pc.is_valid(values))
    return np.asarray(_mask(pc.is_valid(values)) & ~good_entry[index], dtype=bool)


def _mask(values: pa.Array) -> Mask:
    """A boolean array as numpy, null as false (null has a rule of its own)."""
    return np.asarray(values.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
