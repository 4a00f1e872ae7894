"""Row identities: the producer's own book against what SQL sees, as sets.

Counts could agree while one lost row hides one doubled row; sets cannot. An identity
(platform, source, epoch, partition, sequence, row) is packed into 64 bits, so that millions
are compared by sorting one array.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deploy.check.warehouse import U64, Warehouse
from producers.ledger import LedgerEntry, read_ledger
from schemas.telemetry import MEASURES, SampleType

# Bits of source, partition, sequence and row: 64 together.
_SOURCE, _PARTITION, _SEQUENCE, _ROW = 12, 10, 29, 13
_MAX = {"source": 2**_SOURCE - 1, "partition": 2**_PARTITION - 1}
_SOURCE_SQL = "concat(platform_id, '/', source, '/', toString(epoch))"
_MAX |= {"sequence": 2**_SEQUENCE - 1, "row": 2**_ROW - 1}


@dataclass(frozen=True)
class Comparison:
    """Of one sample type. `duplicates`: rows that a view shows beyond the first of an identity;
    `unknown`: identities that the ledger does not have; `wrong_sums`: measures whose totals
    differ from the ledger's."""

    produced: int
    stored: int
    missing: int
    duplicates: int
    unknown: int
    wrong_sums: int = 0

    @property
    def exact(self) -> bool:
        return not (self.missing or self.duplicates or self.unknown or self.wrong_sums)

    def as_json(self) -> dict[str, int]:
        return asdict(self)


class Packing:
    """Numbers sources and packs identities; the highest value of each part is never in a book,
    so that what does not fit is seen as unknown."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def number(self, entries: Iterable[LedgerEntry]) -> None:
        """Give every source its number, so that one packing serves all sample types."""
        for entry in entries:
            self._head(entry)

    def pack(self, entries: Iterable[LedgerEntry]) -> U64:
        """One number per row of the batches. Raises ValueError when a part does not fit."""
        heads, rows = [], []
        for entry in entries:
            heads.append(self._head(entry))
            rows.append(entry.rows)
        counts = np.asarray(rows, np.int64)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        row = np.arange(int(counts.sum()), dtype=np.int64) - first
        return np.repeat(np.asarray(heads, np.uint64), counts) | row.astype(np.uint64)

    def _head(self, entry: LedgerEntry) -> int:
        source = f"{entry.platform_id}/{entry.source}/{entry.epoch}"
        code = self._codes.setdefault(source, len(self._codes))
        parts = {"source": code, "partition": entry.partition, "sequence": entry.sequence}
        for name, value in (parts | {"row": entry.rows - 1}).items():
            if not -1 <= value < _MAX[name]:
                raise ValueError(f"{name} {value} is too large to compare")
        head = code << (_PARTITION + _SEQUENCE + _ROW)
        return head | entry.partition << (_SEQUENCE + _ROW) | entry.sequence << _ROW

    def known_sql(self) -> str:
        """SQL condition over a v_ view: the row is of a source that has been numbered."""
        return f"{_SOURCE_SQL} IN ({self._names()})"

    def _names(self) -> str:
        return ", ".join(f"'{name}'" for name in self._codes) or "''"

    def sql(self) -> str:
        """The same number as an SQL expression over a v_ view."""
        codes = ", ".join(str(code) for code in range(max(len(self._codes), 1)))
        numbered = f"transform({_SOURCE_SQL}, [{self._names()}], [{codes}], {_MAX['source']})"
        return (
            f"bitShiftLeft(toUInt64({numbered}),"
            f" {_PARTITION + _SEQUENCE + _ROW})"
            f" + bitShiftLeft(toUInt64(least(kafka_partition, {_MAX['partition']})),"
            f" {_SEQUENCE + _ROW})"
            f" + bitShiftLeft(toUInt64(least(sequence, {_MAX['sequence']})), {_ROW})"
            f" + toUInt64(least(row, {_MAX['row']}))"
        )


def compare_sets(produced: U64, stored: U64, wrong_sums: int = 0) -> Comparison:
    """Set differences of two arrays of packed identities; the ledger's are unique by nature."""
    unique = np.unique(stored)
    common = np.intersect1d(produced, unique, assume_unique=True).size
    return Comparison(
        produced=produced.size,
        stored=stored.size,
        missing=produced.size - common,
        duplicates=stored.size - unique.size,
        unknown=unique.size - common,
        wrong_sums=wrong_sums,
    )


def compare(ledgers: Iterable[Path], warehouse: Warehouse) -> dict[SampleType, Comparison]:
    """Every row of the ledgers against the views. Raises producers.errors.UsageError for a
    file that is not a ledger."""
    return compare_entries([e for path in ledgers for e in read_ledger(path)], warehouse)


def compare_entries(
    entries: list[LedgerEntry], warehouse: Warehouse
) -> dict[SampleType, Comparison]:
    """The same for batches that were read already."""
    packing = Packing()
    packing.number(entries)
    found = {}
    for sample in SampleType:
        mine = [entry for entry in entries if entry.topic == sample.topic]
        view, known = f"v_{sample.value}", packing.known_sql()
        stored = warehouse.u64_column(
            f"SELECT {packing.sql()} AS id FROM {view} WHERE {known}"  # noqa: S608 - own names
        )
        others = warehouse.rows(f"SELECT countIf(NOT {known}) FROM {view}")[0][0]  # noqa: S608
        wrong = _wrong_sums(view, sample, mine, warehouse, known)
        result = compare_sets(packing.pack(mine), stored, wrong)
        found[sample] = replace(result, unknown=result.unknown + int(others))
    return found


def produced_rows(ledgers: Iterable[Path]) -> dict[SampleType, int]:
    """Rows in the books, per sample type."""
    rows = dict.fromkeys(SampleType, 0)
    for path in ledgers:
        for entry in read_ledger(path):
            rows[entry.identity.sample] += entry.rows
    return rows


def _wrong_sums(
    view: str, sample: SampleType, entries: list[LedgerEntry], warehouse: Warehouse, known: str
) -> int:
    """Measures whose total in SQL is not the ledger's."""
    names = [column.name for column in MEASURES[sample] if column.allowed is None]
    sums = ", ".join(f"toInt64(ifNull(sum({name}), 0))" for name in names)
    told = warehouse.rows(f"SELECT {sums} FROM {view} WHERE {known}")[0]  # noqa: S608 - own names
    totals: npt.NDArray[np.int64] = np.zeros(len(names), np.int64)
    for entry in entries:
        totals += [entry.sums.get(name, 0) for name in names]
    return int((totals != np.asarray(told, np.int64)).sum())
