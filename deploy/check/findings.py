"""What a checked run has shown, and whether it has passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from deploy.check.flags import Decision, FlagReport, SpikeOutcome
from deploy.check.indicators import MinuteCheck
from deploy.check.latency import Latency
from deploy.check.ledger_vs_sql import Comparison
from schemas.telemetry import SampleType

# One false critical in such a run is what the false-alert budget allows.
_FALSE_CRITICALS = 1
_SHOWN = 20


@dataclass
class Findings:
    """What was found so far; `report` is the JSON object of the last line."""

    rows: dict[SampleType, Comparison] = field(default_factory=dict)
    minutes: MinuteCheck | None = None
    flags: FlagReport | None = None
    latency: Latency | None = None
    kills: int = 0
    settled: bool = False
    simulator_exit: int | None = None
    stack_exit: int | None = None
    orphans: list[int] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """What does not hold, in words; empty when the check has passed."""
        bad = [f"{s.value} rows differ" for s, c in self.rows.items() if not c.exact]
        checks = {
            "rows were not compared": not self.rows,
            "not everything was stored and closed in time": not self.settled,
            "closed minutes differ from the raw rows": not self._minutes_hold(),
            "a spike was missed": self.flags is None or self.flags.found < self.flags.injected,
            "too many false critical flags": self._false("critical") > _FALSE_CRITICALS,
            "the simulator did not end cleanly": self.simulator_exit != 0,
            "a process of the stack did not end cleanly": self.stack_exit != 0,
            "processes were left behind": bool(self.orphans),
        }
        return bad + [what for what, wrong in checks.items() if wrong]

    def _minutes_hold(self) -> bool:
        return self.minutes is not None and self.minutes.wrong_minutes == 0

    def _false(self, grade: str) -> int:
        return self.flags.false_flags[grade] if self.flags else 0

    def report(self, wall_s: float) -> dict[str, Any]:
        rows, found = self.rows, self.flags
        return {
            "passed": not self.failures,
            "failures": self.failures,
            "produced": {s.value: c.produced for s, c in rows.items()},
            "stored": {s.value: c.stored for s, c in rows.items()},
            "missing": {s.value: c.missing for s, c in rows.items()},
            "duplicates": {s.value: c.duplicates for s, c in rows.items()},
            "unknown": {s.value: c.unknown for s, c in rows.items()},
            "wrong_sums": {s.value: c.wrong_sums for s, c in rows.items()},
            "minutes": self.minutes.minutes if self.minutes else 0,
            "wrong_minutes": self.minutes.wrong_minutes if self.minutes else None,
            "spikes_injected": found.injected if found else 0,
            "spikes_found": found.found if found else 0,
            "false_flags": found.false_flags if found else {},
            "spikes": [asdict(spike) for spike in found.spikes] if found else [],
            "latency_p50_ms": self.latency.p50_ms if self.latency else None,
            "latency_p99_ms": self.latency.p99_ms if self.latency else None,
            "kills": self.kills,
            "simulator_exit": self.simulator_exit,
            "stack_exit": self.stack_exit,
            "orphans": self.orphans,
            "wall_s": round(wall_s, 1),
        }

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        for sample, rows in self.rows.items():
            yield f"{sample.value}: " + ", ".join(f"{k} {v:,}" for k, v in rows.as_json().items())
        for table, minutes in (self.minutes.wrong if self.minutes else {}).items():
            first = ", ".join(f"{minute:%H:%M}" for minute in minutes[:5])
            yield f"{table}: {len(minutes)} wrong minutes ({first})"
        if self.flags:
            yield from (_spike_line(spike) for spike in self.flags.spikes)
            yield from (_false_line(flag) for flag in self.flags.unexplained[:_SHOWN])


def _spike_line(spike: SpikeOutcome) -> str:
    found = "MISSED"
    if spike.delay_s is not None:
        found = (
            f"{spike.grade}, first as {spike.found_as} after {spike.delay_s:.0f} s of event time"
        )
    return f"spike {spike.id} ({spike.entity_type}, +{spike.expected_excess:g} complaints): {found}"


def _false_line(flag: Decision) -> str:
    when = datetime.fromtimestamp(flag.event_ms / 1000, UTC)
    return f"false flag: {flag.grade} on {' '.join(flag.entity)} at {when:%H:%M:%S} UTC"
