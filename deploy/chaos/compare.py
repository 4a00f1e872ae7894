"""After a round: the books against SQL, indicators against raw rows, flags against each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deploy.chaos.book import Book, Booked
from deploy.check.ledger_vs_sql import Packing, compare_sets
from deploy.check.warehouse import Warehouse
from producers.ledger import LedgerEntry
from schemas.telemetry import ARROW, MEASURES, SampleType

_MINUTE = 60
Sums = dict[str, tuple[int, ...]]


@dataclass
class RowFindings:
    """Of all sample types together. `sessions`: those whose sums differ."""

    samples: int = 0
    missing: int = 0
    duplicates: int = 0
    unknown: int = 0
    wrong_sessions: int = 0
    late: int = 0


def others_sql(platforms: Iterable[str]) -> str:
    """A condition: rows of other platforms than these."""
    return " AND ".join(["1", *(f"platform_id != '{name}'" for name in platforms)])


def compare_rows(
    books: Iterable[Path], warehouse: Warehouse, numbered: Iterable[str] = ()
) -> RowFindings:
    """Identities as sets, and every measure's sum per session; not of the platforms `numbered`,
    whose batches somebody else has numbered."""
    others = others_sql(numbered)
    batches = [b for path in books for b in read_book(path) if b.fate == ""]
    entries = [_entry(b) for b in batches]
    packing = Packing()
    packing.number(entries)
    found = RowFindings()
    for sample in SampleType:
        mine = [e for e in entries if e.topic == sample.topic]
        view, known = f"v_{sample.value}", packing.known_sql()
        stored = warehouse.u64_column(
            f"SELECT {packing.sql()} FROM {view} WHERE {known} AND {others}"  # noqa: S608
        )
        one = compare_sets(packing.pack(mine), stored)
        strangers = warehouse.rows(
            f"SELECT countIf(NOT {known}), sum(late) FROM {view} WHERE {others}"  # noqa: S608
        )
        found.samples += one.produced
        found.missing += one.missing
        found.duplicates += one.duplicates
        found.unknown += one.unknown + int(strangers[0][0])
        found.late += int(strangers[0][1] or 0)
        values = [b.value for b in batches if b.header.identity.topic == sample.topic]
        found.wrong_sessions += differing(
            sums_of(sample, values), _stored_sums(sample, warehouse, others)
        )
    return found


def read_book(path: Path) -> list[Booked]:
    """All batches with rows of one book."""
    book = Book(path)
    try:
        return list(book.batches())
    finally:
        book.close()


def _entry(batch: Booked) -> LedgerEntry:
    ident, header = batch.header.identity, batch.header
    return LedgerEntry(
        ident.platform_id, ident.source, ident.epoch, ident.topic, ident.partition,
        ident.sequence, header.rows, {}, 0, 0, header.watermark_ms, 0, header.sent_ms,
    )  # fmt: skip


def measures_of(sample: SampleType) -> list[str]:
    """What is summed: all that is a number."""
    return [c.name for c in MEASURES[sample] if c.allowed is None]


def sums_of(sample: SampleType, values: Iterable[bytes]) -> Sums:
    """Sums per session of what was sent, from the bytes themselves."""
    names = measures_of(sample)
    tables = []
    for value in values:
        with pa.ipc.open_stream(value) as reader:
            tables.append(_selected(reader.read_next_batch(), sample, ["session_id", *names]))
    if not tables:
        return {}
    grouped = (
        pa.Table.from_batches(tables)
        .group_by("session_id")
        .aggregate([(name, "sum") for name in names])
    )
    columns = [grouped.column(f"{name}_sum").fill_null(0).to_pylist() for name in names]
    sessions = grouped.column("session_id").to_pylist()
    return dict(zip(sessions, zip(*columns, strict=True), strict=True))


def _selected(rows: pa.RecordBatch, sample: SampleType, names: list[str]) -> pa.RecordBatch:
    """Columns by name; null where the batch left one out."""
    fields, there = [ARROW[sample].field(n) for n in names], set(rows.schema.names)
    arrays = [
        rows.column(f.name) if f.name in there else pa.nulls(rows.num_rows, f.type) for f in fields
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _stored_sums(sample: SampleType, warehouse: Warehouse, others: str) -> Sums:
    sums = ", ".join(f"toInt64(ifNull(sum({n}), 0))" for n in measures_of(sample))
    sql = f"SELECT session_id, {sums} FROM v_{sample.value} WHERE {others} GROUP BY session_id"  # noqa: S608
    return {row[0]: tuple(row[1:]) for row in warehouse.rows(sql)}


def differing(mine: Sums, stored: Sums) -> int:
    return sum(mine.get(s) != stored.get(s) for s in mine.keys() | stored.keys())


# -- indicators ---------------------------------------------------------------------------------

_WINDOWS = (1, 5, 15, 60)
_SUMS = {"orders": "v_orders", "paid_fen": "v_orders", "complaints": "v_complaints"}
_TABLES = {
    "v_indicators_session": "session_id",
    "v_indicators_cell": "concat(platform_id, '/', category, '/', district)",
}


@dataclass
class IndicatorFindings:
    """`wrong`: (row, column) pairs that differ, and minutes with raw rows that have no row."""

    checked: int = 0
    wrong: int = 0
    first: list[str] = field(default_factory=list)


def compare_indicators(warehouse: Warehouse) -> IndicatorFindings:
    """Every closed row of both tables, every window, from the raw rows that were on time."""
    found = IndicatorFindings()
    for table, key in _TABLES.items():
        for measure, view in _SUMS.items():
            raw = warehouse.rows(
                f"SELECT {key} AS k, toUnixTimestamp(toStartOfMinute(event_time)),"  # noqa: S608
                f" toInt64(sum({measure})) FROM {view} WHERE late = 0 GROUP BY 1, 2"
            )
            columns = ", ".join(f"toInt64({measure}_{w}m)" for w in _WINDOWS)
            told = warehouse.rows(
                f"SELECT {key} AS k, toUnixTimestamp(minute), {columns}"  # noqa: S608
                f" FROM {table} WHERE closed = 1"
            )
            for line in wrong_windows(raw, told):
                found.wrong += 1
                found.first = [*found.first, f"{table} {measure} {line}"][:10]
            found.checked += len(told) * len(_WINDOWS)
    return found


def wrong_windows(raw: list[tuple[Any, ...]], told: list[tuple[Any, ...]]) -> list[str]:
    """`raw`: (key, minute start s, sum); `told`: the same with one sum per window.

    A line for each figure that differs, and for each minute with a raw sum and no figure.
    """
    if not raw and not told:
        return []
    minutes = [row[1] // _MINUTE for row in (*raw, *told)]
    first, length = min(minutes), max(minutes) - min(minutes) + 1
    keys = {key: i for i, key in enumerate({row[0] for row in (*raw, *told)})}
    grid = np.zeros((len(keys), length), np.int64)
    shown = np.zeros((len(keys), length), bool)
    for key, at, total in raw:
        grid[keys[key], at // _MINUTE - first] += total
    running = np.concatenate([np.zeros((len(keys), 1), np.int64), grid.cumsum(axis=1)], axis=1)
    wrong = []
    for key, at, *sums in told:
        k, m = keys[key], at // _MINUTE - first
        shown[k, m] = True
        for window, total in zip(_WINDOWS, sums, strict=True):
            expected = int(running[k, m + 1] - running[k, max(0, m + 1 - window)])
            if expected != total:
                wrong.append(f"{key} minute {at} over {window} min: {total}, not {expected}")
    for k, m in np.argwhere((grid != 0) & ~shown).tolist():
        wrong.append(f"key {k} minute {(first + m) * _MINUTE}: no figure")
    return wrong


# -- what was done on purpose -------------------------------------------------------------------


@dataclass
class DeedFindings:
    """Batches dropped on purpose and the gaps counted; refused ones and those in the DLQ."""

    dropped: int = 0
    gaps: int = 0
    ahead: int = 0
    refused: int = 0


def compare_deeds(book: Path, warehouse: Warehouse, refused: set[str]) -> DeedFindings:
    """`refused`: ids (`ce_id`) of the batches of the source `ahead` in the dead-letter topic."""
    batches = read_book(book)
    dropped = sum(b.fate == "drop" for b in batches)
    ahead = {b.header.identity.id for b in batches if b.fate == "ahead"}
    told = warehouse.rows(
        "SELECT sum(g) FROM (SELECT argMax(gaps, minute) AS g FROM v_completeness"
        " WHERE source = 'unruly' GROUP BY topic, kafka_partition, epoch)"
    )
    return DeedFindings(dropped, int(told[0][0] or 0), len(ahead), len(ahead & refused))
