"""The district of each merchant, out of what the partitions tell (`fold/places.py`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipelines.core.partials import PLACE, PLACE_SESSIONS, Partial
from pipelines.core.rollup.level import Level

_HOUR = 60


def settle(level: Level, minute: int, partials: Iterable[Partial]) -> None:
    """Where each merchant of a closed minute is: the district of most of its live sessions.

    Decided once it is first told and again in the last minute of each clock hour, so that it
    depends on closed minutes alone and seldom changes. Of several with as many sessions the
    present one stays, else the lowest code is taken. What nobody tells of stays as it is.
    """
    again = (minute + 1) % _HOUR == 0
    votes: dict[int, Counter[str]] = {}
    for partial in partials:
        keys, values = partial.merchants
        if PLACE not in values:  # of a worker of an earlier version
            continue
        place, many = values[PLACE].tolist(), values[PLACE_SESSIONS].tolist()
        for i, key in enumerate(keys):
            if not place[i]:
                continue
            slot = level.slot((key[0], key[1]), key[2])
            if again or not level.district[slot]:
                votes.setdefault(slot, Counter())[str(place[i])] += many[i]
    for slot, found in votes.items():
        now = level.district[slot]
        level.place(slot, min(found, key=lambda code: (-found[code], code != now, code)))
