"""Where a merchant is: a partition tells in which district most of its live sessions are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.fold.sessions import DISTRICTS, Sessions
from pipelines.core.partials import PLACE, PLACE_SESSIONS, Rows

_UNKNOWN = DISTRICTS.index("999999")
_CODES = np.array([int(code) for code in DISTRICTS], np.int64)


def with_places(rows: Rows, sessions: Sessions, columns: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """The rows of merchants with the code of a district (0 is none) and the sessions there.

    `columns` [slot] are those of the minute: a session without a sample in it has no say, nor has
    one whose district is not known. Of two districts with as many the lower code is told.
    """
    live = np.flatnonzero(columns["seen"] > 0)
    shops, parts = sessions.merchants.size, len(DISTRICTS)
    cell = sessions.merchant[live].astype(np.int64) * parts + sessions.district[live]
    votes = np.bincount(cell, minlength=shops * parts).reshape(shops, parts)
    votes[:, _UNKNOWN] = 0
    some = votes[[sessions.merchants.slots[key] for key in rows.keys]]
    best = some.argmax(axis=1) if len(some) else np.zeros(0, np.int64)
    many = some[np.arange(len(some)), best]
    places = {PLACE: np.where(many > 0, _CODES[best], 0), PLACE_SESSIONS: many}
    return Rows(rows.keys, rows.values | places)
