"""Replay on small files of the two shapes that are at hand: a count series, and one row a case."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from producers.batcher import SealedBatch, SealPolicy
from producers.delivery import RunOptions
from producers.errors import UsageError
from producers.ledger import read_ledger
from producers.replay.mapping import Mapping
from producers.replay.rows import RowMaker
from producers.replay.run import ReplayRun
from producers.replay.series import Series
from schemas.batch import decode
from schemas.telemetry import SampleType

# as nab/*.csv: mentions per five minutes
COUNTS = (
    "timestamp,value\n2025-02-26 21:42:53,104\n2025-02-26 21:47:53,100\n2025-02-26 21:52:53,99\n"
)
# as nyc_311.csv: one complaint a row, newest first, times of New York without a zone
CASES = """created,complaint_type,descriptor,borough
3/14/2025 1:20,Noise,"Loud, music",BROOKLYN
3/14/2025 0:44,Noise,Party,QUEENS
3/9/2025 0:10,Heating,None at all,BROOKLYN
"""
SECRET = b"0123456789abcdef"
COMPLAINTS = SampleType.COMPLAINTS


class Memory:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[SealedBatch] = []
        self.in_flight = self.resent = 0

    def send(self, batch: SealedBatch) -> None:
        self.sent.append(batch)

    def flush(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        pass


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def replay(
    path: Path, mapping: Mapping, *, sort: bool = False, start_ms: int | None = None,
    speed: float | None = None,
) -> tuple[pa.Table, dict[str, object], Memory]:  # fmt: skip
    series = Series(path, mapping, sort)
    survey = series.survey()
    maker = RowMaker(mapping, SECRET, path.stem, 4)
    start = survey.first_ms if start_ms is None else start_ms
    options = RunOptions(path.parent / "out", SealPolicy(max_rows=2), overwrite=True)
    sink = Memory()
    run = ReplayRun(
        series, survey, maker, start, speed, ("p01", "replay-1"), options, sink, threading.Event()
    )
    summary = run.run()
    for batch in sink.sent:
        assert decode(batch.value, batch.header, 2**52).refused == []
    tables = [b.rows for b in sink.sent if b.rows is not None]
    return pa.Table.from_batches(tables), summary, sink


def times(table: pa.Table) -> list[str]:
    return sorted(t.isoformat() for t in table.column("event_time").to_pylist())


def test_a_series_of_counts_keeps_its_times_and_values(tmp_path: Path) -> None:
    mapping = Mapping(COMPLAINTS, "timestamp", count_column="value")
    table, summary, _ = replay(write(tmp_path / "a.csv", COUNTS), mapping)
    assert sorted(table.column("complaints").to_pylist()) == [99, 100, 104]
    assert times(table)[0] == "2025-02-26T21:42:53+00:00"
    assert set(table.column("code").to_pylist()) == {"C99"}
    assert len(set(table.column("session_id").to_pylist())) == 1
    assert summary["complete"]
    entries = list(read_ledger(tmp_path / "out" / "ledger.jsonl"))
    assert sum(e.sums["complaints"] for e in entries) == 303


def test_a_series_is_shifted_as_a_whole(tmp_path: Path) -> None:
    mapping = Mapping(COMPLAINTS, "timestamp", count_column="value")
    path = write(tmp_path / "a.csv", COUNTS)
    table, summary, _ = replay(path, mapping, start_ms=1_800_000_000_000)
    stamps = sorted(table.column("event_time").cast(pa.int64()).to_pylist())
    assert stamps == [1_800_000_000_000 + 300_000 * i for i in range(3)]
    assert summary["event_start_ms"] == 1_800_000_000_000


def test_one_row_a_case_counts_one_each_and_hides_its_texts(tmp_path: Path) -> None:
    mapping = Mapping(
        COMPLAINTS,
        "created",
        "%m/%d/%Y %H:%M",
        "America/New_York",
        entity_column="complaint_type",
        constants={"category": "household", "district": "310101"},
    )
    table, _, sink = replay(write(tmp_path / "c.csv", CASES), mapping, sort=True)
    assert table.column("complaints").to_pylist() == [1, 1, 1]
    # the clocks were put forward on 9 March
    assert times(table)[0] == "2025-03-09T05:10:00+00:00"
    assert times(table)[2] == "2025-03-14T05:20:00+00:00"
    entities = Counter(table.column("merchant_pid").to_pylist())
    assert sorted(entities.values()) == [1, 2]
    wire = b"".join(b.value for b in sink.sent)
    for text in (b"Noise", b"Loud", b"BROOKLYN", b"Heating"):
        assert text not in wire


def test_pseudonyms_differ_by_kind_of_entity_and_by_secret(tmp_path: Path) -> None:
    mapping = Mapping(COMPLAINTS, "timestamp", count_column="value")
    table, _, _ = replay(write(tmp_path / "a.csv", COUNTS), mapping)
    ids = {table.column(n)[0].as_py() for n in ("session_id", "room_pid", "merchant_pid")}
    assert len(ids) == 3
    other = RowMaker(mapping, b"another secret!!", "a", 4)
    assert other._pseudonym("session", "a") not in ids


def test_watermarks_go_along_and_end_with_a_goodbye(tmp_path: Path) -> None:
    mapping = Mapping(COMPLAINTS, "timestamp", count_column="value")
    path = write(tmp_path / "a.csv", COUNTS)
    _, summary, sink = replay(path, mapping, speed=1_000_000.0)
    last: dict[tuple[str, int], int] = {}
    for batch in sink.sent:
        key = (batch.header.identity.topic, batch.header.identity.partition)
        assert batch.header.watermark_ms >= last.get(key, 0)
        last[key] = batch.header.watermark_ms
    assert set(last.values()) == {int(str(summary["event_end_ms"]))}
    assert len(last) == 4 * len(SampleType)
    assert sum(batch.header.final for batch in sink.sent) == 4 * len(SampleType)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_other_formats(tmp_path: Path, kind: str) -> None:
    rows = [{"at": 1_750_000_000 + i, "n": i, "code": "C06"} for i in range(5)]
    path = tmp_path / f"x.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    else:
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    mapping = Mapping(COMPLAINTS, "at", "epoch-s", count_column="n", columns={"code": "code"})
    table, _, _ = replay(path, mapping)
    assert sorted(table.column("complaints").to_pylist()) == [0, 1, 2, 3, 4]
    assert set(table.column("code").to_pylist()) == {"C06"}


@pytest.mark.parametrize("sample", [SampleType.VIEWERS, SampleType.ORDERS])
def test_other_sample_types(tmp_path: Path, sample: SampleType) -> None:
    mapping = Mapping(sample, "timestamp", count_column="value")
    table, _, _ = replay(write(tmp_path / "a.csv", COUNTS), mapping)
    assert sorted(table.column(sample.value).to_pylist()) == [99, 100, 104]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"time_column": "when"}, r"has no column 'when'; it has timestamp, value"),
        ({"count_column": "timestamp"}, r"row 1: timestamp: must be a whole number from 0"),
        ({"time_format": "%d/%m"}, r"rows from 1: timestamp: must be a time \(%d/%m\)"),
        ({"columns": {"code": "value"}}, r"row 1: code: must be a code of the contract's list"),
    ],
)
def test_an_error_names_the_column_and_the_rule(
    tmp_path: Path, changes: dict[str, object], error: str
) -> None:
    arguments = {"time_column": "timestamp", "count_column": "value"} | changes
    mapping = Mapping(COMPLAINTS, **arguments)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=error):
        replay(write(tmp_path / "a.csv", COUNTS), mapping)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"constants": {"category": "cars"}}, "category: must be one of"),
        ({"constants": {"orders": "3"}}, "orders: complaints take only"),
        ({"constants": {"session_id": "x"}}, "session_id: complaints take only"),
        ({"constants": {"complaints": "many"}}, "complaints: must be a whole number"),
        ({"constants": {"code": "C01"}, "columns": {"code": "c"}}, "both a value and a column"),
    ],
)
def test_a_wrong_mapping_is_refused_before_reading(
    arguments: dict[str, dict[str, str]], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        Mapping(COMPLAINTS, "t", **arguments)  # type: ignore[arg-type]


def test_an_unsorted_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    mapping = Mapping(COMPLAINTS, "created", "%m/%d/%Y %H:%M")
    with pytest.raises(UsageError, match=r"row 2: created: .* give --sort"):
        Series(write(tmp_path / "c.csv", CASES), mapping).survey()


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.txt", "x", "must be .csv"),
        ("a.csv", "timestamp,value\n", "has no rows"),
        ("a.csv", "timestamp,value\n,3\n", "row 1: timestamp: must not be empty"),
        ("a.csv", "timestamp,value\n2019-01-01,3\n", "event_time: must not be before 2020"),
    ],
)
def test_files_that_cannot_be_replayed(tmp_path: Path, name: str, text: str, error: str) -> None:
    mapping = Mapping(COMPLAINTS, "timestamp", count_column="value")
    with pytest.raises(UsageError, match=error):
        replay(write(tmp_path / name, text), mapping)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        Series(tmp_path / "none.csv", Mapping(COMPLAINTS, "t")).survey()


def test_chunks_of_a_long_file_stay_in_order(tmp_path: Path) -> None:
    lines = (f"{1_750_000_000_000 + i},{i % 7}" for i in range(120_000))
    path = write(tmp_path / "long.csv", "t,n\n" + "\n".join(lines) + "\n")
    series = Series(path, Mapping(COMPLAINTS, "t", "epoch-ms", count_column="n"))
    assert series.survey().rows == 120_000
    maker = RowMaker(series.mapping, SECRET, "long", 4)
    chunks = list(series.rows(maker, 0))
    assert len(chunks) > 1
    assert sum(c.rows.num_rows for c in chunks) == 120_000


def test_reviews_with_a_certificate_from_a_column(tmp_path: Path) -> None:
    text = "at,who,ok\n2025-03-14 01:00:00,human,true\n2025-03-14 01:00:10,machine,false\n"
    mapping = Mapping(
        SampleType.REVIEWS, "at", constants={"outcome": "warned", "brand_type": "emerging"},
        columns={"mode": "who", "streamer_certified": "ok"},
    )  # fmt: skip
    table, _, _ = replay(write(tmp_path / "r.csv", text), mapping)
    assert table["mode"].to_pylist() == ["human", "machine"]
    assert table["streamer_certified"].to_pylist() == [True, False]
    assert set(table["outcome"].to_pylist()) == {"warned"}
    assert set(table["brand_type"].to_pylist()) == {"emerging"}
    assert table["reviews"].to_pylist() == [1, 1]


def test_a_certificate_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="streamer_certified: must be true or false"):
        Mapping(SampleType.REVIEWS, "at", constants={"streamer_certified": "yes"})
    path = write(tmp_path / "r.csv", "at,ok\n2025-03-14 01:00:00,perhaps\n")
    mapping = Mapping(SampleType.REVIEWS, "at", columns={"streamer_certified": "ok"})
    with pytest.raises(UsageError, match="ok: must be true or false"):
        replay(path, mapping)
