"""Minor versions of the contract side by side: kept batches of each release, read by every other.

`tests/fixtures/contract/<version>/` holds what that version wrote, with the headers and the rows;
it is never made anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from producers.batcher import EMPTY
from schemas.batch import decode, encode, lean, read_value
from schemas.errors import ContractError
from schemas.identity import BatchHeader, BatchIdentity, from_headers, to_headers
from schemas.telemetry import ARROW, MINOR, SampleType, arrow_schema, columns

KEPT = Path(__file__).parents[2] / "fixtures" / "contract"
NOW = 1_790_000_000_000
BATCHES = [
    (int(folder.name.split(".")[1]), SampleType(file.stem))
    for folder in sorted(KEPT.glob("1.*"))
    for file in sorted(folder.glob("*.arrows"))
]


def kept(minor: int, sample: SampleType) -> bytes:
    return (KEPT / f"1.{minor}" / f"{sample.value}.arrows").read_bytes()


def header_of(minor: int, sample: SampleType) -> BatchHeader:
    text = (KEPT / f"1.{minor}" / f"{sample.value}.headers.json").read_text("utf-8")
    pairs = [(k, v.encode()) for k, v in json.loads(text).items()]
    return from_headers(pairs, sample.topic, 2)


def rows_of(minor: int, sample: SampleType, reader: int) -> list[dict[str, Any]]:
    """What the kept rows are to a reader of that minor version: absent is null."""
    text = (KEPT / f"1.{minor}" / "rows.json").read_text("utf-8")
    names = [c.name for c in columns(sample, reader)]
    return [{n: row.get(n) for n in names} for row in json.loads(text)[sample.value]]


def plain(table: pa.RecordBatch) -> list[dict[str, Any]]:
    at = table.schema.get_field_index("event_time")
    return table.set_column(at, "event_time", table.column(at).cast(pa.int64())).to_pylist()


def test_every_released_minor_version_is_kept() -> None:
    assert {minor for minor, _ in BATCHES} == set(range(MINOR + 1))
    for minor in range(MINOR + 1):
        assert {t for m, t in BATCHES if m == minor} == {t for t in SampleType if t.since <= minor}


@pytest.mark.parametrize(("minor", "sample"), BATCHES)
def test_the_newest_reader_reads_what_each_version_wrote(minor: int, sample: SampleType) -> None:
    header = header_of(minor, sample)
    assert header.minor == minor
    found = decode(kept(minor, sample), header, NOW)
    assert found.refused == []
    assert found.table.schema.equals(ARROW[sample])
    assert plain(found.table) == rows_of(minor, sample, MINOR)


@pytest.mark.parametrize(("minor", "sample"), BATCHES)
def test_an_older_reader_sees_what_it_knows(minor: int, sample: SampleType) -> None:
    for reader in range(sample.since, MINOR + 1):
        table = read_value(kept(minor, sample), sample, minor, reader)
        assert table.schema.equals(arrow_schema(sample, reader))
        assert plain(table) == rows_of(minor, sample, reader)


def test_columns_of_a_newer_version_are_neither_seen_nor_stored() -> None:
    rows = read_value(kept(MINOR, SampleType.ORDERS), SampleType.ORDERS)
    secret = pa.array(["13800138000"] * rows.num_rows)
    newer = rows.add_column(3, "phone", secret).append_column("seat", secret.dictionary_encode())
    for declared, reader in ((MINOR + 1, MINOR), (9_999, 0)):
        table = read_value(encode(newer), SampleType.ORDERS, declared, reader)
        assert table.schema.equals(arrow_schema(SampleType.ORDERS, reader))
        assert b"13800138000" not in encode(table)
    with pytest.raises(ContractError, match="schema: has a column that the contract does not list"):
        read_value(encode(newer), SampleType.ORDERS, MINOR, MINOR)


def test_an_old_name_brings_no_new_columns() -> None:
    """Strict: under a version that is known nothing passes that it did not list."""
    value = kept(1, SampleType.ORDERS)
    with pytest.raises(ContractError, match="does not list"):
        read_value(value, SampleType.ORDERS, declared=0)


def test_reviews_are_not_of_version_1_0() -> None:
    header = header_of(1, SampleType.REVIEWS)
    pairs = [(n, v) for n, v in to_headers(header) if n != "ce_dataschema"]
    with pytest.raises(ContractError, match=r"ce_dataschema: must be 1\.1 or newer"):
        from_headers(pairs, SampleType.REVIEWS.topic, 2)


@pytest.mark.parametrize("sample", list(SampleType))
def test_what_holds_nothing_may_be_left_out(sample: SampleType) -> None:
    rows = read_value(kept(1, sample), sample)
    second = rows.slice(1)  # of the kept rows the one that tells nothing more than 1.0
    thin = lean(second, sample)
    assert thin.schema.names == [c.name for c in columns(sample, 0)]
    assert plain(read_value(encode(thin), sample)) == plain(second)
    assert lean(rows, sample).schema.equals(rows.schema)
    assert lean(rows.slice(0, 0), sample).schema.names == thin.schema.names


def test_a_required_column_may_not() -> None:
    rows = read_value(kept(1, SampleType.ORDERS), SampleType.ORDERS)
    for name in [c.name for c in columns(SampleType.ORDERS, 0)]:
        with pytest.raises(ContractError, match="column is missing"):
            read_value(encode(rows.drop_columns([name])), SampleType.ORDERS)


def test_a_heartbeat_of_today_is_read_by_a_reader_of_1_0() -> None:
    for sample in SampleType:
        table = read_value(EMPTY[sample], sample, MINOR, sample.since)
        assert table.num_rows == 0


# -- FULL_TRANSITIVE: what each release may do to the one before -------------------------------

# Columns by minor version, as released: name -> (type, nullable, pattern, maximum). Written down
# when the version came out; the test below holds today's declarations against it.
RELEASED = json.loads((KEPT / "released.json").read_text("utf-8"))


def described(sample: SampleType, minor: int) -> dict[str, Any]:
    return {
        c.name: {
            "type": str(c.type),
            "nullable": c.nullable,
            "pattern": c.pattern,
            "maximum": c.maximum,
            "codes": sorted(c.allowed) if c.allowed else None,
        }
        for c in columns(sample, minor)
    }


@pytest.mark.parametrize("minor", range(MINOR + 1))
def test_nothing_released_is_removed_changed_or_tightened(minor: int) -> None:
    for name, was in RELEASED[f"1.{minor}"].items():
        now = described(SampleType(name), MINOR)
        assert list(was) == [c for c in now if c in was], "the order stays"
        for column, old in was.items():
            new = now[column]
            assert (new["type"], new["pattern"]) == (old["type"], old["pattern"])
            assert new["nullable"] or not old["nullable"], f"{column} was optional"
            assert (new["maximum"] or 0) >= (old["maximum"] or 0), f"{column} is tightened"
            assert set(new["codes"] or ()) >= set(old["codes"] or ()), f"{column} lost a code"


def test_a_minor_version_adds_only_optional_columns() -> None:
    for minor in range(1, MINOR + 1):
        before, after = RELEASED[f"1.{minor - 1}"], RELEASED[f"1.{minor}"]
        assert before.keys() <= after.keys()
        for name in before:
            assert before[name].keys() <= after[name].keys()
            for column in after[name].keys() - before[name].keys():
                assert after[name][column]["nullable"], f"{column} is new and not optional"


def test_what_is_released_is_what_is_declared() -> None:
    """A change of the newest version after its release is a new minor version."""
    for minor in range(MINOR + 1):
        now = {t.value: described(t, minor) for t in SampleType if t.since <= minor}
        was = RELEASED[f"1.{minor}"]
        assert {t: list(cs) for t, cs in now.items()} == {t: list(cs) for t, cs in was.items()}


def test_the_identity_says_which_version_it_is() -> None:
    ident = BatchIdentity("p01", "s", 1, SampleType.ORDERS.topic, 0, 0)
    told = dict(to_headers(BatchHeader(ident, 0, NOW, NOW)))
    assert told["ce_dataschema"] == f"urn:livewatch:telemetry:orders:1.{MINOR}".encode()
    assert "ce_dataschema" not in dict(to_headers(BatchHeader(ident, 0, NOW, NOW, minor=0)))
