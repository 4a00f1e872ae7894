"""Rows of the raw tables and of the session indicators, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.columns import Coded, Maybe, TableColumns, from_nan
from pipelines.core.fold.sessions import CATEGORIES, DISTRICTS, Session, Sessions
from pipelines.core.indicators import table_columns
from pipelines.core.metrics import MINUTE_MS, WINDOWS
from pipelines.core.rolling import Rolling
from schemas.batch import Batch
from schemas.telemetry import MEASURES, SampleType

Ints = npt.NDArray[np.int64]
RAW_TABLES = {s: f"raw_{s.value}" for s in SampleType}


def event_ms(rows: pa.RecordBatch) -> Ints:
    """Event times [n], ms since the epoch."""
    times = rows.column("event_time").cast(pa.int64())
    return np.asarray(times.to_numpy(zero_copy_only=False), np.int64)


def numbers(rows: pa.RecordBatch, name: str) -> Ints:
    """A count column [n] with null as zero; where null matters, ask `known` too."""
    values = rows.column(name)
    if values.null_count:
        values = values.fill_null(0)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.int64)


def known(rows: pa.RecordBatch, name: str) -> npt.NDArray[np.bool_]:
    """Where a nullable column [n] has a value."""
    values = rows.column(name)
    if not values.null_count:
        return np.ones(len(values), bool)
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=bool)


def raw_columns(
    batch: Batch,
    keep: npt.NDArray[np.int64],
    slots: Ints,
    times: Ints,
    late: npt.NDArray[np.bool_],
    sessions: Sessions,
    where: tuple[int, int],
) -> TableColumns:
    """Columns of the raw table for rows `keep` of the batch; `where` is (offset, broker ms)."""
    header, n = batch.header, len(slots)
    ident = header.identity
    numbers_of_rows = keep if batch.rows is None else np.asarray(batch.rows)[keep]
    rows = batch.table if n == batch.table.num_rows else batch.table.take(pa.array(keep))
    out: TableColumns = {"event_time": times, **sessions.row_columns(slots)}
    for column in MEASURES[ident.sample]:
        values = rows.column(column.name)
        if pa.types.is_dictionary(values.type):
            # Only the entries in use: the others were never judged, and may be anything.
            index = values.indices.to_numpy(zero_copy_only=False)
            used, codes = np.unique(index, return_inverse=True)
            out[column.name] = Coded(codes, values.dictionary.take(pa.array(used)).to_pylist())
        elif column.nullable and values.null_count == n:
            out[column.name] = Maybe(np.zeros(n, np.int64), np.ones(n, bool))
        elif column.nullable:
            out[column.name] = Maybe(numbers(rows, column.name), ~known(rows, column.name))
        else:
            out[column.name] = numbers(rows, column.name)
    offset, broker_ms = where
    fixed = {
        "epoch": ident.epoch,
        "kafka_partition": ident.partition,
        "sequence": ident.sequence,
        "kafka_offset": offset,
        "broker_time": broker_ms,
    }
    out |= {name: np.full(n, value, np.int64) for name, value in fixed.items()}
    out["source"] = Coded(np.zeros(n, np.int8), [ident.source])
    out["row"] = np.asarray(numbers_of_rows, np.int64)
    out["late"] = late.astype(np.int64)
    return out


def session_columns(new: list[Session]) -> TableColumns:
    """Rows of the `sessions` table."""
    texts = [n for n in Session.__slots__ if n not in {"since", "streamer_certified"}]
    out: TableColumns = {name: [getattr(s, name) for s in new] for name in texts}
    certified = [s.streamer_certified for s in new]
    out["streamer_certified"] = Maybe(
        np.array([bool(c) for c in certified]), np.array([c is None for c in certified])
    )
    return out | {"first_seen": np.array([s.since * MINUTE_MS for s in new], np.int64)}


def indicator_columns(
    minute: int,
    slots: Ints,
    rolling: Rolling,
    sessions: Sessions,
    gauges: dict[str, Ints],
) -> TableColumns:
    """Rows of `indicators_session` for `slots`, as of the closed `minute`."""
    figures = table_columns(
        lambda name: [w[slots] for w in rolling.windows(name, minute, WINDOWS)],
        {name: rolling.day(name, minute)[slots] for name in rolling.hourly},
    )
    out: TableColumns = {
        "minute": np.full(len(slots), minute * 60, np.int64),
        "platform_id": Coded(sessions.platform[slots], sessions.platforms),
        "category": Coded(sessions.category[slots], CATEGORIES),
        "district": Coded(sessions.district[slots], DISTRICTS),
        "session_id": sessions.id[slots],
        "merchant_pid": sessions.merchant_pid[slots],
        "closed": np.ones(len(slots), np.int64),
    }
    out |= {name: values[slots] for name, values in gauges.items()}
    return out | nullable(figures)


def nullable(figures: dict[str, npt.NDArray[Any]]) -> TableColumns:
    """Figures that can be unknown (NaN) become nullable columns; I04 and I11 always exist."""
    maybe = ("i06", "i09", "i22")
    return {k: from_nan(v) if k.startswith(maybe) else v for k, v in figures.items()}
