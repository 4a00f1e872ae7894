"""From what is asked for to what is hit: entities chosen at the start, figures known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from producers.arrays import I64
from producers.errors import UsageError
from producers.simulate.anomalies import HOUR_MS, Anomaly, Injection, Target
from producers.simulate.choose import Chooser
from producers.simulate.complaints import CODES
from producers.simulate.ids import to_text
from producers.simulate.model import Population
from producers.simulate.requests import Request

_FACTORS = {"F03": 12.0, "F04": 20.0, "F05": 5.0, "F06": 6.0, "F07": 3.0, "F09": 0.3}
_EXCESS = {"F01": 30.0, "F02": 8.0, "F08": 10.0}
_CODES = {"F02": "C06", "F08": "L02"}
_SPIKE_CODES = ("C01", "C0301", "C0302", "C04", "C07")
_LEVELS = {
    "F01": "session", "F02": "merchant", "F03": "session", "F04": "session", "F05": "merchant",
    "F06": "category", "F07": "session", "F08": "merchant", "F09": "platform", "F10": "session",
    "F12": "merchant",
}  # fmt: skip
#: Viewers that a session without a certificate gets (F10).
_AUDIENCE = 60_000.0
#: What a merchant repeats within a day (F12): as many kinds as the rule asks for offences.
_REPEATED = ("F02", "F08", "F01")


def source_id(platform: int) -> str:
    return f"sim-{platform + 1}"


@dataclass
class Planner:
    """Turns requests into injections; entities are chosen among the live."""

    population: Population

    def __post_init__(self) -> None:
        self._chooser = Chooser(self.population)

    def plan(self, requests: Iterable[Request]) -> list[Injection]:
        """Injections in the order asked for. Raises UsageError when an entity is unknown."""
        named = ((r, f"a{i:02d}") for i, r in enumerate(requests, start=1))
        return [found for request, name in named for found in self._injections(request, name)]

    def _injections(self, request: Request, name: str) -> Iterator[Injection]:
        whole = self._inject(request, name)
        yield whole
        if request.kind == "F12":
            # One after another: each begins once the one before it can have been seen.
            step = request.duration_ms // (len(_REPEATED) + 1)
            for i, kind in enumerate(_REPEATED):
                part = replace(
                    request, kind=kind, entity_type=whole.anomaly.entity_type,
                    start_ms=request.start_ms + i * step,
                    duration_ms=request.duration_ms - i * step, excess=None, factor=None, code=None,
                )  # fmt: skip
                yield self._inject(part, f"{name}.{kind}", whole.target)

    def _inject(self, request: Request, name: str, target: Target | None = None) -> Injection:
        level = request.entity_type or _LEVELS.get(request.kind) or _silence_level(request)
        start = self.population.config.start_ms + request.start_ms
        end = start + request.duration_ms
        target = target or self._target(request, level)
        slots = self._hit(target)
        per_ms = self._chooser.complaints_per_ms(slots)
        baseline = per_ms * request.duration_ms
        factor, excess = _strength(request, baseline)
        if request.kind == "F10" and request.factor is None and target.slot is not None:
            factor = _AUDIENCE / self._chooser.viewers(target.slot, start)
        in_hour = excess * min(1.0, HOUR_MS / request.duration_ms)
        anomaly = Anomaly(
            id=name, kind=request.kind, entity_type=level, start_ms=start, end_ms=end,
            factor=round(factor, 3), excess=excess, expected_excess=round(in_hour, 3),
            expected_baseline=round(baseline, 4), code=self._code(request),
            mode=(request.mode or "gap") if request.kind == "F11" else None,
            **self._names(target, level),
        )  # fmt: skip
        return Injection(anomaly, target)

    def _target(self, request: Request, level: str) -> Target:
        city, s = self.population.city, self.population.sessions.slots
        platform = self._number(city.platforms, request.platform, "platform")
        wanted_category = request.entity_id if level == "category" else None
        category = self._number(city.categories, wanted_category or request.category, "category")
        if level in ("platform", "source"):
            named = request.entity_id if level == "platform" else None
            wanted = self._number(city.platforms, named, "platform") if named else platform
            return Target(platform=len(city.platforms) - 1 if wanted is None else wanted)
        kinds = _REPEATED if request.kind == "F12" else (request.kind,)
        excess = request.excess or sum(_EXCESS.get(kind, 0.0) for kind in kinds)
        slot = self._chooser.session(request, level, platform, category, excess)
        merchant = int(s.merchant[slot])
        if level == "session":
            return Target(slot=slot)
        if level == "merchant":
            return Target(merchant=merchant)
        return Target(
            category=int(city.merchant_category[merchant]),
            platform=int(city.merchant_platform[merchant]),
        )

    def _hit(self, target: Target) -> I64:
        live = self.population.live
        found: I64 = live[target.match(self.population.city, self.population.sessions.slots, live)]
        return found

    def _code(self, request: Request) -> str | None:
        if request.kind not in _EXCESS:
            return None
        code = request.code or _CODES.get(request.kind)
        if code is None:
            code = str(self.population.rng.choice(_SPIKE_CODES))
        if code not in CODES:
            raise UsageError(f"{request.kind}: code {code!r} is not a complaint code")
        return code

    def _names(self, target: Target, level: str) -> dict[str, Any]:
        """How the ground truth names what is hit."""
        city, s = self.population.city, self.population.sessions.slots
        names: dict[str, Any] = {"category": None, "district": None, "merchant_pid": None}
        merchant = target.merchant if target.slot is None else int(s.merchant[target.slot])
        if merchant is None:
            platform, category = target.platform or 0, target.category
            names["platform"] = city.platforms[platform]
            names["category"] = None if category is None else city.categories[category]
            named = {"source": source_id(platform), "category": names["category"]}
            return names | {"entity_id": named.get(level) or names["platform"]}
        streamer = int(np.flatnonzero(city.streamer_merchant == merchant)[0])
        pid = to_text(city.merchant_pid, merchant)
        return {
            "platform": city.platforms[int(city.merchant_platform[merchant])],
            "category": city.categories[int(city.merchant_category[merchant])],
            "district": city.streamers.column("district")[streamer].as_py(),
            "merchant_pid": pid,
            "entity_id": pid if target.slot is None else to_text(s.session_id, target.slot),
        }

    @staticmethod
    def _number(known: tuple[str, ...], name: str | None, what: str) -> int | None:
        if name is None:
            return None
        if name not in known:
            raise UsageError(f"{what} {name!r} is not one of {', '.join(known)}")
        return known.index(name)


def _silence_level(request: Request) -> str:
    return "session" if request.mode == "frozen" else "source"


def _strength(request: Request, baseline: float) -> tuple[float, float]:
    """(factor on the rate, complaints added over the window)."""
    if request.kind not in _EXCESS:
        return request.factor or _FACTORS.get(request.kind, 1.0), 0.0
    if request.factor is not None:
        return request.factor, (request.factor - 1) * baseline
    excess = request.excess or _EXCESS[request.kind]
    return 1 + excess / max(baseline, 1e-6), excess
