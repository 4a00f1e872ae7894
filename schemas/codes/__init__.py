"""Code lists, versioned data files with Chinese and English names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class CodeList:
    """A closed list of codes; `names[code]` is (Chinese, English)."""

    name: str
    version: str
    names: dict[str, tuple[str, str]]

    @property
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
    return CodeList(name, raw["version"], names)


DISTRICTS = _load("districts")
CATEGORIES = _load("categories")
SCENARIOS = _load("scenarios")
COMPLAINTS = _load("complaints")
CHANNELS = _load("channels")
REASONS = _load("reasons")
