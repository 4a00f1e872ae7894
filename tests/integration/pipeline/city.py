"""A small city: eight sessions on two platforms, and what they send in each minute."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from schemas.telemetry import SampleType
from tests.integration.pipeline.harness import (
    MINUTE,
    PARTITIONS,
    Pipeline,
    Row,
    Sender,
    Session,
    Source,
    session_ids,
)

PLATFORMS = ("p-one", "p-two")
CELLS = (("food", "310101"), ("cosmetics", "310115"))


def sessions() -> list[Session]:
    """On every platform and partition one of each cell; each merchant has one session."""
    out = []
    for partition in range(PARTITIONS):
        ids = iter(session_ids(4, partition))
        for platform in PLATFORMS:
            for category, district in CELLS:
                session = next(ids)
                out.append(Session(platform, session, f"{session[-4:]:0>32}", category, district))
    return out


def sources(sender: Sender, start: int) -> dict[str, Source]:
    return {p: Source(sender, p, "gate-1", start) for p in PLATFORMS}


def hello(pipeline: Pipeline, sender: Sender, some: list[Source]) -> None:
    """A first heartbeat on every topic-partition, folded: from now on all are waited for."""
    folded = pipeline.worker.metric("livewatch_records_total")
    wanted = folded + len(some) * len(SampleType) * PARTITIONS
    for source in some:
        source.step(source.watermark, {})
    sender.flush()
    # The second stage's records count as well, so this is a lower bound; the lag makes it exact.
    pipeline.worker.wait(
        "hello folded",
        lambda: (
            pipeline.worker.metric("livewatch_records_total") >= wanted
            and pipeline.worker.metric("livewatch_lag_records") == 0
        ),
        30,
    )


def recent(minutes: int) -> int:
    """Start of the whole minute so many minutes ago, ms."""
    return round(time.time() * 1000) // MINUTE * MINUTE - minutes * MINUTE


def minute_rows(
    session: Session, start: int, rng: random.Random, complaints: Callable[[], int]
) -> dict[SampleType, list[Row]]:
    """Rows of one session in the minute that begins at `start`; some gauges are unknown."""

    def maybe(most: int) -> int | None:
        return None if rng.random() < 0.1 else rng.randint(0, most)

    viewers = [
        session.row(
            start + at + rng.randrange(20_000),
            viewers=maybe(5_000),
            unique_viewers=maybe(2**29),
            clicks=maybe(40),
            interactions=maybe(400),
        )
        for at in (0, 20_000, 40_000)
    ]
    orders = []
    for at in (0, 30_000):
        n = rng.randint(0, 4)
        refunds = rng.randint(0, 1)
        orders.append(
            session.row(
                start + at + rng.randrange(30_000),
                orders=n,
                paid_fen=n * rng.randint(100, 10**9),
                refunds=refunds,
                refunded_fen=refunds * rng.randint(1, 10**6),
                cohort_days=rng.randint(0, 30) if refunds else None,
                due_48h=maybe(9),
                vouchers_redeemed=maybe(9),
            )
        )
    filed = complaints()
    some = [
        session.row(
            start + rng.randrange(MINUTE),
            code=rng.choice(["C01", "C0301", "C04"]),
            channel=rng.choice(["platform", "12315"]),
            complaints=filed,
            responded=1,
            response_minutes=maybe(10_000),
        )
    ]
    reviewed = [
        session.row(
            start + rng.randrange(MINUTE),
            mode="machine",
            outcome=rng.choice(["passed", "warned"]),
            reviews=rng.randint(0, 6),
            latency_ms=maybe(90_000),
        )
    ]
    return {
        SampleType.VIEWERS: viewers,
        SampleType.ORDERS: orders,
        SampleType.COMPLAINTS: some if filed else [],
        SampleType.REVIEWS: reviewed,
    }


def merged(parts: list[dict[SampleType, list[Row]]]) -> dict[SampleType, list[Row]]:
    return {t: [row for part in parts for row in part[t]] for t in SampleType}
