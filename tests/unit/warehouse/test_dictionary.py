"""A dictionary may hold entries that no row uses: they were never judged and go nowhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.core.columns import Coded
from pipelines.core.fold.rows import raw_columns
from pipelines.core.fold.sessions import Sessions
from schemas.batch import decode, encode
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import SampleType
from tests.unit.protocol.world import START, Sample, record_batch, session_ids


def test_unused_entries_are_left_behind() -> None:
    kind = SampleType.COMPLAINTS
    rows = record_batch([Sample(kind, "s", session_ids(1)[0], START, 1)] * 2)
    at = rows.schema.get_field_index("code")
    strange = pa.DictionaryArray.from_arrays(
        pa.array([2, 2], pa.int16()), pa.array([None, "13812345678", "C04"])
    )
    rows = rows.set_column(at, rows.schema.field(at), strange)
    header = BatchHeader(BatchIdentity("p01", "s", 1, kind.topic, 0, 0), 2, START, START)
    batch = decode(encode(rows), header, START)
    sessions = Sessions(0, 2)
    slots = sessions.find(batch.table, "p01", START // 60_000)
    late = np.zeros(2, bool)
    times = np.full(2, START)
    out = raw_columns(batch, np.arange(2), slots, times, late, sessions, (0, START))["code"]
    assert isinstance(out, Coded)
    assert list(out.values) == ["C04"]
    assert out.codes.tolist() == [0, 0]
