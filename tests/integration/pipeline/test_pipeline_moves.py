"""Workers come and go under load, 1, 2, 3, 1: partitions move, no figure is wrong or missing."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.ports import free_run
from schemas.telemetry import SampleType
from tests.integration.pipeline.city import (
    hello,
    merged,
    minute_rows,
    recent,
    sessions,
    sources,
)
from tests.integration.pipeline.harness import MINUTE, Pipeline, Row, Sender, Worker
from tests.integration.pipeline.test_pipeline_restarts import MEASURE, all_rows, closed, summed

MINUTES = 20


class Crew:
    """The module's worker, and those that come and go."""

    def __init__(self, pipeline: Pipeline, directory: Path) -> None:
        self.pipeline = pipeline
        self.others: list[Worker] = []
        self.codes: list[int | None] = []
        self._directory = directory

    def join(self) -> None:
        number = len(self.others) + 2
        folder = self._directory / f"w{number}"
        folder.mkdir()
        self.others.append(Worker(self.pipeline.worker.env, folder, free_run()))
        self.settle()

    def leave_all(self) -> None:
        self.codes = [worker.terminate(30) for worker in self.others]
        self.others = []
        self.settle()

    def settle(self) -> None:
        """Until everyone is ready; a spare without a partition is."""
        for worker in (self.pipeline.worker, *self.others):
            worker.wait("ready after a move", worker.ready, 60)

    def end(self) -> None:
        for worker in self.others:
            worker.end()


@pytest.fixture(scope="module")
def moved(pipeline: Pipeline, sender: Sender, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(rows sent, crew) of a stream during which workers joined twice and then left together."""
    crew = Crew(pipeline, tmp_path_factory.mktemp("crew"))
    start = recent(MINUTES + 10)
    gates = sources(sender, start)
    hello(pipeline, sender, list(gates.values()))
    rng = random.Random(6)
    steps = {4: crew.join, 8: crew.join, 13: crew.leave_all}
    try:
        for minute in range(MINUTES):
            at = start + minute * MINUTE
            for platform, gate in gates.items():
                mine = [s for s in sessions() if s.platform == platform]
                parts = [minute_rows(s, at, rng, lambda: int(rng.random() < 0.2)) for s in mine]
                gate.step(at + MINUTE, merged(parts))
            time.sleep(0.05)
            if minute in steps:
                steps[minute]()
        for gate in gates.values():
            gate.goodbye()
        sender.flush()
        last = (start + MINUTES * MINUTE) // 1000
        pipeline.worker.wait("all minutes closed", closed(pipeline, last), 90)
    finally:
        crew.end()
    return all_rows(list(gates.values())), crew


def test_each_raw_row_is_there_once_and_none_is_late(pipeline: Pipeline, moved: Any) -> None:
    sent, _ = moved
    for sample, measure in MEASURE.items():
        rows = pipeline.query(
            f"SELECT session_id, toUnixTimestamp64Milli(event_time), {measure}, late "
            f"FROM v_{sample.value}"
        )
        wanted: list[tuple[Any, ...]] = [
            (r["session_id"], r["event_time"], r[measure], 0) for kind, r in sent if kind is sample
        ]
        assert Counter(rows) == Counter(wanted), sample


@pytest.mark.parametrize("table", ["session", "cell"])
def test_closed_indicators_are_what_was_sent(pipeline: Pipeline, moved: Any, table: str) -> None:
    sent: list[tuple[SampleType, Row]] = moved[0]
    for name, sample in (
        ("orders", SampleType.ORDERS),
        ("paid_fen", SampleType.ORDERS),
        ("complaints", SampleType.COMPLAINTS),
    ):
        told = pipeline.query(
            f"SELECT toUnixTimestamp(minute), sum({name}_1m) AS n FROM v_indicators_{table} "
            "WHERE closed = 1 GROUP BY minute HAVING n != 0"
        )
        assert dict(told) == summed(sent, sample, name), name


def test_who_left_ended_cleanly_and_who_stayed_has_everything(
    pipeline: Pipeline, moved: Any
) -> None:
    crew: Crew = moved[1]
    assert crew.codes == [0, 0]
    worker = pipeline.worker
    # Two of the first stage and one of the second.
    worker.wait("all are ours", lambda: worker.metric("livewatch_partitions") == 3, 10)
