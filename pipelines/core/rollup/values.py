"""Values of categories, platforms and the city, at the end of each bin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.core.catalog import NIGHT_HOURS, TOP_AGENCIES
from pipelines.core.fold.sessions import CATEGORIES
from pipelines.core.index import KeyIndex
from pipelines.core.indicators import I11_COMPLAINTS, I11_ORDERS
from pipelines.core.metrics import Columns
from pipelines.core.partials import GROUP_METRICS, CellKey, GroupKey, Partial, Rows
from pipelines.core.quantiles import quantile
from pipelines.core.rolling import Rolling
from pipelines.core.rules.shift import jensen_shannon, shares
from pipelines.core.spans import TALLY, Spans
from pipelines.core.values import Scope, Values

Ints = npt.NDArray[np.int64]
CITY = Scope("city")
OF_THE_BIN = frozenset({"live", "reviewed"})
"""Tallies that are of the five minutes and not added up."""
_SHANGHAI_HOURS = 8
_COMPLAINTS, _ORDERS, _PAID = (GROUP_METRICS.index(n) for n in ("complaints", "orders", "paid_fen"))


def is_night(minute: int) -> bool:
    """Whether a minute since the epoch is in the night window of Shanghai."""
    hour = (minute // 60 + _SHANGHAI_HOURS) % 24
    since, until = NIGHT_HOURS
    return hour >= since or hour < until


def span_rows(
    minute: int, cells: Sequence[CellKey | None], columns: Columns, partials: Iterable[Partial]
) -> Rows:
    """What a closed minute adds to hours and days: categories, the night, agencies, scenarios."""
    place: dict[GroupKey, int] = {}
    values: list[list[int]] = []

    def add(key: GroupKey, figures: list[int]) -> None:
        at = place.setdefault(key, len(place))
        if at == len(values):
            values.append([0] * len(GROUP_METRICS))
        values[at] = [a + b for a, b in zip(values[at], figures, strict=True)]

    busy = np.any([columns[n] != 0 for n in GROUP_METRICS], axis=0)
    for slot in np.flatnonzero(busy).tolist():
        key = cells[slot]
        if key is not None:
            figures = [int(columns[n][slot]) for n in GROUP_METRICS]
            add(("category", key[0], key[1]), figures)
            if is_night(minute):
                add(("night", key[0], ""), figures)
    for partial in partials:
        for i, group in enumerate(partial.groups.keys):
            if group[0] != "streamer":
                add(group, [int(partial.groups.values[n][i]) for n in GROUP_METRICS])
        for i, tally in enumerate(partial.tallies.keys):
            if tally[0] not in OF_THE_BIN:
                count = int(partial.tallies.values["n"][i])
                add(tally, [count if n == TALLY else 0 for n in GROUP_METRICS])
    whole = np.array(values, np.int64).reshape(len(values), len(GROUP_METRICS))
    return Rows(list(place), {n: whole[:, i] for i, n in enumerate(GROUP_METRICS)})


def spread_values(out: Values, partials: Iterable[Partial]) -> None:
    """I03 and I07: the medians of the live sessions."""
    sums: dict[tuple[str, Scope], Ints] = {}
    for partial in partials:
        for i, (indicator, platform, category) in enumerate(partial.spread.keys):
            names = sorted(partial.spread.values)
            counts = np.array([partial.spread.values[n][i] for n in names], np.int64)
            for scope in (Scope("category", platform, category), Scope("platform", platform), CITY):
                old = sums.get((indicator, scope))
                sums[indicator, scope] = counts if old is None else old + counts
    for (indicator, scope), counts in sums.items():
        n = int(counts.sum())
        out.add(indicator, "session", scope, quantile(indicator, counts, 0.5), (0.0, 0.0, n), "p50")


def click_values(out: Values, cells: KeyIndex[CellKey], rolling: Rolling, minute: int) -> None:
    """I08 over 15 minutes."""
    orders, clicks = (rolling.windows(name, minute, (15,))[0] for name in ("orders", "clicks"))
    sums: dict[Scope, list[int]] = {}
    for slot, key in enumerate(cells.keys):
        if key is None or not (orders[slot] or clicks[slot]):
            continue
        for scope in (Scope("category", key[0], key[1]), Scope("platform", key[0]), CITY):
            into = sums.setdefault(scope, [0, 0])
            into[0] += int(orders[slot])
            into[1] += int(clicks[slot])
    for scope, (top, bottom) in sums.items():
        out.add("I08", "15m", scope, _share(top, bottom), (top, bottom, bottom))


def span_values(out: Values, spans: Spans, minute: int) -> None:
    """I05, I11, I12, I19 and I20: windows of hours and days."""
    keys = [key or ("", "", "") for key in spans.keys.keys]
    today, week = spans.days.window(minute, 0, 0), spans.days.window(minute, 0, 6)
    month, hours = spans.days.window(minute, 1, 28), spans.hours.window(minute, 0, 23)
    today, week, month, hours = (_to(len(keys), sums) for sums in (today, week, month, hours))
    for at, key in enumerate(keys):
        if key[0] == "category":
            scope = Scope("category", key[1], key[2])
            _plain(out, scope, today[:, [at]].sum(axis=1), week[:, [at]].sum(axis=1))
    platforms = sorted({key[1] for key in keys if key[0] == "category"})
    for scope in (*(Scope("platform", p) for p in platforms), *([CITY] if platforms else [])):
        mine = [i for i, key in enumerate(keys) if key[1] and scope.platform in ("", key[1])]
        goods = [i for i in mine if keys[i][0] == "category"]
        _plain(out, scope, today[:, goods].sum(axis=1), week[:, goods].sum(axis=1))
        _divergence(out, scope, goods, keys, (hours, month))
        _agencies(out, scope, week[_PAID, [i for i in mine if keys[i][0] == "mcn"]])
        tagged = [i for i in mine if keys[i][0] in ("scenario", "night")]
        _scenarios(out, scope, tagged, keys, (today, today[:, goods].sum(axis=1)))


def _to(n: int, sums: Ints) -> Ints:
    return np.pad(sums, ((0, 0), (0, n - sums.shape[1])))


def _share(top: float, bottom: float) -> float:
    return 100 * top / bottom if bottom else float("nan")


def _plain(out: Values, scope: Scope, today: Ints, week: Ints) -> None:
    paid, orders = int(today[_PAID]), int(today[_ORDERS])
    out.add("I05", "1d", scope, paid / 100, (paid, 100, orders))
    top, bottom = week[_COMPLAINTS] + I11_COMPLAINTS, week[_ORDERS] + I11_ORDERS
    out.add("I11", "7d", scope, 10_000 * top / bottom, (top, bottom, int(week[_ORDERS])))


def _divergence(
    out: Values, scope: Scope, goods: list[int], keys: list[GroupKey], sums: tuple[Ints, Ints]
) -> None:
    now, before = np.zeros((1, len(CATEGORIES))), np.zeros((1, len(CATEGORIES)))
    for i in goods:
        at = CATEGORIES.index(keys[i][2])
        now[0, at] += sums[0][_PAID, i]
        before[0, at] += sums[1][_PAID, i]
    known = now.any() and before.any()
    value = float(jensen_shannon(shares(now), shares(before))[0]) if known else float("nan")
    orders = int(sums[0][_ORDERS, goods].sum())
    out.add("I12", "24h", scope, value, (now.sum(), before.sum(), orders))


def _agencies(out: Values, scope: Scope, paid: Ints) -> None:
    paid = np.sort(paid[paid > 0])[::-1]
    total, n = int(paid.sum()), len(paid)
    top = int(paid[:TOP_AGENCIES].sum())
    squares = float((paid.astype(np.float64) ** 2).sum())
    hhi = 10_000 * squares / float(total) ** 2 if total else float("nan")
    out.add("I19", "7d", scope, _share(top, total), (top, total, n), "CR10")
    out.add("I19", "7d", scope, hhi, (squares, float(total) ** 2, n), "HHI")


def _scenarios(
    out: Values, scope: Scope, some: list[int], keys: list[GroupKey], sums: tuple[Ints, Ints]
) -> None:
    today, whole = sums
    paid: dict[str, int] = {"night": 0}
    for i in some:
        part = keys[i][2] or "night"
        paid[part] = paid.get(part, 0) + int(today[_PAID, i])
    total, orders = int(whole[_PAID]), int(whole[_ORDERS])
    for part, top in sorted(paid.items()):
        if top or part == "night":
            out.add("I20", "1d", scope, _share(top, total), (top, total, orders), part)
