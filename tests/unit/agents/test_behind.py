"""Complaints are read ahead of viewers and orders: flags come at once, and closing changes none.

viewers, orders  |=========60|                      |60 ...... 100|
complaints       |=========60|..65  rise  95....100|
                              one look a minute       then all closes
"""

from __future__ import annotations

from collections import Counter

import pytest

from pipelines.agents.fold import FoldStage
from pipelines.agents.stage import Record
from pipelines.core import partials
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import ClockPolicy, TopicClock
from pipelines.core.rollup.state import RollupState
from pipelines.instruments import Instruments
from schemas.telemetry import SampleType
from tests.unit.protocol.world import MINUTE, PARTITIONS, START, Sample, logs_of, session_ids

MINUTES, BEHIND, RISE = 100, 60, range(65, 95)
STEADY, RISING, QUIET = session_ids(3)
COMPLAINTS = SampleType.COMPLAINTS.topic


def samples() -> list[Sample]:
    """Orders all the time; one session with complaints as usual, one whose complaints rise."""
    out = []
    for minute in range(MINUTES):
        at = START + minute * MINUTE + 10_000
        for session in (STEADY, RISING, QUIET):
            out.append(Sample(SampleType.VIEWERS, "a", session, at, 100))
            out.append(Sample(SampleType.ORDERS, "a", session, at, 200))
        if minute % 2 == 0:
            out.append(Sample(SampleType.COMPLAINTS, "a", STEADY, at, 1))
        if minute in RISE:
            out.append(Sample(SampleType.COMPLAINTS, "a", RISING, at, 6))
    return out


LOGS = logs_of(samples(), MINUTES, ("a",))


class Run:
    """One partition and the second stage behind it."""

    def __init__(self) -> None:
        clock = ClockPolicy(lateness_ms=2 * MINUTE, idle_ms=10**12)
        self.stage = FoldStage(0, PARTITIONS, Instruments(), clock)
        self.stage.load(None, {}, 1)
        self.cities = RollupState(1)
        self.read = dict.fromkeys(LOGS, 0)
        self.flags: list[FlagEvent] = []
        self.wide: list[FlagEvent] = []

    def read_to(self, topic: str, minute: int) -> None:
        """All records of a topic that the broker took before the end of `minute`."""
        log = LOGS[topic]
        while (
            self.read[topic] < len(log)
            and self._next(topic).broker_ms < START + (minute + 1) * MINUTE
        ):
            self.stage.fold(self._next(topic))
            self.read[topic] += 1

    def _next(self, topic: str) -> Record:
        record: Record = LOGS[topic][self.read[topic]]
        return record

    def look(self) -> None:
        out = self.stage.tick(0)
        self.flags += out.flags
        self._tell(out.messages)
        self.wide += self.cities.tick(0)

    def close(self) -> None:
        clocks = {
            t: TopicClock(LOGS[t][max(at, 1) - 1].broker_ms, True, at == len(LOGS[t]))
            for t, at in self.read.items()
        }
        for minute in self.stage.ready(clocks):
            out = self.stage.close(minute, 0, {})
            # The rows of this test stand still, which is a flag of its own (F11).
            self.flags += [f for f in out.flags if f.rule == "F01"]
            self._tell(out.messages)
        for minute in self.cities.ready():
            self.wide += self.cities.close_minute(minute, 1, 0).flags

    def _tell(self, messages: list[bytes]) -> None:
        for message in messages:
            self.cities.fold(partials.decode(message))

    def step(self, complaints: int, rest: int) -> None:
        for topic in LOGS:
            self.read_to(topic, complaints if topic == COMPLAINTS else rest)
        self.look()
        self.close()


def while_behind() -> Run:
    """Until complaints are read, and viewers and orders stand still for the last 40 minutes."""
    run = Run()
    for minute in range(MINUTES):
        run.step(minute, min(minute, BEHIND))
    return run


@pytest.fixture(scope="module")
def behind() -> tuple[Run, list[FlagEvent], list[FlagEvent]]:
    """The run at its end, and what had been flagged before the others were read on."""
    run = while_behind()
    early = list(run.flags), list(run.wide)
    for minute in range(BEHIND, MINUTES + 5):
        run.step(MINUTES + 5, minute)
    return run, *early


def opened(flags: list[FlagEvent]) -> Counter[str]:
    return Counter(f.flag_id for f in flags if f.event == "opened")


def test_the_rise_is_flagged_while_the_rest_is_an_hour_s_third_behind(behind: tuple) -> None:
    _, early, wide = behind
    assert {f.entity for f in early} == {RISING}
    onset = {(f.onset - START) // MINUTE for f in early}
    assert onset <= set(RISE)
    assert any(f.grade == "critical" for f in early)
    assert {f.district for f in wide if f.entity_type in ("merchant", "cell")} == {"310101"}
    assert "merchant" in {f.entity_type for f in wide}


def test_a_usual_rate_is_no_flag_because_its_orders_are_still_to_be_read(behind: tuple) -> None:
    _, early, _ = behind
    assert STEADY not in {f.entity for f in early}


def test_closing_neither_doubles_nor_changes_what_was_flagged(behind: tuple) -> None:
    run, early, wide = behind
    assert opened(run.flags) == opened(early)
    assert set(opened(run.flags).values()) == {1}
    assert opened(run.wide) == opened(wide)
    assert run.stage.closed_through is not None
    assert run.stage.closed_through >= START // MINUTE + MINUTES - 1
    assert run.stage.open_minutes == 0
