"""A load of HTTP requests, in a process of its own: raw sockets, so that it costs little.

`python -m benchmarks.http_load --port 8087 --key-file key --kind json --seconds 8`
prints one JSON object. Latency at a fixed rate counts from when a request was due, so that a
stalled gateway cannot hide behind requests that were never made.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from producers.gateway.parse import ARROW_STREAM, JSON, parse
from schemas.batch import encode
from schemas.codes import CATEGORIES, DISTRICTS
from schemas.telemetry import SampleType

_BODIES = 24


def rows(rng: random.Random, count: int, now_ms: int) -> list[dict[str, Any]]:
    """Rows of viewers of as many sessions."""
    hexes = [f"{rng.getrandbits(128):032x}" for _ in range(4 * count)]
    districts, categories = sorted(DISTRICTS.codes), sorted(CATEGORIES.codes)
    return [
        {
            "event_time": now_ms - rng.randrange(2_000),
            "session_id": hexes[4 * n],
            "room_pid": hexes[4 * n + 1],
            "streamer_pid": hexes[4 * n + 2],
            "mcn_pid": None,
            "merchant_pid": hexes[4 * n + 3],
            "base_id": None,
            "district": rng.choice(districts),
            "category": rng.choice(categories),
            "scenario": None,
            "viewers": rng.randrange(5_000),
            "unique_viewers": rng.randrange(5_000),
            "clicks": rng.randrange(100),
            "interactions": rng.randrange(300),
        }
        for n in range(count)
    ]


def requests(key: str, kind: str, count: int) -> list[bytes]:
    """Whole requests, ready for the wire."""
    rng, now = random.Random(7), int(time.time() * 1000)
    found = []
    for _ in range(_BODIES):
        body = json.dumps(rows(rng, count, now)).encode()
        media = JSON
        if kind == "arrow":
            body = encode(parse(SampleType.VIEWERS, JSON, body, count, now).rows)
            media = ARROW_STREAM
        head = (
            f"POST /v1/samples/viewers HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


class Load:
    """Connections that send for a time, as fast as they are answered or at a rate."""

    def __init__(self, port: int, wire: list[bytes], per_s: float, seconds: float) -> None:
        self._port, self._wire, self._per_s, self._seconds = port, wire, per_s, seconds
        self._sent = 0
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}

    async def run(self, connections: int) -> float:
        """Seconds from the first request to the last answer."""
        self._began = time.perf_counter()
        await asyncio.gather(*(self._connection() for _ in range(connections)))
        return time.perf_counter() - self._began

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (due := self._next_due()) < self._began + self._seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(self._wire[self._sent % len(self._wire)])
            status = await _answer(reader)
            self.latencies.append(time.perf_counter() - due)
            self.statuses[status] = self.statuses.get(status, 0) + 1
        writer.close()

    def _next_due(self) -> float:
        self._sent += 1
        if not self._per_s:
            return time.perf_counter()
        return self._began + (self._sent - 1) / self._per_s


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key-file", type=Path, required=True)
    parser.add_argument("--kind", choices=("json", "arrow"), default="json")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.0, help="rows/s; 0: as fast as it goes")
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=8.0)
    args = parser.parse_args()
    wire = requests(args.key_file.read_text().strip(), args.kind, args.rows)
    load = Load(args.port, wire, args.rate / args.rows, args.seconds)
    took = uvloop.run(load.run(args.connections))
    good = load.statuses.get(202, 0)
    p50, p99 = np.percentile(load.latencies, [50, 99]) * 1000
    figures = {
        "rows": good * args.rows,
        "rows_per_s": round(good * args.rows / took),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "statuses": load.statuses,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
