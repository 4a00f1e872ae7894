"""How much load a round has, and what it has shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from deploy.chaos import alerts, compare
from deploy.chaos.tally import TallyFindings


@dataclass(frozen=True)
class Load:
    """The load of a round: `sources` platforms, a process each. Rates are per wall second."""

    sources: int = 3
    sessions: int = 2_100
    speed: float = 20.0
    sample_every_s: int = 20
    spikes: int = 2
    partitions: int = 4
    workers: int = 2
    session_timeout_s: float = 6.0


@dataclass
class RoundResult:
    """What one round has shown."""

    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    rows: compare.RowFindings = field(default_factory=compare.RowFindings)
    indicators: compare.IndicatorFindings = field(default_factory=compare.IndicatorFindings)
    deeds: compare.DeedFindings = field(default_factory=compare.DeedFindings)
    told: dict[str, TallyFindings] = field(default_factory=dict)
    flags: alerts.FlagFindings = field(default_factory=alerts.FlagFindings)
    rate: float = 0.0
    holes: int = 0
    restarts: int = 0
    recoveries: list[float] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)
    rss_mb: dict[str, int] = field(default_factory=dict)
    settled: bool = False
    stack_exit: int = 0
    orphans: list[int] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Rows that had to be stored, of all sources."""
        return self.rows.samples + sum(t.accepted for t in self.told.values())

    def errors(self) -> dict[str, int]:
        """The columns that must be 0."""
        r, d, told = self.rows, self.deeds, self.told.values()
        return {
            "missing": r.missing + sum(t.missing for t in told),
            "duplicates": r.duplicates + sum(t.duplicates for t in told),
            "unknown": r.unknown + sum(t.unknown for t in told),
            "wrong_sums": r.wrong_sessions + sum(t.wrong for t in told),
            "wrong_indicators": self.indicators.wrong,
            "flags_lost": self.flags.lost,
            "flags_doubled": self.flags.doubled,
            "gaps_unproven": abs(d.dropped - d.gaps),
            "refused_unproven": d.ahead - d.refused,
            "unsettled": int(not self.settled),
            "orphans": len(self.orphans),
        }
