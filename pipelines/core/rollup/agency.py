"""A rise that the merchants of one agency (MCN), or the sessions of one merchant, share: who they
are is known by the complaints of the hour."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.core.detect import ParentRise
from pipelines.core.detect.parents import stands_out
from pipelines.core.detect.window import closed_window
from pipelines.core.flags import RULE, Entity
from pipelines.core.kin import EntityKey
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.rollup.level import Key, Level
from pipelines.core.rollup.parents import Wide, open_rise
from pipelines.core.rollup.whose import Whose

SURE = 2.0
TOP_SHARE = 0.1
Row = tuple[int, Whose, int]
"""(minute, whose, complaints)"""


def agencies(rows: Iterable[Row]) -> dict[EntityKey, str]:
    """The agency of most complaints of each session, merchant and streamer; empty is none."""
    votes: dict[EntityKey, Counter[str]] = {}
    for _, one, n in rows:
        for key in one.entities():
            if key[0] in ("session", "merchant", "streamer"):
                votes.setdefault(key, Counter())[one.mcn] += n
    return {key: min(found, key=lambda pid: (-found[pid], pid)) for key, found in votes.items()}


def entity_key(entity: Entity) -> EntityKey:
    """An entity as complaints name it."""
    return entity.type, entity.platform_id, entity.id


def usual_a_bin(level: Level, slots: Sequence[int]) -> list[float]:
    """Complaints that are usual for series [n] in one bin, over their last hour."""
    state, policy = level.monitor.detector.state, level.monitor.policy
    window = closed_window(state, np.array(slots, np.int64), policy)
    usual: list[float] = (window.expected / np.maximum(window.known, 1)).tolist()
    return usual


def shared_rise(wider: Level, parts: Level | None, key: Key, rows: Sequence[Row]) -> Wide | None:
    """The rise of an agency that its merchants share, or of a merchant that its sessions do
    (`parts` None): it stands out without the tenth of them (one at least) with most complaints.

    It explains whatever its parts do: who answers for all of them is told, not each of them.
    None where it is in no episode, or one part has it all. Open minutes count, too: its parts must
    be attached before they are told.
    """
    slot = wider.index.slots.get(key)
    episode = None if slot is None else open_rise(wider, slot)
    if episode is None or slot is None or not rows:
        return None
    first = episode.onset_ms // MINUTE_MS
    minutes = max(minute for minute, _, _ in rows) + 1 - first
    bins = min(max(minutes, 1) / wider.monitor.minutes_per_bin, wider.monitor.policy.window_bins)
    mine, whole = _by_part(wider.kind, "merchant" if parts else "session", key, rows, first)
    left, usual = mine.total(), usual_a_bin(wider, [slot])[0] * bins
    for pid, n in mine.most_common(max(1, int(TOP_SHARE * len(mine)))):
        at = None if parts is None else parts.index.slots.get((key[0], pid))
        left -= n
        if parts is not None and at is not None:
            usual -= usual_a_bin(parts, [at])[0] * bins * n / whole[pid]
    if usual <= 0 or not stands_out(left, usual, SURE):
        return None
    flag_id = f"{RULE}:{wider.entity(slot).key}:{episode.onset_ms}"
    return Wide(flag_id, ParentRise(True, math.inf), max(int(bins), 1))


def _by_part(
    kind: str, part: str, key: Key, rows: Iterable[Row], first: int
) -> tuple[Counter[str], Counter[str]]:
    """Complaints since minute `first` of each part, within the entity of `kind`, and in all."""
    mine, whole = Counter[str](), Counter[str]()
    for minute, one, n in rows:
        if one.platform == key[0] and minute >= first:
            whole[getattr(one, part)] += n
            mine[getattr(one, part)] += n * (getattr(one, kind) == key[1])
    return +mine, whole
