"""Liveness, readiness and metrics over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import faust
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipelines.agents.gauges import signs

if TYPE_CHECKING:
    from pipelines.agents.health import Health
    from pipelines.agents.worker import Worker


def add_pages(app: faust.App, worker: Worker) -> None:
    """/healthz, /readyz and /metrics on the worker's web server."""

    def looked() -> tuple[Health, float]:
        # Not what the last look saw: the task that looks may be what has ended.
        now = time.monotonic()
        worker.health.look(signs(worker, time.time()), now)
        return worker.health, now

    async def healthz(view: Any, request: Any) -> Any:
        health, now = looked()
        return _answer(view, health.stuck(now))

    async def readyz(view: Any, request: Any) -> Any:
        health, now = looked()
        took = worker.start_seconds
        well = "ok" if took is None else f"ok, ready {took:.1f} s after the start"
        return _answer(view, health.not_ready(now), well)

    async def metrics(view: Any, request: Any) -> Any:
        body = generate_latest(worker.instruments.registry)
        return view.bytes(body, content_type=CONTENT_TYPE_LATEST.split(";")[0])

    for path, page in {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}.items():
        app.page(path, name=f"livewatch{path.replace('/', '.')}")(page)


def _answer(view: Any, problem: str | None, well: str = "ok") -> Any:
    return view.text((problem or well) + "\n", status=503 if problem else 200)
