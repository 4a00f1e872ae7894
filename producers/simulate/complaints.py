"""Complaints: rare, over-dispersed counts, and the excess that anomalies add.

A gamma-Poisson count with variance `phi` times its mean is exactly a Poisson number of
clusters of logarithmic size (Quenouille 1949). Drawing clusters for a whole tick and
dealing them out costs nothing for the many sessions without any.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producers.arrays import F64, I64
from producers.simulate.anomalies import Injection
from producers.simulate.city import CATEGORIES, City
from producers.simulate.sampling import Tick
from producers.simulate.sessions import Slots

EXCESS_PHI = 1.3
#: The consumer association's shares in 2024, percent (DOMAIN section 2); C03 is split by us.
SHARES = {
    "C01": 21.44, "C02": 29.67, "C0301": 12.0, "C0302": 8.0, "C0303": 2.69, "C04": 6.60,
    "C05": 4.48, "C06": 5.18, "C07": 2.14, "C08": 1.01, "C09": 0.84, "C99": 5.95,
}  # fmt: skip
#: Reports and the live overlay: a hundredth of the complaints.
OVERLAY = dict.fromkeys(("R01", "R02", "R03", "R04", "R05", "L01", "L03", "L04", "L06"), 0.1)
CODES = (*SHARES, *OVERLAY, "C0601", "L02", "L05")
CHANNELS = {"platform": 0.97, "12315": 0.02, "council": 0.01}
_FOOD = [c.code for c in CATEGORIES].index("food")
_COMMON = "C02"


@dataclass(frozen=True)
class ComplaintRows:
    """One entry per row: session slot, event time, indices into CODES and CHANNELS, count."""

    slots: I64
    event_ms: I64
    code: I64
    channel: I64
    complaints: I64


class Complaints:
    """Draws the complaints of each tick and counts the injected ones by anomaly id."""

    def __init__(
        self, city: City, slots: Slots, injections: Sequence[Injection], rng: np.random.Generator
    ) -> None:
        self._city, self._slots, self._rng = city, slots, rng
        self._plan = [i for i in injections if i.anomaly.excess > 0]
        self._pending: dict[str, float] = defaultdict(float)
        self.injected: Counter[str] = Counter()
        self._edges = np.cumsum([*SHARES.values(), *OVERLAY.values()])
        self._channel_edges = np.cumsum(list(CHANNELS.values()))
        phi = city.dispersion.astype(np.float64)
        self._clusters = city.complaint_rate * np.log(phi) / (phi - 1)
        self._log_p = 1 - 1 / phi

    def draw(self, tick: Tick, start_ms: int, end_ms: int) -> ComplaintRows:
        """Complaints of the sessions that were sampled in the tick [start_ms, end_ms)."""
        parts = [self._baseline(tick)]
        for injection in self._plan:
            anomaly = injection.anomaly
            overlap = min(end_ms, anomaly.end_ms) - max(start_ms, anomaly.start_ms)
            if overlap > 0:
                length = anomaly.end_ms - anomaly.start_ms
                self._pending[anomaly.id] += anomaly.excess * overlap / length
            if self._pending[anomaly.id] > 0:
                parts.append(self._excess(injection, tick))
        at, code, count = (np.concatenate(c) for c in zip(*parts, strict=True))
        channel = self._pick(self._channel_edges, len(at))
        return ComplaintRows(tick.slots[at], tick.event_ms[at], code, channel, count)

    def _baseline(self, tick: Tick) -> tuple[I64, I64, I64]:
        merchant = self._slots.merchant[tick.slots]
        rate = np.cumsum(self._clusters[merchant] * tick.exposure)
        at = self._deal(rate, self._rng.poisson(rate[-1]) if len(rate) else 0)
        count = self._rng.logseries(self._log_p[merchant[at]])
        code = self._pick(self._edges, len(at))
        safety = (code == CODES.index("C06")) & (
            self._city.merchant_category[merchant[at]] == _FOOD
        )
        return at, np.where(safety, CODES.index("C0601"), code), count

    def _excess(self, injection: Injection, tick: Tick) -> tuple[I64, I64, I64]:
        """What is due of an anomaly, dealt to its sessions in the tick; else it waits."""
        anomaly = injection.anomaly
        hit = np.flatnonzero(injection.target.match(self._city, self._slots, tick.slots))
        if not len(hit):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
        mean = self._pending.pop(anomaly.id)
        clusters = self._rng.poisson(mean * np.log(EXCESS_PHI) / (EXCESS_PHI - 1))
        at = hit[self._deal(np.cumsum(tick.exposure[hit] + 1e-9), clusters)]
        count = self._rng.logseries(1 - 1 / EXCESS_PHI, len(at))
        self.injected[anomaly.id] += int(count.sum())
        main = CODES.index(anomaly.code or _COMMON)
        if anomaly.kind == "F01":
            other = self._rng.random(len(at)) < 0.2
            return at, np.where(other, CODES.index(_COMMON), main), count
        return at, np.full(len(at), main), count

    def _deal(self, edges: F64, count: int) -> I64:
        """Indices of `count` draws with weights whose cumulative sum is `edges`."""
        if not count:
            return np.empty(0, np.int64)
        found = np.searchsorted(edges, self._rng.random(count) * edges[-1], side="right")
        return np.sort(np.minimum(found, len(edges) - 1))

    def _pick(self, edges: npt.NDArray[np.float64], count: int) -> I64:
        found = np.searchsorted(edges, self._rng.random(count) * edges[-1], side="right")
        return np.asarray(np.minimum(found, len(edges) - 1), np.int64)
