"""Is the worker well: a policy, what happened so far, and the answers. Time is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """Seconds."""

    stuck_s: float = 60.0
    """Faust's consumers are known to hang. Nothing folded for this long while there is something
    to read, and while nothing downstream holds us back: only a restart helps."""
    commit_stuck_s: float = 120.0
    """A checkpoint is written every few seconds, even where nothing closes."""
    answer_s: float = 30.0
    """Kafka is away when it has not said for this long how far there is to read; then a standstill
    is no fault of ours, and a restart would not help."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What the worker sees of itself at one moment."""

    lag: int
    """Records in Kafka that are not folded."""
    folded: int
    """Records folded since the start."""
    checkpoint_at: float | None
    """When the oldest of the last checkpoints was written; None with no partition."""
    kafka_at: float | None
    """When Kafka last answered."""
    warehouse_away: bool
    crowded: bool
    """So many rows are not stored yet that reading waits."""
    generation: int
    rebalancing: bool
    loading: int
    """Partitions that are ours and not loaded."""


@dataclass(slots=True)
class Health:
    """Says what is wrong, or None."""

    policy: HealthPolicy = field(default_factory=HealthPolicy)
    signs: Signs | None = None
    _moved_at: float = 0.0

    def look(self, signs: Signs, now: float) -> None:
        """Take note; call it every second or so."""
        old = self.signs
        if old is None or signs.lag == 0 or signs.folded != old.folded or self._excused(signs, now):
            self._moved_at = now
        self.signs = signs

    def _excused(self, signs: Signs, now: float) -> bool:
        return signs.warehouse_away or signs.crowded or self._kafka_away(signs, now)

    def _kafka_away(self, signs: Signs, now: float) -> bool:
        return signs.kafka_at is None or now - signs.kafka_at > self.policy.answer_s

    def standstill(self, now: float) -> float:
        """Seconds for which nothing was folded although it could have been."""
        return now - self._moved_at if self.signs is not None and self.signs.lag else 0.0

    def stuck(self, now: float) -> str | None:
        """Why the process should be started again."""
        signs = self.signs
        if signs is None or self._excused(signs, now):
            return None
        if self.standstill(now) > self.policy.stuck_s:
            return f"no record folded for {self.standstill(now):.0f} s with {signs.lag} to read"
        at = signs.checkpoint_at
        if at is not None and now - at > self.policy.commit_stuck_s:
            return f"no checkpoint for {now - at:.0f} s"
        return None

    def not_ready(self, now: float) -> str | None:
        """Why figures from this worker are not to be relied on just now."""
        signs = self.signs
        if signs is None or signs.generation <= 0:
            return "not in the consumer group yet"
        if signs.rebalancing:
            return "the consumer group is rebalancing"
        if self._kafka_away(signs, now):
            return "Kafka does not answer"
        if signs.warehouse_away:
            return "ClickHouse is away or refuses"
        if signs.loading:
            return f"loading {signs.loading} partitions"
        return self.stuck(now)
