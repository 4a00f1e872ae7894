"""How fast one core folds: decode, fold and close without Kafka or ClickHouse.

    python -m benchmarks.fold [--profile] [--contract-1.0]

Prints one JSON object: rows per second of each step.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time

import numpy as np
import pyarrow as pa

from pipelines.agents.fold import FoldStage
from pipelines.agents.stage import Record
from pipelines.core.columns import concat
from pipelines.core.fold.clock import TopicClock
from pipelines.instruments import Instruments
from pipelines.warehouse.native import encode_column
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.sharding import shard_of
from schemas.telemetry import MEASURES, MINOR, SampleType, arrow_schema

SESSIONS = 6_000
ROWS = 500
MINUTES = 6
START_MS = 1_790_000_000_000 // 60_000 * 60_000


def sessions(rng: np.random.Generator) -> dict[str, pa.Array]:
    """Dimensions of sessions that all hash to partition 0 of 4."""
    ids = [rng.bytes(16).hex() for _ in range(SESSIONS * 5)]
    mine = np.flatnonzero(shard_of([i.encode() for i in ids], 4) == 0)[:SESSIONS]
    own = [ids[i] for i in mine]
    shops = [rng.bytes(16).hex() for _ in range(SESSIONS // 3)]
    pick = rng.integers(0, len(shops), len(own))

    def coded(values: list[str]) -> pa.Array:
        index = pa.array(rng.integers(0, len(values), len(own)), pa.int16())
        return pa.DictionaryArray.from_arrays(index, pa.array(values))

    return {
        "session_id": pa.array(own),
        "room_pid": pa.array(own),
        "streamer_pid": pa.array(own),
        "mcn_pid": pa.array(own),
        "merchant_pid": pa.array([shops[i] for i in pick]),
        "base_id": coded(["base-1", "base-2"]),
        "district": coded(["310101", "310104", "310115"]),
        "category": coded(["food", "apparel", "cosmetics"]),
        "scenario": coded(["night_food", "first_launch"]),
        "venue_id": coded(["xujiahui", "lujiazui"]),
        "origin_region": coded(["310000", "530000"]),
        "brand_type": coded(["emerging", "flagship"]),
        "streamer_certified": pa.array(rng.random(len(own)) < 0.7),
        "streamer_tier": coded(["head", "mid", "tail"]),
    }


def records(rng: np.random.Generator, minor: int) -> list[Record]:
    """Every session every 10 s: viewers and orders; a few complaints; from 1.1 on a review a
    minute."""
    dims = sessions(rng)
    count = len(dims["session_id"])
    out: list[Record] = []
    sequence = dict.fromkeys(SampleType, 0)
    for tick in range(MINUTES * 6):
        at = START_MS + tick * 10_000
        for sample in SampleType:
            picks = np.arange(count)
            if sample is SampleType.COMPLAINTS:
                picks = rng.integers(0, count, 5)
            elif sample is SampleType.REVIEWS:
                picks = np.flatnonzero(np.arange(count) % 6 == tick % 6) if minor else picks[:0]
            if not len(picks):
                continue
            for start in range(0, len(picks), ROWS):
                some = pa.array(picks[start : start + ROWS])
                columns = {k: v.take(some) for k, v in dims.items()}
                n = len(some)
                for c in MEASURES[sample]:
                    if pa.types.is_dictionary(c.type):
                        value = sorted(c.allowed or ())[0]
                        columns[c.name] = pa.array([value] * n).dictionary_encode().cast(c.type)
                    else:
                        columns[c.name] = pa.array(rng.integers(0, 50, n), c.type)
                times = pa.array(at + rng.integers(0, 10_000, n), pa.timestamp("ms", "UTC"))
                schema = arrow_schema(sample, minor)
                batch = pa.RecordBatch.from_arrays(
                    [times, *(columns[f.name] for f in schema if f.name != "event_time")],
                    schema=schema,
                )
                ident = BatchIdentity("p01", "bench", 1, sample.topic, 0, sequence[sample])
                header = BatchHeader(ident, n, at, at, minor=minor)
                headers = tuple(to_headers(header))
                out.append(
                    Record(sample.topic, 0, sequence[sample], at + 10_500, encode(batch), headers)
                )
                sequence[sample] += 1
    return out


def main() -> None:
    rng = np.random.default_rng(1)
    feed = records(rng, 0 if "--contract-1.0" in sys.argv else MINOR)
    stage = FoldStage(0, 4, Instruments())
    stage.load(None, {}, 1)
    profile = cProfile.Profile()
    if "--profile" in sys.argv:
        profile.enable()
    start = time.process_time()
    raw = [w.raw for w in map(stage.fold, feed) if w.raw]
    folded = time.process_time()
    rows = sum(len(columns["row"]) for _, columns in raw)
    clocks = {t: TopicClock(START_MS + MINUTES * 60_000, True) for t in stage.topics}
    minutes = stage.ready(clocks)
    for minute in minutes:
        stage.close(minute, 0, {})
    closed = time.process_time()
    for table in {t for t, _ in raw}:
        parts = [c for t, c in raw if t == table]
        block = {k: concat([p[k] for p in parts]) for k in parts[0]}
        for name in ("session_id", "merchant_pid", "platform_id", "event_time"):
            kind = {"platform_id": "LowCardinality(String)", "event_time": "DateTime64(3, 'UTC')"}
            encode_column(kind.get(name, "String"), block[name])
    encoded = time.process_time()
    profile.disable()
    if "--profile" in sys.argv:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    print(
        json.dumps(
            {
                "rows": rows,
                "fold_rows_per_s": round(rows / (folded - start)),
                "close_ms_per_minute": round(1000 * (closed - folded) / max(len(minutes), 1), 1),
                "sessions": SESSIONS,
                "encode_rows_per_s": round(rows / (encoded - closed)),
            }
        )
    )


if __name__ == "__main__":
    main()
