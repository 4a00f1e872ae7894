"""When a worker is stuck, and when it is not ready. Times in seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.agents.health import Health, Signs

WELL = Signs(
    lag=10,
    folded=0,
    checkpoint_at=0.0,
    kafka_at=0.0,
    warehouse_away=False,
    crowded=False,
    generation=1,
    rebalancing=False,
    loading=0,
)


def watched(signs: Signs, seconds: int, *, folds: bool = False) -> Health:
    """A worker whose signs stay for so many seconds, each of them looked at."""
    health = Health()
    for now in range(seconds + 1):
        at = signs.checkpoint_at
        health.look(
            replace(
                signs,
                folded=now if folds else 0,
                kafka_at=None if signs.kafka_at is None else float(now),
                checkpoint_at=float(now) if at == 0.0 else at,
            ),
            float(now),
        )
    return health


def test_nothing_folded_with_something_to_read_is_stuck_after_a_minute() -> None:
    assert watched(WELL, 60).stuck(60) is None
    assert watched(WELL, 61).stuck(61) == "no record folded for 61 s with 10 to read"
    assert watched(WELL, 61).not_ready(61) is not None


def test_folding_slowly_is_not_stuck_and_neither_is_having_nothing_to_read() -> None:
    assert watched(WELL, 300, folds=True).stuck(300) is None
    assert watched(replace(WELL, lag=0), 300).stuck(300) is None


def test_a_first_record_after_a_long_silence_is_not_stuck() -> None:
    health = watched(replace(WELL, lag=0), 300)
    health.look(replace(WELL, kafka_at=301.0, checkpoint_at=301.0), 301)
    assert health.stuck(301) is None


@pytest.mark.parametrize(
    "excuse", [{"warehouse_away": True}, {"crowded": True}, {"kafka_at": None}]
)
def test_what_a_restart_would_not_heal_is_not_stuck(excuse: dict[str, object]) -> None:
    health = watched(replace(WELL, checkpoint_at=-500.0, **excuse), 300)  # type: ignore[arg-type]
    assert health.stuck(300) is None


def test_kafka_that_stops_answering_is_not_the_workers_fault() -> None:
    health = watched(WELL, 20)
    for now in range(21, 200):
        health.look(replace(WELL, kafka_at=20.0, checkpoint_at=float(now)), now)
    assert health.stuck(199) is None
    assert health.not_ready(199) == "Kafka does not answer"


def test_no_checkpoint_is_stuck() -> None:
    signs = replace(WELL, checkpoint_at=-100.0)
    assert watched(signs, 20, folds=True).stuck(20) is None
    assert watched(signs, 21, folds=True).stuck(21) == "no checkpoint for 121 s"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"generation": 0}, "not in the consumer group yet"),
        ({"rebalancing": True}, "the consumer group is rebalancing"),
        ({"kafka_at": None}, "Kafka does not answer"),
        ({"warehouse_away": True}, "ClickHouse is away or refuses"),
        ({"loading": 3}, "loading 3 partitions"),
    ],
)
def test_not_ready(change: dict[str, object], reason: str | None) -> None:
    said = watched(replace(WELL, **change), 1).not_ready(1)  # type: ignore[arg-type]
    assert (said or "").startswith(reason or "")
    assert (said is None) == (reason is None)


def test_a_worker_that_never_looked_is_not_ready_and_not_stuck() -> None:
    assert Health().not_ready(5) is not None
    assert Health().stuck(5) is None
