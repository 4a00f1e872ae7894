"""A rise of one agency (MCN) as a whole: its merchants are known by the complaints of the hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.core.detect import ParentRise
from pipelines.core.detect.parents import stands_out
from pipelines.core.detect.window import closed_window
from pipelines.core.flags import RULE, Entity
from pipelines.core.kin import EntityKey
from pipelines.core.rollup.level import Key, Level
from pipelines.core.rollup.parents import Wide, closed_bins, open_rise
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


def wide_agency(mcn: Level, merchants: Level, key: Key, rows: Iterable[Row]) -> Wide | None:
    """The rise of an agency without the tenth of its merchants (one at least) with the most
    complaints; None where it is in no episode or does not stand out without them.

    The rule of `parent_rise`; merchants without a complaint need not be known for it.
    """
    slot = mcn.index.slots.get(key)
    episode = None if slot is None else open_rise(mcn, slot)
    if episode is None or slot is None or (bins := closed_bins(mcn, episode)) < 1:
        return None
    bins = min(bins, mcn.monitor.policy.window_bins)
    last = mcn.monitor.closed_through
    first = last + 1 - bins * mcn.monitor.minutes_per_bin
    mine, whole = Counter[str](), Counter[str]()
    for minute, one, n in rows:
        if one.platform == key[0] and first <= minute <= last:
            whole[one.merchant] += n
            mine[one.merchant] += n * (one.mcn == key[1])
    mine = +mine
    left = mine.total()
    usual = usual_a_bin(mcn, [slot])[0] * bins
    for pid, n in mine.most_common(max(1, int(TOP_SHARE * len(mine)))):
        at = merchants.index.slots.get((key[0], pid))
        left -= n
        usual -= 0.0 if at is None else usual_a_bin(merchants, [at])[0] * bins * n / whole[pid]
    if len(mine) < 2 or usual <= 0 or not stands_out(left, usual, SURE):
        return None
    flag_id = f"{RULE}:{mcn.entity(slot).key}:{episode.onset_ms}"
    return Wide(flag_id, ParentRise(True, left / usual), bins)
