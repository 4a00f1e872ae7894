"""Values of sessions (I03, I07, I08), and how they are spread, at the end of each bin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.core.catalog import CATALOG
from pipelines.core.columns import Coded, Maybe, TableColumns, concat
from pipelines.core.fold.sessions import CATEGORIES
from pipelines.core.fold.state import FoldState
from pipelines.core.partials import Rows, SpreadKey
from pipelines.core.quantiles import EDGES, bucket
from pipelines.core.values import VALUES_EVERY, percent, same

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_CLICK_WINDOW = 15


def live_sessions(state: FoldState, minute: int) -> Ints:
    """Slots with a viewers sample in the bin that ends with `minute`."""
    return np.flatnonzero(state.sessions.live & (minute - state.last_seen < VALUES_EVERY))


def session_values(state: FoldState, minute: int, version: int) -> TableColumns | None:
    """Rows of `indicator_values` of the live sessions; None between bins, or without any."""
    slots = live_sessions(state, minute)
    if (minute + 1) % VALUES_EVERY or not len(slots):
        return None
    peak, orders, unique = (state.life.figure(n)[slots] for n in ("peak", "orders", "unique"))
    one = np.ones(len(slots), np.int64)
    click_orders, clicks = (
        state.rolling.windows(name, minute, (_CLICK_WINDOW,))[0][slots]
        for name in ("orders", "clicks")
    )
    parts = [
        _rows(state, slots, "I03", "session", np.where(peak > 0, peak, np.nan), (peak, one, one)),
        _rows(state, slots, "I07", "session", percent(orders, unique), (orders, unique, one)),
        _rows(
            state, slots, "I08", "15m", percent(click_orders, clicks),
            (click_orders, clicks, clicks),
        ),
    ]  # fmt: skip
    out: TableColumns = {"minute": np.full(3 * len(slots), minute * 60, np.int64)}
    out |= {name: concat([part[name] for part in parts]) for name in parts[0]}
    return out | {"version": np.full(3 * len(slots), version, np.int64)}


def _rows(
    state: FoldState,
    slots: Ints,
    indicator: str,
    window: str,
    value: Floats,
    figures: tuple[Ints, Ints, Ints],
) -> TableColumns:
    top, bottom, n = figures
    null = np.isnan(value) | (n < CATALOG[indicator].minimum)
    sessions, count = state.sessions, len(slots)
    return {
        "indicator": same(indicator, count),
        "window": same(window, count),
        "part": same("", count),
        "scope": same("session", count),
        "platform_id": Coded(sessions.platform[slots], sessions.platforms),
        "category": Coded(sessions.category[slots], CATEGORIES),
        "session_id": sessions.id[slots],
        "value": Maybe(np.where(null, 0.0, value), null),
        "numerator": top.astype(np.float64),
        "denominator": bottom.astype(np.float64),
        "n": n,
    }


def spread_rows(state: FoldState, minute: int) -> Rows:
    """Histograms of I03 and I07 over the live sessions, by platform and category; at bin ends."""
    slots = live_sessions(state, minute)
    if (minute + 1) % VALUES_EVERY or not len(slots):
        return Rows([], {})
    life, sessions = state.life, state.sessions
    figures = {
        "I03": life.figure("peak")[slots].astype(np.float64),
        "I07": percent(life.figure("orders")[slots], life.figure("unique")[slots]),
    }
    figures["I03"][figures["I03"] == 0] = np.nan
    widest = 1 + max(len(edges) for edges in EDGES.values())
    group = sessions.platform[slots].astype(np.int64) * len(CATEGORIES) + sessions.category[slots]
    keys: list[SpreadKey] = []
    tables: list[Ints] = []
    for indicator, values in figures.items():
        known = ~np.isnan(values)
        at, index = np.unique(group[known], return_inverse=True)
        table = np.zeros((len(at), widest), np.int64)
        np.add.at(table, (index, bucket(indicator, values[known])), 1)
        tables.append(table)
        for one in at.tolist():
            platform, category = divmod(one, len(CATEGORIES))
            keys.append((indicator, sessions.platforms[platform], CATEGORIES[category]))
    whole = np.concatenate(tables)
    return Rows(keys, {f"b{i:02d}": whole[:, i] for i in range(widest)})
