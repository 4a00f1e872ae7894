"""The version of the kept state, and the way from each older one: pure steps, n-1 to n.

A worker reads its own version and upgrades older ones at load, step by step. A newer one it
refuses: then an older worker, in the middle of a rolling upgrade, met a partition that a newer
one has had.

Version 2: minutes and hours are named by their number and not by their place in a ring, so that a
checkpoint that is cut off, or a worker that wakes up late, writes over nothing that is needed.

Version 3: sessions have the dimensions of contract 1.1, and the head a position in the reviews.
What version 2 wrote is read as it is: both are then unknown. But a worker of version 2 must not
take the state back: it would read the reviews again, and could not read the sessions.

Version 4: the second stage keeps the counts of a minute by level, not of merchants alone; both have
rules beside F01, which begin afresh where an older version did not know them.

Version 5: an entry of several pieces has two places that take turns (`pipelines/agents/store.py`).
A worker of version 4 knows the first alone, so it must not take the state back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pipelines.core import blob
from pipelines.core.rolling import RING_HOURS, RING_MINUTES

STATE_VERSION = 5
Head = dict[str, Any]
Entries = dict[str, bytes]
Upgrade = Callable[[Head, Entries], tuple[Head, Entries]]


class UnknownStateError(Exception):
    """The checkpoint was written by another version of the state. Says what to do."""

    def __init__(self, found: object) -> None:
        super().__init__(
            f"the checkpoint has state version {found} and this worker reads up to "
            f"{STATE_VERSION}: run the version that wrote it (docs/runbooks/rolling-upgrade.md)"
        )


def minute_name(minute: int) -> str:
    """Entry of a closed minute."""
    return f"minute/{minute}"


def hour_name(hour: int) -> str:
    """Entry of a finished clock hour."""
    return f"hour/{hour}"


def outdated(names: Iterable[str], closed_through: int | None) -> set[str]:
    """Entries that no window of a minute after `closed_through` reaches."""
    if closed_through is None:
        return set()
    oldest = {
        "minute": closed_through - RING_MINUTES,
        "hour": closed_through // 60 - RING_HOURS,
    }
    parts = [(name, *name.partition("/")[::2]) for name in names]
    return {name for name, kind, n in parts if kind in oldest and int(n) <= oldest[kind]}


def _ring_slots_to_numbers(head: Head, entries: Entries) -> tuple[Head, Entries]:
    """1 to 2, of both stages: what stood in a ring's slot is named by the number within."""
    out: Entries = {}
    for name, value in entries.items():
        kind = name.partition("/")[0]
        if kind in {"minute", "hour"}:
            out[f"{kind}/{int(blob.unpack(value)[kind])}"] = value
        else:
            out[name] = value
    gone = outdated(out, head["closed_through"])
    kept = {name: value for name, value in out.items() if name not in gone}
    return head | {"names": sorted(kept)}, kept


def _as_it_is(head: Head, entries: Entries) -> tuple[Head, Entries]:
    """2 to 3, and 3 to 4 of the first stage: what came is optional. 4 to 5: only the store's places
    are others."""
    return head, entries


def _counts_by_level(head: Head, entries: Entries) -> tuple[Head, Entries]:
    """3 to 4 of the second stage: what a minute counted of platforms and categories stood in its
    cells, what it counted of merchants under `shop.`."""
    cells = json.loads(entries.get("cells", b"[]"))
    out = dict(entries)
    for name, packed in entries.items():
        if not name.startswith("minute/"):
            continue
        arrays = blob.unpack(packed)
        shops = {n: arrays.pop(n) for n in list(arrays) if n.startswith("shop.")}
        arrays |= {f"merchant.{n.partition('.')[2]}": v for n, v in shops.items()}
        for kind, parts in (("platform", 1), ("category", 2)):
            rows = json.loads(entries.get(f"keys/{kind}", b'{"rows": []}'))["rows"]
            slots = {tuple(row[:parts]): slot for slot, row in enumerate(rows)}
            sums = {n: np.zeros(len(rows), np.int64) for n in ("complaints", "orders")}
            for cell, key in enumerate(cells):
                slot = None if key is None else slots.get(tuple(key[:parts]))
                for n, into in sums.items():
                    if slot is not None and n in arrays and cell < len(arrays[n]):
                        into[slot] += arrays[n][cell]
            arrays |= {f"{kind}.{n}": v for n, v in sums.items()}
            arrays[f"{kind}.slots"] = np.arange(len(rows))
        out[name] = blob.pack(arrays)
    return head, out


UPGRADES: Mapping[str, Mapping[int, Upgrade]] = {
    "fold": {1: _ring_slots_to_numbers, 2: _as_it_is, 3: _as_it_is, 4: _as_it_is},
    "rollup": {1: _ring_slots_to_numbers, 2: _as_it_is, 3: _counts_by_level, 4: _as_it_is},
}
"""Stage -> version -> the step from that version to the next."""


def upgraded(
    stage: str,
    head: Head,
    entries: Entries,
    steps: Mapping[str, Mapping[int, Upgrade]] = UPGRADES,
    version: int = STATE_VERSION,
) -> tuple[Head, Entries]:
    """The checkpoint in this version. Raises UnknownStateError where no way leads there."""
    found = head.get("state_version")
    if not isinstance(found, int) or found > version:
        raise UnknownStateError(found)
    for at in range(found, version):
        step = steps.get(stage, {}).get(at)
        if step is None:
            raise UnknownStateError(found)
        head, entries = step(head, entries)
    return head | {"state_version": version}, entries
