"""Sums of a minute by what sessions have in common besides merchant and cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.core.fold.sessions import Session
from pipelines.core.metrics import Columns
from pipelines.core.partials import GROUP_METRICS, GroupKey, Rows, WhoseKey


def group_rows(dims: Sequence[Session | None], columns: Columns) -> Rows:
    """Streamers, agencies and scenarios of the sessions [slot] that sold or were complained of.

    Few sessions do so in one minute, so a loop over them is cheaper than an array for each kind.
    """
    place: dict[GroupKey, int] = {}
    slots, into = [], []
    busy = np.any([columns[name] != 0 for name in GROUP_METRICS], axis=0)
    for slot in np.flatnonzero(busy).tolist():
        session = dims[slot]
        for key in () if session is None else _keys(session):
            slots.append(slot)
            into.append(place.setdefault(key, len(place)))
    sums = {}
    for name in GROUP_METRICS:
        sums[name] = np.zeros(len(place), np.int64)
        np.add.at(sums[name], into, columns[name][slots])
    return Rows(list(place), sums)


def complaint_rows(dims: Sequence[Session | None], columns: Columns) -> Rows:
    """Complaints of a minute with all whom they are about; rare, so each session has its row."""
    some = [i for i in np.flatnonzero(columns["complaints"]).tolist() if dims[i] is not None]
    keys = [_whose(session) for i in some if (session := dims[i]) is not None]
    return Rows(keys, {"complaints": columns["complaints"][some]})


def _whose(session: Session) -> WhoseKey:
    names = (session.merchant_pid, session.streamer_pid, session.mcn_pid)
    where = (session.category, session.district)
    return session.platform_id, session.session_id, "/".join((*names, *where))


def _keys(session: Session) -> list[GroupKey]:
    platform = session.platform_id
    keys = [("streamer", platform, f"{session.streamer_pid}/{session.category}")]
    if session.mcn_pid:
        keys.append(("mcn", platform, session.mcn_pid))
    if session.scenario:
        keys.append(("scenario", platform, session.scenario))
    return keys
