"""The complaints of the last hour with all whom they are about.

Sums by merchant and by streamer do not say whether it is the same complaints that lift both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Self

import numpy as np

from pipelines.core import blob
from pipelines.core.kin import EntityKey
from pipelines.core.partials import Partial, Rows

HOUR = 60
WHOSE_ARRAYS = frozenset({"whose", "whose.n"})


class Whose(NamedTuple):
    """A session with what it belongs to. Absent ones are empty."""

    platform: str
    session: str
    merchant: str
    streamer: str
    mcn: str
    category: str
    district: str

    @classmethod
    def of(cls, platform: str, session: str, rest: str) -> Self:
        """From the key of a partial's row."""
        return cls(platform, session, *rest.split("/"))

    def entities(self) -> Iterator[EntityKey]:
        """All that a complaint about the session counts for, narrowest first."""
        for kind in ("session", "merchant", "streamer", "mcn"):
            name = getattr(self, kind)
            if name:
                yield kind, self.platform, name
        category = f"{self.platform}/{self.category}"
        yield "cell", self.platform, f"{category}/{self.district}"
        yield "category", self.platform, category
        yield "platform", self.platform, self.platform
        yield "city", "", "all"


Counts = Counter[Whose]


class Complaints:
    """By closed minute, an hour of them; open ones stand in the partials."""

    def __init__(self) -> None:
        self._closed: dict[int, Counts] = {}

    def close_minute(self, minute: int, partials: Iterable[Partial]) -> None:
        """Take in a closed minute; what is older than an hour is forgotten."""
        self._put(minute, counts(one.whose for one in partials))

    def _put(self, minute: int, some: Counts) -> None:
        self._closed[minute] = some
        self._closed = {m: c for m, c in self._closed.items() if m > minute - HOUR}

    def rows(self, opens: Iterable[tuple[int, Counts]]) -> list[tuple[int, Whose, int]]:
        """(minute, whose, complaints) of the closed minutes and of these open ones."""
        minutes = [*self._closed.items(), *opens]
        return [(m, one, n) for m, found in minutes for one, n in found.items()]

    def erase(self, gone: Callable[[Whose, int], bool]) -> set[int]:
        """Forget the rows for which `gone` (whose, minute) says so; the minutes that had any."""
        changed = set()
        for minute, found in self._closed.items():
            left = Counter({k: n for k, n in found.items() if not gone(k, minute)})
            if len(left) < len(found):
                self._closed[minute] = left
                changed.add(minute)
        return changed

    def pack(self, minute: int) -> blob.Arrays:
        """A closed minute, for a checkpoint; nothing where nobody complained."""
        found = self._closed.get(minute)
        if not found:
            return {}
        keys = np.array(["\n".join(one) for one in found], np.str_)
        return {"whose": keys, "whose.n": np.array(list(found.values()), np.int64)}

    def unpack(self, minute: int, arrays: blob.Arrays) -> None:
        """Take what `pack` gave."""
        if "whose" in arrays:
            keys = [Whose(*text.split("\n")) for text in arrays["whose"].tolist()]
            self._put(minute, Counter(dict(zip(keys, arrays["whose.n"].tolist(), strict=True))))


def counts(some: Iterable[Rows]) -> Counts:
    """Complaints of rows of partials by whose they are."""
    out: Counts = Counter()
    for rows in some:
        for key, n in zip(rows.keys, rows.values.get("complaints", ()), strict=False):
            out[Whose.of(*key)] += int(n)
    return out
