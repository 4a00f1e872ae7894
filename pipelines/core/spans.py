"""Sums over clock hours and Shanghai days, by key: what the long windows are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.index import KeyIndex
from pipelines.core.partials import COHORT, GROUP_METRICS, GroupKey, Rows

Ints = npt.NDArray[np.int64]
DAYS, HOURS = 31, 24
_DAY, _HOUR = 1_440, 60
_SHANGHAI = 480
_NEVER = -1
TALLY = "orders"
"""The metric that a tally is kept under."""


def _by_hour(kind: str) -> bool:
    return kind == "category" or kind.startswith("latency.")


def dated(minute: int, rows: Rows) -> Iterator[tuple[int, Rows]]:
    """The rows of a minute with the minute whose day they belong to: refunds go to the day of
    their orders, so many days before."""
    by_days: dict[int, list[int]] = {}
    keys = list(rows.keys)
    for i, (kind, platform, name) in enumerate(keys):
        days = 0
        if kind.startswith(COHORT):
            days = int(kind[len(COHORT) :])
            keys[i] = ("refunded", platform, name)
        by_days.setdefault(days, []).append(i)
    for days, at in by_days.items():
        some = {name: values[at] for name, values in rows.values.items()}
        yield minute - days * _DAY, Rows([keys[i] for i in at], some)


class UnitSums:
    """Sums [unit, metric, key] of the last `units` units of time, in a ring."""

    def __init__(self, units: int, minutes: int, shift: int) -> None:
        self._minutes, self._shift = minutes, shift
        self.stamp = np.full(units, _NEVER, np.int64)
        self.sums = np.zeros((units, len(GROUP_METRICS), 0), np.int64)

    def unit(self, minute: int) -> int:
        """Number of the unit that a minute is in."""
        return (minute + self._shift) // self._minutes

    def add(self, minute: int, slots: Ints, values: Ints) -> None:
        """Add values [metric, n] at slots [n]."""
        unit = self.unit(minute)
        at = unit % len(self.stamp)
        if self.stamp[at] != unit:
            self.stamp[at] = unit
            self.sums[at] = 0
        room = int(slots.max(initial=-1)) + 1 - self.sums.shape[2]
        if room > 0:
            self.sums = np.pad(self.sums, ((0, 0), (0, 0), (0, room)))
        for into, new in zip(self.sums[at], values, strict=True):
            np.add.at(into, slots, new)

    def window(self, minute: int, first: int, last: int) -> Ints:
        """Sums [metric, key] over the units from `first` to `last` before that of the minute."""
        age = self.unit(minute) - self.stamp
        some = (self.stamp != _NEVER) & (age >= first) & (age <= last)
        total: Ints = self.sums[some].sum(axis=0)
        return total


class Spans:
    """Hours and days of the second stage, by (kind, platform, id), as of the last closed bin.

    Minutes since are kept beside them until their bin closes, and are told anew after a restart.
    """

    def __init__(self, minutes_per_bin: int) -> None:
        self._per_bin = minutes_per_bin
        self.keys: KeyIndex[GroupKey] = KeyIndex()
        self.hours = UnitSums(HOURS, _HOUR, 0)
        self.days = UnitSums(DAYS, _DAY, _SHANGHAI)
        self._since: list[tuple[int, Rows]] = []

    def add_minute(self, minute: int, rows: Rows) -> None:
        """Take in a closed minute; at the end of a bin its minutes are merged."""
        if self._since and self._since[0][0] // self._per_bin != minute // self._per_bin:
            self._merge()
        self._since.append((minute, rows))
        if (minute + 1) % self._per_bin == 0:
            self._merge()

    def _merge(self) -> None:
        for minute, rows in self._since:
            if not rows.keys:
                continue
            for when, part in dated(minute, rows):
                slots = np.array([self.keys.add(key) for key in part.keys], np.int64)
                values = np.stack([part.values[name] for name in GROUP_METRICS])
                self.days.add(when, slots, values)
                hourly = np.array([_by_hour(key[0]) for key in part.keys], bool)
                if hourly.any():
                    self.hours.add(when, slots[hourly], values[:, hourly])
        self._since = []

    def rename(self, platform: str, erased: str) -> None:
        """Agencies of a platform lose their pseudonyms; their sums stay."""
        for slot, key in enumerate(self.keys.keys):
            if key is not None and key[:2] == ("mcn", platform) and not key[2].startswith(erased):
                self.keys.rename(slot, ("mcn", platform, f"{erased}{slot}"))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As of the last closed bin, for a checkpoint."""
        keys = ["\n".join(key) if key else "" for key in self.keys.keys]
        out: dict[str, npt.NDArray[Any]] = {"keys": np.array(keys, dtype=np.str_)}
        for name, sums in (("hours", self.hours), ("days", self.days)):
            out |= {f"{name}.stamp": sums.stamp.copy(), f"{name}.sums": sums.sums.copy()}
        return out

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `to_arrays` gave; nothing of a checkpoint from before."""
        for slot, text in enumerate(arrays["keys"].tolist() if "keys" in arrays else []):
            kind, platform, name = text.split("\n")
            self.keys.restore(slot, (kind, platform, name))
        for name, sums in (("hours", self.hours), ("days", self.days)):
            if f"{name}.stamp" in arrays:
                sums.stamp, sums.sums = arrays[f"{name}.stamp"], arrays[f"{name}.sums"]


def pack(rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """Rows of a minute, for a checkpoint."""
    keys = np.array(["\n".join(key) for key in rows.keys], dtype=np.str_)
    return {"span.keys": keys} | {f"span.{n}": rows.values[n] for n in GROUP_METRICS}


def unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """What `pack` gave; no rows where it was not asked."""
    texts = arrays["span.keys"].tolist() if "span.keys" in arrays else []
    keys = [(kind, platform, name) for kind, platform, name in (t.split("\n") for t in texts)]
    nothing = np.zeros(0, np.int64)
    return Rows(keys, {n: arrays.get(f"span.{n}", nothing) for n in GROUP_METRICS})
