"""What a worker sees of itself, every second: its gauges, and the signs of its health."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil
import structlog
from faust.types import TP

from pipelines.agents.fold import FoldStage
from pipelines.agents.health import Signs
from pipelines.agents.partition import Partition
from pipelines.agents.source_gauges import by_source, show

if TYPE_CHECKING:
    from pipelines.agents.worker import Worker

log = structlog.get_logger()


def signs(worker: Worker, now_s: float) -> Signs:
    """The worker at this moment; `now_s` is clock time."""
    owned = worker.owned.values()
    unread = worker.owned.unread()
    ages = [now_s - one.last_checkpoint for one in owned]
    return Signs(
        lag=sum(unread.values()),
        folded=worker.folded,
        checkpoint_at=time.monotonic() - max(ages) if ages else None,
        kafka_at=worker.ends.answered_at,
        warehouse_away=worker.outlet.warehouse.failing,
        crowded=worker.outlet.raw.pending_rows > worker.settings.max_pending_rows,
        generation=worker.outlet.generation(),
        rebalancing=worker.app.rebalancing,
        loading=sum(worker.owned.get(key) is None for key, n in unread.items() if n),
    )


def measure(worker: Worker, now_s: float) -> None:
    """Set the gauges, and take note for the pages."""
    instruments, now = worker.instruments, time.monotonic()
    worker.health.look(signs(worker, now_s), now)
    for one in worker.owned.values():
        _measure_partition(worker, one, now_s)
    folds = [one.stage for one in worker.owned.values() if isinstance(one.stage, FoldStage)]
    show(instruments, by_source(stage.state.sources for stage in folds), now_s)
    worker.intake.measure()
    for stage in ("fold", "rollup"):
        count = sum(one.stage.name == stage for one in worker.owned.values())
        instruments.partitions.labels(stage).set(count)
    instruments.pending_rows.set(worker.outlet.raw.pending_rows)
    instruments.generation.set(worker.outlet.generation())
    instruments.live.set(worker.health.stuck(now) is None)
    instruments.progress_age.set(worker.health.standstill(now))
    ready = worker.health.not_ready(now) is None
    instruments.ready.set(ready)
    if ready and worker.owned.values() and worker.start_seconds is None:
        worker.start_seconds = now_s - psutil.Process().create_time()
        instruments.start_seconds.set(worker.start_seconds)
        log.info(
            "ready", seconds=round(worker.start_seconds, 1), partitions=len(worker.owned.values()),
        )  # fmt: skip


def _measure_partition(worker: Worker, one: Partition, now_s: float) -> None:
    instruments, stage, number = worker.instruments, one.stage, one.number
    for name, topic in one.topics.items():
        lag = max(0, (worker.ends.of(TP(name, number)) or 0) - topic.position.next)
        instruments.lag_records.labels(name, number).set(lag)
        age = now_s - topic.broker_ms / 1000 if lag and topic.broker_ms else 0.0
        instruments.lag_seconds.labels(name, number).set(age)
    labels = (stage.name, number)
    instruments.recovery.labels(*labels).set(worker.owned.seconds.get(labels, 0.0))
    if stage.closed_through is not None:
        instruments.watermark.labels(*labels).set((stage.closed_through + 1) * 60)
    instruments.checkpoint.labels(*labels).set(one.last_checkpoint)
    instruments.checkpoint_age.labels(*labels).set(now_s - one.last_checkpoint)
    instruments.open_minutes.labels(*labels).set(stage.open_minutes)
    if isinstance(stage, FoldStage):
        instruments.sessions.labels(number).set(stage.state.sessions.count)
        for name, reached_ms in stage.state.promised_ms().items():
            instruments.event_lag.labels(name, number).set(now_s - reached_ms / 1000)
