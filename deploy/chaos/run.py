"""Rounds one after the other, and the JSON object of the last line."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.chaos import http_source, sdk_source
from deploy.chaos.plan import RoundPlan, rounds
from deploy.chaos.result import Load, RoundResult
from deploy.chaos.round import InterruptedChaosError, Round
from deploy.stack.stop_request import StopRequest

#: Start, settling and comparison of a round, seconds.
_AROUND_S = 75.0


@dataclass(frozen=True)
class ChaosOptions:
    """When to end: after so many rounds, or faults, or minutes; 0 is no limit."""

    seed: int
    brokers: tuple[int, ...]
    minutes: float
    rounds: int = 0
    faults: int = 0
    load_s: float = 150.0
    spacing_s: float = 6.0
    load: Load = field(default_factory=Load)


@dataclass
class Report:
    """All rounds so far."""

    options: ChaosOptions
    began: float
    results: list[tuple[RoundPlan, RoundResult]] = field(default_factory=list)

    @property
    def hit(self) -> int:
        return sum(sum(r.faults.values()) for _, r in self.results)

    def as_json(self) -> dict[str, Any]:
        """The last line."""
        results = [r for _, r in self.results]
        errors: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        missed: Counter[str] = Counter()
        rss: dict[str, int] = {}
        for one in results:
            errors.update(one.errors())
            faults += one.faults
            missed += one.missed
            rss = {n: max(rss.get(n, 0), one.rss_mb.get(n, 0)) for n in rss | one.rss_mb}
        columns = results[0].errors() if results else {}
        recoveries = [seconds for one in results for seconds in one.recoveries]
        calm = [seconds for one in results for seconds in one.calm]
        return {
            "rounds": len(results),
            "faults": dict(sorted(faults.items())),
            "faults_total": self.hit,
            "faults_without_effect": dict(sorted(missed.items())),
            "samples": sum(r.samples for r in results),
            "samples_by_sdk": _told(results, sdk_source.PLATFORM),
            "samples_by_http": _told(results, http_source.PLATFORM),
            "samples_per_s": round(min((r.rate for r in results), default=0.0)),
            **{name: errors[name] for name in columns},
            "late_rows": sum(r.rows.late for r in results),
            "figures_checked": sum(r.indicators.checked for r in results),
            "flag_events": sum(r.flags.events for r in results),
            "alerts_delivered": sum(r.flags.alerts for r in results),
            "alerts_repeated": sum(r.flags.repeated for r in results),
            "spikes": sum(r.flags.spikes for r in results),
            "dropped_on_purpose": sum(r.deeds.dropped for r in results),
            "refused_on_purpose": sum(r.deeds.ahead for r in results),
            "holes_healed": sum(r.holes for r in results),
            "restarts": sum(r.restarts for r in results),
            "worst_recovery_s": round(max(recoveries, default=0.0), 1),
            "worst_calm_recovery_s": round(max(calm, default=0.0), 1),
            "brokers": sorted({plan.brokers for plan, _ in self.results}),
            "seed": self.options.seed,
            "rss_peak_mb": rss,
            "wall_s": round(time.monotonic() - self.began, 1),
        }


def _told(results: list[RoundResult], platform: str) -> int:
    return sum(one.told[platform].accepted for one in results if platform in one.told)


def run(options: ChaosOptions, root: Path, say: Callable[[str], None]) -> tuple[Report, bool]:
    """The rounds, each in a directory of its own below `root`; homes of good ones are removed.

    The report, and whether all was well: a round that failed is the last one. Raises StackError
    when a part does not start.
    """
    began = time.monotonic()
    report = Report(options, began)
    request = StopRequest()
    with request.listening():
        for plan in rounds(options.seed, options.brokers, options.load_s, options.spacing_s):
            if _enough(options, report, plan):
                break
            home = root / f"round{plan.number}"

            def tell(line: str, number: int = plan.number) -> None:
                say(f"[{time.monotonic() - began:6.1f} s] round {number}: {line}")

            tell(f"{plan.brokers} broker(s), {len(plan.faults)} faults, seed {plan.seed}")
            try:
                result = Round(plan, options.load, home, request, tell).run()
            except InterruptedChaosError:
                tell("interrupted")
                return report, False
            report.results.append((plan, result))
            wrong = {name: value for name, value in result.errors().items() if value}
            tell(_summary(result) + (f"; WRONG: {wrong}" if wrong else "; all exact"))
            if wrong:
                say(f"the stack's home is kept in {home}; see its logs/, or start it again with")
                say(f"  livewatch up --home {home} --brokers {plan.brokers} --workers 0")
                return report, False
            shutil.rmtree(home, ignore_errors=True)
    return report, bool(report.results)


def _enough(options: ChaosOptions, report: Report, plan: RoundPlan) -> bool:
    done = len(report.results)
    left = options.minutes * 60 - (time.monotonic() - report.began)
    return bool(
        (options.rounds and done >= options.rounds)
        or (options.faults and report.hit >= options.faults)
        or (options.minutes and done and left < plan.load_s + _AROUND_S)
    )


def _summary(result: RoundResult) -> str:
    worst, calm = max(result.recoveries, default=0.0), max(result.calm, default=0.0)
    return (
        f"{sum(result.faults.values())} faults, {result.samples:,} samples"
        f" ({result.rate:,.0f}/s), {result.flags.events} flag events,"
        f" worst recovery {worst:.1f} s ({calm:.1f} s after the last fault)"
    )
