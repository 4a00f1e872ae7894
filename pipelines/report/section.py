"""What a page of a report is laid out of."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(slots=True)
class Card:
    """A figure that stands by itself."""

    label: str
    value: str
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Section:
    """A part of the page."""

    title: str
    cards: list[Card] = field(default_factory=list)
    figures: list[Markup] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind: str = ""
