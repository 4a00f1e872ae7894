"""Words in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

Lang = Literal["zh", "en"]
LANGS: Final[tuple[Lang, ...]] = ("zh", "en")
Json = dict[str, Any]


@dataclass(frozen=True)
class Text:
    """The same words in Chinese and in English."""

    zh: str
    en: str

    def of(self, lang: Lang) -> str:
        return self.zh if lang == "zh" else self.en

    def __add__(self, other: Text) -> Text:
        return Text(self.zh + other.zh, f"{self.en} {other.en}")


def both(text: str) -> Text:
    """Text that is the same in both languages (an id, a number, SQL)."""
    return Text(text, text)


def each(make: Callable[[Lang], str]) -> Text:
    """SQL that names things in the reader's language."""
    return Text(make("zh"), make("en"))


UNKNOWN: Final = Text("未知", "unknown")
