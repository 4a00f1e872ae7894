"""Liveness, readiness and metrics over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import faust
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from pipelines.agents.worker import Worker

# Faust's consumers are known to hang: no record folded for this long while there are some to
# read, and while nothing downstream holds us back, means that a restart is the only cure.
STUCK_S = 60.0
COMMIT_STUCK_S = 120.0


def stuck(worker: Worker, now: float) -> str | None:
    """Why the process should be restarted, or None."""
    held_back = worker.raw.pending_rows > worker.settings.max_pending_rows
    if now - worker.progress_at > STUCK_S and not held_back and worker.lag() > 0:
        return f"no record folded for {now - worker.progress_at:.0f} s with {worker.lag()} to read"
    if now - worker.committed_at > COMMIT_STUCK_S and not held_back:
        return f"no commit for {now - worker.committed_at:.0f} s"
    return None


def not_ready(worker: Worker, now: float) -> str | None:
    """Why figures from this worker are not to be relied on just now, or None."""
    if worker.generation() <= 0:
        return "not in the consumer group yet"
    if worker.app.rebalancing:
        return "the consumer group is rebalancing"
    return stuck(worker, now)


def add_pages(app: faust.App, worker: Worker) -> None:
    """/healthz, /readyz and /metrics on the worker's web server."""

    async def healthz(view: Any, request: Any) -> Any:
        return _answer(view, stuck(worker, time.monotonic()))

    async def readyz(view: Any, request: Any) -> Any:
        return _answer(view, not_ready(worker, time.monotonic()))

    async def metrics(view: Any, request: Any) -> Any:
        body = generate_latest(worker.instruments.registry)
        return view.bytes(body, content_type=CONTENT_TYPE_LATEST.split(";")[0])

    for path, page in {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}.items():
        app.page(path, name=f"livewatch{path.replace('/', '.')}")(page)


def _answer(view: Any, problem: str | None) -> Any:
    return view.text(
        "ok\n" if problem is None else problem + "\n", status=200 if not problem else 503
    )
