"""Code lists, versioned data files with Chinese and English names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources


@dataclass(frozen=True)
class CodeList:
    """A closed list of codes; `names[code]` is (Chinese, English).

    `kinds[code]` says what a code is, where the list has kinds: complaint (投诉) or report (举报).
    """

    name: str
    version: str
    about: str
    names: dict[str, tuple[str, str]]
    kinds: dict[str, str] = field(default_factory=dict)

    @cached_property
    def codes(self) -> frozenset[str]:
        return frozenset(self.names)

    def zh(self, code: str) -> str:
        return self.names[code][0]

    def en(self, code: str) -> str:
        return self.names[code][1]


def _load(name: str) -> CodeList:
    text = resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8")
    raw = json.loads(text)
    names = {code: (zh, en) for code, (zh, en) in raw["codes"].items()}
    return CodeList(name, raw["version"], raw["about"], names, raw.get("kinds", {}))


DISTRICTS = _load("districts")
CATEGORIES = _load("categories")
SCENARIOS = _load("scenarios")
COMPLAINTS = _load("complaints")
CHANNELS = _load("channels")
REASONS = _load("reasons")
REGIONS = _load("regions")
BRANDS = _load("brands")
TIERS = _load("tiers")
REVIEW_MODES = _load("review_modes")
REVIEW_OUTCOMES = _load("review_outcomes")

LISTS = (
    DISTRICTS, CATEGORIES, SCENARIOS, COMPLAINTS, CHANNELS, REASONS, REGIONS, BRANDS, TIERS,
    REVIEW_MODES, REVIEW_OUTCOMES,
)  # fmt: skip
