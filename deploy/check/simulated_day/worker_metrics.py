"""A worker's /metrics as the screen would read it: the declared metrics, growing with each read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client import generate_latest

from pipelines.instruments import Instruments
from schemas.telemetry import SampleType

TOPICS = [sample.topic for sample in SampleType][:3]


def grow(worker: Instruments) -> None:
    """What ten seconds of work add."""
    for number, topic in enumerate(TOPICS, 1):
        worker.rows.labels(topic).inc(9_000 // number)
        worker.refused.labels(topic).inc(number - 1)
        worker.fold_delay.labels(topic).observe(0.2 * number)
        worker.lag_records.labels(topic, "0").set(120 * number)
        worker.lag_seconds.labels(topic, "0").set(0.4)
        worker.event_lag.labels(topic, "0").set(1.5 * number)
    for table in ("raw_viewers", "indicators_cell"):
        worker.stored.labels(table).inc(5_000)
        worker.store_seconds.labels(table).observe(0.03)
    worker.flag_delay.labels("opened").observe(0.7)
    worker.duplicates.inc()
    worker.checkpoint_age.labels("fold", "0").set(2)
    worker.open_minutes.labels("fold", "0").set(3)
    worker.sessions.labels("0").set(5_400)
    worker.mailbox_bytes.set(3_000_000)
    worker.ready.set(1)


@contextmanager
def worker_metrics() -> Iterator[str]:
    """The address of a worker that works while it is looked at."""
    worker = Instruments()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            grow(worker)
            body = generate_latest(worker.registry)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
