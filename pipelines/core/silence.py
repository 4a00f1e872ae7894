"""Flag F11: telemetry that stops, or that repeats itself (ADR 0019).

A platform whose sessions all fall silent, and a session whose numbers stand still while it is
live. Both say that nothing else is known of them: unknown is never shown as zero, and the flags
that depend on them are muted. Minutes are minutes since the epoch; time is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipelines.core.metrics import Columns

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
STEADY = ("viewer_milliminutes", "clicks", "interactions")


@dataclass(frozen=True, slots=True)
class SilencePolicy:
    """When telemetry is missing, and when it stands still."""

    gap_minutes: int = 2
    """So many minutes in a row with too few samples are a gap."""
    gap_share: float = 0.5
    """Too few: under this share of the sessions that are due a sample in the minute."""
    least_due: int = 5
    """Fewer sessions than this say nothing about their platform."""
    well_minutes: int = 2
    """So many good minutes in a row end a gap ..."""
    well_share: float = 0.9
    """... in which at least this share has come."""
    frozen_minutes: int = 10
    """So many minutes with the same viewers, clicks and interactions are frozen."""
    frozen_viewers: int = 10
    """A room with fewer viewers may well stand still ..."""
    frozen_activity: int = 5
    """... and so may one with fewer clicks and interactions a minute together."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A transition. `key` is a platform or a slot, `onset` the first minute of it.

    `seen` of `due` session-minutes came in the minute decided on, for a gap; for frozen values
    `seen` is how many minutes they have stood still and `due` how many make a flag.
    """

    opened: bool
    key: Any
    onset: int
    minute: int
    seen: int
    due: int


@dataclass
class GapWatch:
    """Platforms that fall silent, from what each closed minute should have had and had."""

    policy: SilencePolicy = field(default_factory=SilencePolicy)
    through: int = -1
    open: dict[str, int] = field(default_factory=dict)
    _bad: dict[str, int] = field(default_factory=dict)
    _well: dict[str, int] = field(default_factory=dict)

    def close_minute(
        self, minute: int, seen: Mapping[str, int], due: Mapping[str, int]
    ) -> list[Silence]:
        """Take in a closed minute; nothing where it was taken in before (a restart)."""
        if minute <= self.through:
            return []
        self.through = minute
        found = []
        for platform in sorted(due.keys() | self.open.keys()):
            had, wanted = seen.get(platform, 0), due.get(platform, 0)
            look = self._while_open if platform in self.open else self._while_well
            one = look(platform, minute, had, wanted)
            if one is not None:
                found.append(one)
        return found

    def _while_well(self, platform: str, minute: int, had: int, wanted: int) -> Silence | None:
        p = self.policy
        if wanted < p.least_due or had >= p.gap_share * wanted:
            self._bad.pop(platform, None)
            return None
        onset = self._bad.setdefault(platform, minute)
        if minute - onset + 1 < p.gap_minutes:
            return None
        del self._bad[platform]
        self.open[platform] = onset
        return Silence(True, platform, onset, minute, had, wanted)

    def _while_open(self, platform: str, minute: int, had: int, wanted: int) -> Silence | None:
        well = had > 0 and had >= self.policy.well_share * wanted
        self._well[platform] = self._well.get(platform, 0) + 1 if well else 0
        if self._well[platform] < self.policy.well_minutes:
            return None
        del self._well[platform]
        return Silence(False, platform, self.open.pop(platform), minute, had, wanted)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        return {"through": self.through, "open": self.open, "bad": self._bad, "well": self._well}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Self:
        """What `to_json` gave; None (a checkpoint from before) begins afresh."""
        if data is None:
            return cls()
        return cls(SilencePolicy(), data["through"], data["open"], data["bad"], data["well"])


class FrozenWatch:
    """Sessions by slot whose numbers repeat themselves."""

    def __init__(self, capacity: int, policy: SilencePolicy | None = None) -> None:
        self.policy = policy or SilencePolicy()
        self.through = -1
        self.open: dict[int, int] = {}
        self._last = np.zeros((len(STEADY), capacity), np.int64)
        self._run = np.zeros(capacity, np.int64)

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` slots."""
        extra = capacity - len(self._run)
        if extra > 0:
            self._last = np.pad(self._last, ((0, 0), (0, extra)))
            self._run = np.pad(self._run, (0, extra))

    @property
    def nbytes(self) -> int:
        """Of the arrays that grow with the slots."""
        return self._last.nbytes + self._run.nbytes

    def end(self, slots: Ints) -> None:
        """Other sessions will stand at `slots`. Their flags were cleared when they fell silent."""
        self._run[slots] = 0

    def add_minute(self, columns: Columns, seen: Bools) -> None:
        """Count a minute [slot] in (restoring does just that)."""
        p, n = self.policy, len(seen)
        self.grow(n)
        now = np.zeros_like(self._last)
        now[:, :n] = [columns[name] for name in STEADY]
        live = np.zeros(len(self._run), bool)
        live[:n] = seen
        live &= (now[0] >= 1000 * p.frozen_viewers) & (now[1] + now[2] >= p.frozen_activity)
        same = live & (self._run > 0) & (now == self._last).all(axis=0)
        self._run = np.where(same, self._run + 1, live.astype(np.int64))
        self._last = now

    def close_minute(self, minute: int, columns: Columns, seen: Bools) -> list[Silence]:
        """Take in a closed minute; no transition that was decided before (a restart)."""
        self.add_minute(columns, seen)
        if minute <= self.through:
            return []
        self.through = minute
        wanted, found = self.policy.frozen_minutes, []
        for slot in [s for s in self.open if self._run[s] < wanted]:
            onset = self.open.pop(slot)
            found.append(Silence(False, slot, onset, minute, minute - onset, wanted))
        for slot in np.flatnonzero(self._run >= wanted).tolist():
            if slot not in self.open:
                run = int(self._run[slot])
                self.open[slot] = minute - run + 1
                found.append(Silence(True, slot, self.open[slot], minute, run, wanted))
        return found

    def to_json(self) -> dict[str, Any]:
        """What the ring of minutes does not tell, for a checkpoint."""
        return {"through": self.through, "open": list(self.open.items())}

    def restore(self, data: Mapping[str, Any] | None) -> None:
        """Take what `to_json` gave; None is a checkpoint from before."""
        if data is not None:
            self.through, self.open = data["through"], dict(data["open"])
