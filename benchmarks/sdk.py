"""How fast the SDK accepts: samples/s, one by one and in bulk, durable in the spool each time.

Kafka is away on purpose: what is measured is the call, not the network.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from producers import TelemetryClient
from producers.anonymise import Secret, random_id
from producers.client import ClientOptions
from producers.pacing import wall_ms
from producers.samples import gather
from producers.spool import SpoolLimits
from schemas.telemetry import SampleType

_BULK = 10_000


def main(singles: int = 20_000, bulks: int = 20) -> None:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory() as directory:
        options = ClientOptions(SpoolLimits(4 << 30), partitions=8)
        client = TelemetryClient(
            "bench", "127.0.0.1:1", Path(directory), Secret(b"b" * 32), options=options
        )
        live = client.session(
            room="r", streamer="s", merchant="m", district="310115", category="food"
        )
        began = time.perf_counter()
        for number in range(singles):
            live.viewers(number, unique_viewers=9, clicks=3, interactions=4)
        single_s = time.perf_counter() - began
        row = {**live.dimensions, "event_time": wall_ms(), "viewers": 5}
        sample = SampleType.VIEWERS
        ids = [random_id() for _ in range(_BULK)]
        rows = gather([row | {"session_id": i} for i in ids], sample)
        began = time.perf_counter()
        for _ in range(bulks):
            client.write(sample, rows)
        bulk_s = time.perf_counter() - began
        client.close(0)
    print(
        json.dumps(
            {
                "single_samples_per_s": round(singles / single_s),
                "bulk_samples_per_s": round(bulks * _BULK / bulk_s),
            }
        )
    )


if __name__ == "__main__":
    main()
