"""What a simulation run is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from producers.errors import UsageError

MAX_SESSIONS = 1_000_000
# A tick costs a few ms however few its rows are: not more than ten a second when paced,
# and this many sessions in each when it is not.
_TICK_WALL_MS = 100
_TICK_SESSIONS = 10_000
_MAX_PHASES = 50


@dataclass(frozen=True)
class SimConfig:
    """Arguments that decide the rows: the same ones give the same rows.

    `sessions` is the number of live sessions at the start; it then follows the time of
    day. `end_ms` None runs until stopped. `speed` None is as fast as possible.
    """

    seed: int
    sessions: int
    platforms: int
    partitions: int
    start_ms: int
    end_ms: int | None
    sample_every_ms: int
    speed: float | None = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.sessions <= MAX_SESSIONS:
            raise UsageError(f"--sessions must be from 1 to {MAX_SESSIONS}")
        if not 1 <= self.platforms <= 9:
            raise UsageError("--platforms must be from 1 to 9")
        if not 1_000 <= self.sample_every_ms <= 60_000:
            raise UsageError("--sample-every must be from 1s to 1m (the contract's bound)")

    @property
    def phases(self) -> int:
        """Ticks per sampling period: sessions are spread over them evenly."""
        if self.speed is None:
            wanted = self.sessions // _TICK_SESSIONS
        else:
            wanted = int(self.sample_every_ms / self.speed // _TICK_WALL_MS)
        return max(1, min(_MAX_PHASES, wanted))

    @property
    def tick_ms(self) -> int:
        return self.sample_every_ms // self.phases
