"""The event calendar: festivals, first launches and exhibitions, from `events.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from importlib import resources

Span = tuple[date, date]


@dataclass(frozen=True)
class Event:
    """One event and its occurrences, first and last day in Shanghai.

    `kind` is festival, first_launch or exhibition; `scenario` the scenario tag that goes with it;
    `factor` how many times the usual exposure it brings (None: nothing is assumed).
    """

    id: str
    zh: str
    en: str
    kind: str
    scenario: str | None
    factor: float | None
    spans: tuple[Span, ...]

    def on(self, day: date) -> bool:
        """Whether it takes place on `day`."""
        return any(first <= day <= last for first, last in self.spans)


def events_on(day: date) -> list[Event]:
    """What takes place on `day` (Shanghai)."""
    return [event for event in EVENTS if event.on(day)]


def exposure_factor(day: date) -> float:
    """Times the usual exposure on `day`: overlapping events do not multiply, the largest holds."""
    return max([1.0, *(event.factor or 1.0 for event in events_on(day))])


def _load() -> tuple[str, tuple[Event, ...]]:
    raw = json.loads(resources.files(__package__).joinpath("events.json").read_text("utf-8"))
    found = []
    for one in raw["events"]:
        spans = [
            (date.fromisoformat(a), date.fromisoformat(b)) for a, b in one.pop("dates").values()
        ]
        found.append(Event(**one, spans=tuple(spans)))
    return raw["version"], tuple(found)


VERSION, EVENTS = _load()
