"""The figures of the dashboards again, from the raw rows alone, in numpy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from deploy.check.simulated_day.day import Day
from schemas.telemetry import SampleType

V: Final = SampleType.VIEWERS
O: Final = SampleType.ORDERS  # noqa: E741
C: Final = SampleType.COMPLAINTS
R: Final = SampleType.REVIEWS
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """Raw rows with the minute of the day each is in."""

    day: Day

    @property
    def begin_ms(self) -> int:
        return round(self.day.start.timestamp() * 1000)

    @property
    def closed(self) -> int:
        """The last closed minute."""
        return self.minute_of(self.day.closed_through)

    def minute_of(self, moment: datetime) -> int:
        return round((moment - self.day.start).total_seconds()) // 60

    def minutes(self, sample: SampleType) -> npt.NDArray[np.int64]:
        return (self.day.raw[sample]["ms"] - self.begin_ms) // 60_000

    def within(self, sample: SampleType, first: int, last: int) -> Mask:
        """Rows of the minutes from `first` to `last`, both included."""
        at = self.minutes(sample)
        return (at >= first) & (at <= last)

    def shown(self, sample: SampleType) -> Mask:
        """Rows that a panel over the whole day reads by their own time: its end is a second."""
        return np.asarray(self.day.raw[sample]["ms"] <= self.day.span.end.timestamp() * 1000)

    def total(self, sample: SampleType, column: str, mask: Mask) -> float:
        return float(self.day.raw[sample][column][mask].sum())

    def of(self, sample: SampleType, **wanted: str) -> Mask:
        raw = self.day.raw[sample]
        mask = np.ones(len(raw["ms"]), bool)
        for name, value in wanted.items():
            mask &= raw[name] == value
        return mask

    @cached_property
    def _latest(self) -> dict[int, dict[str, tuple[int, float, int]]]:
        """minute -> session -> its latest known sample: (ms, viewers, row)."""
        raw = self.day.raw[V]
        found: dict[int, dict[str, tuple[int, float, int]]] = defaultdict(dict)
        viewers = raw["viewers"].astype(np.float64)
        rows = zip(self.minutes(V).tolist(), raw["session_id"].tolist(), raw["ms"].tolist(),
                   viewers.tolist(), range(len(viewers)), strict=True)  # fmt: skip
        for minute, session, ms, value, row in rows:
            known = found[minute].get(session)
            if value == value and (known is None or ms > known[0]):
                found[minute][session] = (ms, value, row)
        return found

    def gauges(self, minute: int, keep: Mask) -> tuple[int, float]:
        """(sessions with a known sample in the minute, their latest viewers summed)."""
        mine = [v for v in self._latest[minute].values() if keep[v[2]]]
        return len(mine), sum(value for _, value, _ in mine)

    def rate(self, first: int, last: int, keep: Callable[[SampleType], Mask]) -> float:
        """I11: complaints per 10,000 orders, smoothed."""
        filed = self.total(C, "complaints", keep(C) & self.within(C, first, last))
        orders = self.total(O, "orders", keep(O) & self.within(O, first, last))
        return 10_000 * (filed + 1) / (orders + 1000)

    def by(self, sample: SampleType, by: str, column: str, mask: Mask) -> dict[str, float]:
        """Sums by the values of a column."""
        raw = self.day.raw[sample]
        names, where = np.unique(raw[by][mask].astype(str), return_inverse=True)
        sums = np.bincount(where, raw[column][mask].astype(np.float64), len(names))
        return {str(n): float(s) for n, s in zip(names, sums, strict=True)}
