"""The file of seasonal factors that `livewatch seasons` writes and a worker reads at its start.

A worker reads `LIVEWATCH_SEASON_FILE` once: a file that changed while it ran would make a replay
decide otherwise. Without one the factors are 1, and the calendar of events alone is known.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipelines.core.detect.exposure import HOURS_PER_WEEK
from pipelines.core.detect.season import NO_SEASON, Season
from schemas.codes.events import EVENTS

FORMAT = 1
LEAST, MOST = 0.05, 20.0
"""A factor beyond these is a mistake: it would blind the detector, or set it off everywhere."""


class SeasonError(ValueError):
    """The file cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class SeasonFile:
    """Factors, and the history that they were learned from."""

    first: str
    last: str
    """ISO 8601."""
    hours: dict[str, list[float]]
    events: dict[str, float]

    def season(self) -> Season:
        """As the detector takes it."""
        return Season({k: np.array(v, np.float64) for k, v in self.hours.items()}, self.events)

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT, "rule": "F01"} | asdict(self)) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises SeasonError, which names the field."""
        try:
            data: Any = json.loads(text)
        except ValueError:
            raise SeasonError("is not JSON") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("rule") != "F01":
            raise SeasonError(f"format, rule: must be {FORMAT} and F01")
        hours, events = (_object(data, name) for name in ("hours", "events"))
        for name, week in hours.items():
            if not isinstance(week, list) or len(week) != HOURS_PER_WEEK:
                raise SeasonError(f"hours.{name}: must be {HOURS_PER_WEEK} factors")
            for value in week:
                _check(value, f"hours.{name}")
        known = {event.id for event in EVENTS}
        for name, value in events.items():
            if name not in known:
                raise SeasonError(f"events.{name}: is not in the calendar of events")
            _check(value, f"events.{name}")
        return cls(str(data.get("first", "")), str(data.get("last", "")), hours, events)


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    if not isinstance(found, dict):
        raise SeasonError(f"{name}: must be an object")
    return found


def _check(value: Any, name: str) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not LEAST <= number <= MOST:
        raise SeasonError(f"{name}: factors must be from {LEAST} to {MOST}")


def seasonal(path: Path | None) -> Season:
    """The season as a worker runs it. Raises SeasonError with the file's name."""
    if path is None:
        return NO_SEASON
    try:
        return SeasonFile.from_json(path.read_text("utf-8")).season()
    except (OSError, UnicodeDecodeError, SeasonError) as error:
        raise SeasonError(f"{path}: {error}") from None
