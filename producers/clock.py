"""How event time and wall time hang together in a run."""

from __future__ import annotations

from dataclasses import dataclass

from producers.errors import UsageError


@dataclass(frozen=True, slots=True)
class EventClock:
    """Event time runs `speed` times as fast as wall time from one common instant.

    `speed` None: no pacing; a row is due when it is made. All times in ms since epoch.
    """

    start_event_ms: int
    start_wall_ms: int
    speed: float | None

    def due_ms(self, event_ms: int) -> int | None:
        """Wall time at which an event is due; None without pacing."""
        if self.speed is None:
            return None
        return self.start_wall_ms + round((event_ms - self.start_event_ms) / self.speed)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a run lies in event time; `end_ms` None: until stopped."""

    start_ms: int
    end_ms: int | None


def plan_span(
    now_ms: int, duration_ms: int, speed: float | None, start_ms: int | None = None
) -> Span:
    """Event times of a run that never get ahead of the wall clock.

    The pipeline refuses rows that are ahead of the broker's clock, so a faster run starts
    in the past: start = now - duration * (1 - 1/speed) makes its end fall on "now".
    `speed` None means as fast as possible. Raises UsageError saying what to change.
    """
    if duration_ms == 0:
        return _endless(now_ms, speed, start_ms)
    run_ms = 0 if speed is None else duration_ms / speed
    latest = round(now_ms + run_ms - duration_ms)
    if start_ms is None:
        return Span(min(latest, now_ms), min(latest, now_ms) + duration_ms)
    if start_ms > latest:
        short = (start_ms - latest) / 1000
        raise UsageError(
            f"--start is {short:.0f} s too late: event time would pass the clock; "
            "start earlier, shorten --duration or lower --speed"
        )
    return Span(start_ms, start_ms + duration_ms)


def _endless(now_ms: int, speed: float | None, start_ms: int | None) -> Span:
    if speed is None:
        raise UsageError("--rate max needs a --duration: without one event time passes the clock")
    if speed <= 1 and (start_ms is None or start_ms <= now_ms):
        return Span(now_ms if start_ms is None else start_ms, None)
    if start_ms is None or start_ms >= now_ms:
        raise UsageError(
            f"--speed {speed:g} without --duration would pass the clock at once: give --duration, "
            "or a --start in the past; the run then ends when it has caught up"
        )
    return Span(start_ms, start_ms + round((now_ms - start_ms) * speed / (speed - 1)))
