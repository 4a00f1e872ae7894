"""State of one partition of the first stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy
from pipelines.core.detect.season import NO_SEASON, GroupSeason, Season
from pipelines.core.fold.clock import ClockPolicy, SourceKey
from pipelines.core.fold.sessions import Sessions
from pipelines.core.life import Life
from pipelines.core.minute import OpenMinute
from pipelines.core.offences import Offences
from pipelines.core.rolling import Rolling
from pipelines.core.rules.boards import session_board
from pipelines.core.silence import FrozenWatch
from pipelines.core.sources import SourceState
from pipelines.core.spikes import SpikeMonitor
from schemas.telemetry import SampleType

Ints = npt.NDArray[np.int64]
NEVER = -(2**40)
EXPECTED_MINUTES = 5
"""A session is due a sample for this long after its last one; then it counts as ended."""
REMEMBER_MINUTES = 120
"""For so many closed minutes it is known how far folding had come when they closed."""
FORGET_MINUTES = 60
"""A session silent for this long gives its slot back: every window of it is empty."""


class FoldState:
    """Everything that folding one partition knows. Arrays are by slot of `sessions`."""

    def __init__(
        self,
        partition: int,
        partitions: int,
        clock: ClockPolicy | None = None,
        spikes: SpikePolicy = DEFAULT_POLICY,
        season: Season = NO_SEASON,
    ) -> None:
        self.partition = partition
        self.clock = clock or ClockPolicy()
        self.sources: dict[SourceKey, SourceState] = {}
        self.acknowledged: dict[SourceKey, dict[str, Any]] = {}
        self.closed_through: int | None = None
        self.opens: dict[int, OpenMinute] = {}
        self.sessions = Sessions(partition, partitions)
        self.rolling = Rolling(self.sessions.capacity)
        self.last_seen = np.full(self.sessions.capacity, NEVER, np.int64)
        self.latest = np.zeros(self.sessions.capacity, np.int64)
        self.last_review = np.full(self.sessions.capacity, NEVER, np.int64)
        self.monitor = SpikeMonitor.create(spikes)
        self.monitor.season = GroupSeason(season, self._group_names)
        self.frozen = FrozenWatch(self.sessions.capacity)
        self.board = session_board()
        self.offences = Offences()
        self.life = Life(self.monitor.minutes_per_bin)
        self.groups: dict[tuple[str, str], int] = {}
        self.detector_turn = 0
        self.folded_at_close: dict[int, dict[str, int]] = {}

    @property
    def newest(self) -> int | None:
        """The newest open minute."""
        return max(self.opens, default=None)

    def promised_ms(self) -> dict[str, int]:
        """Event time up to which the foremost source of each topic has sent everything."""
        out: dict[str, int] = {}
        for (topic, _, _), source in self.sources.items():
            out[topic] = max(out.get(topic, 0), source.watermark_ms)
        return out

    def open_minute(self, minute: int) -> OpenMinute:
        """The accumulator of a minute that is not closed."""
        found = self.opens.get(minute)
        if found is None:
            found = self.opens[minute] = OpenMinute(self.sessions.capacity)
        return found

    def fit(self) -> None:
        """Bring every array to the capacity of the registry."""
        capacity = self.sessions.capacity
        extra = capacity - len(self.last_seen)
        if extra > 0:
            self.rolling.grow(capacity)
            self.last_seen = np.concatenate([self.last_seen, np.full(extra, NEVER, np.int64)])
            self.latest = np.concatenate([self.latest, np.zeros(extra, np.int64)])
            self.last_review = np.concatenate([self.last_review, np.full(extra, NEVER, np.int64)])
        for minute in self.opens.values():
            minute.grow(capacity)
        self.monitor.grow(capacity)
        self.frozen.grow(capacity)
        self.board.grow(capacity)
        self.life.grow(capacity)

    def note_close(self, minute: int, folded: Mapping[str, int]) -> None:
        """`minute` closes with the records of each topic below `folded` in it.

        A record that also has rows of a later minute comes again after a restart; its rows of
        this minute are then neither late nor to be counted twice.
        """
        self.folded_at_close[minute] = dict(folded)
        for old in [m for m in self.folded_at_close if m <= minute - REMEMBER_MINUTES]:
            del self.folded_at_close[old]

    def forget_offsets(self, topic: str) -> None:
        """The topic was made anew: no closed minute holds a record of it below an offset."""
        for at in self.folded_at_close.values():
            at.pop(topic, None)

    def fed(self, columns: Mapping[str, Ints]) -> dict[str, Ints]:
        """What the rules of sessions are fed with: columns [slot] of a closed minute."""
        uncertified = self.sessions.certified == 0
        watched = columns["viewer_milliminutes"]
        return {**columns, "uncertified": np.where(uncertified, watched, 0)}

    def reviewed_platforms(self) -> set[str]:
        """Platforms that say something on the topic of reviews: elsewhere none is unknown."""
        return {key[1] for key in self.sources if key[0] == SampleType.REVIEWS.topic}

    def kept_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What goes with the detector's arrays into a checkpoint, as of the last closed bin."""
        kept = (("rules:", self.board.to_arrays()), ("life:", self.life.to_arrays()))
        return {start + name: v for start, arrays in kept for name, v in arrays.items()}

    def restore_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `kept_arrays` gave, from among the arrays of the entry."""
        for start, restore in (("rules:", self.board.restore), ("life:", self.life.restore)):
            restore({n[len(start) :]: v for n, v in arrays.items() if n.startswith(start)})

    def start_series(self) -> None:
        """Sessions met since the last call become series of the detector."""
        for slot in np.flatnonzero(self.sessions.live & ~self._monitored()).tolist():
            session = self.sessions.dims[slot]
            if session is not None:
                key = (session.platform_id, session.category)
                self.monitor.start(slot, self.groups.setdefault(key, len(self.groups)))

    def _group_names(self) -> dict[str, int]:
        return {"/".join(key): at for key, at in self.groups.items()}

    def _monitored(self) -> npt.NDArray[np.bool_]:
        self.monitor.grow(self.sessions.capacity)
        return self.monitor.live[: self.sessions.capacity]
