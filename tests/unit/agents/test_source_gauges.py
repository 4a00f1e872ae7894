"""What the sources have left out, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import generate_latest

from pipelines.agents.source_gauges import MAX_SERIES, by_source, show
from pipelines.core.sources import SourceState
from pipelines.instruments import Instruments

TOPIC = "telemetry.orders.v1"
A = (TOPIC, "p01", "a")


def source(
    *sequences: int, skew_ms: int = 0, heard_ms: int = 0, final: bool = False
) -> SourceState:
    state = SourceState()
    for sequence in sequences:
        state.receive(7, sequence)
    state.note_clock(skew_ms, 0)
    state.advance(heard_ms, heard_ms, final)
    return state


def test_partitions_of_a_source_are_added_up() -> None:
    #   partition 0: batches 0, 1, 4      two missing
    #   partition 1: batches 0, 0, 2      one missing, one repeat
    parts = [
        {A: source(0, 1, 4, skew_ms=300, heard_ms=5_000)},
        {A: source(0, 0, 2, skew_ms=-900, heard_ms=9_000)},
    ]
    found = by_source(parts)[A]
    assert (found.missing, found.duplicates) == (3, 1)
    assert found.skew_ms == -900
    assert found.last_broker_ms == 9_000


def test_a_source_that_has_left_this_worker_vanishes_and_one_that_ended_is_not_silent() -> None:
    instruments = Instruments()
    ended = (TOPIC, "p02", "b")
    both = [{A: source(0, heard_ms=40_000), ended: source(0, heard_ms=1_000, final=True)}]
    show(instruments, by_source(both), 100.0)
    text = generate_latest(instruments.registry).decode()
    silent = "livewatch_source_silent_seconds"
    assert f'{silent}{{platform="p01",source="a",topic="{TOPIC}"}} 60.0' in text
    assert f'{silent}{{platform="p02",source="b",topic="{TOPIC}"}} 0.0' in text
    show(instruments, by_source([]), 101.0)
    assert "p01" not in generate_latest(instruments.registry).decode()


def test_among_too_many_the_troubled_ones_are_shown() -> None:
    many = {(TOPIC, "p01", f"s{n:05d}"): source(0) for n in range(MAX_SERIES + 50)}
    bad = (TOPIC, "p01", "s00000")
    many[bad] = source(0, 9)
    found = by_source([many])
    assert len(found) == MAX_SERIES
    assert found[bad].missing == 8
