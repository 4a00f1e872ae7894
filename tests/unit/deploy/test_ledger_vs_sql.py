"""Missing, doubled and unknown rows never cancel each other."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.check.ledger_vs_sql import Packing, compare_sets
from producers.ledger import LedgerEntry
from schemas.telemetry import SampleType


def _entry(
    sequence: int = 0, rows: int = 3, partition: int = 0, source: str = "sim-1", epoch: int = 7
) -> LedgerEntry:
    topic = SampleType.ORDERS.topic
    return LedgerEntry("alpha", source, epoch, topic, partition, sequence, rows, {}, 0, 0, 0, 0, 0)


def test_every_row_of_every_batch_has_a_number_of_its_own() -> None:
    entries = [
        _entry(0), _entry(1), _entry(0, partition=1), _entry(0, source="sim-2"), _entry(0, epoch=8),
        _entry(5, rows=0),
    ]  # fmt: skip
    packed = Packing().pack(entries)
    assert packed.size == 15
    assert np.unique(packed).size == 15


def test_the_same_identity_has_the_same_number_again() -> None:
    packing = Packing()
    first = packing.pack([_entry(0), _entry(0, source="sim-2")])
    assert (packing.pack([_entry(0, source="sim-2")]) == first[3:]).all()


def test_equal_sets_are_exact() -> None:
    produced = Packing().pack([_entry(0), _entry(1)])
    result = compare_sets(produced, produced[::-1].copy())
    assert result.exact
    assert (result.produced, result.stored) == (6, 6)


def test_one_lost_and_one_doubled_row_are_both_seen() -> None:
    produced = Packing().pack([_entry(0), _entry(1)])
    stored = np.append(produced[1:], produced[3])
    result = compare_sets(produced, stored)
    assert (result.missing, result.duplicates, result.unknown) == (1, 1, 0)
    assert result.produced == result.stored, "the counts alone would have agreed"
    assert not result.exact


def test_a_row_that_nobody_produced_is_unknown() -> None:
    packing = Packing()
    produced = packing.pack([_entry(0)])
    stored = np.append(produced, packing.pack([_entry(9, rows=1)]))
    result = compare_sets(produced, stored)
    assert (result.missing, result.duplicates, result.unknown) == (0, 0, 1)


def test_nothing_produced_and_nothing_stored_is_exact() -> None:
    empty = Packing().pack([])
    assert compare_sets(empty, empty).exact


@pytest.mark.parametrize(
    "entry", [_entry(2**29), _entry(rows=9000), _entry(partition=2000)], ids=str
)
def test_what_does_not_fit_is_refused_rather_than_confused(entry: LedgerEntry) -> None:
    with pytest.raises(ValueError, match="too large"):
        Packing().pack([entry])
