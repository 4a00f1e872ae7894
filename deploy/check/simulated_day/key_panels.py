"""Panels whose figures are held against numpy over the raw rows.

The way of a figure to a panel is raw rows, settled views, minute indicators, the panel's SQL; the
other way, `Reference`, knows the raw rows alone. Tests and `make serving-check` ask the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np

from deploy.check.simulated_day.events import flag_events
from deploy.check.simulated_day.reference import C, O, R, Reference, V
from deploy.check.simulated_day.unlike import Between, unlike
from grafana.screen.timerange import TimeRange
from schemas import codes
from schemas.codes import CodeList
from schemas.telemetry import SampleType

Rows = list[dict[str, Any]]
Pair = tuple[Any, Any]
Figures = Callable[[Rows, Reference], Pair]


class Ask(Protocol):
    """Rows of a panel over a span; the dashboard of a session is asked for the day's own."""

    def __call__(self, board: str, number: int, span: TimeRange, **values: str) -> Rows: ...


@dataclass(frozen=True)
class KeyPanel:
    """`figures`: (what the panel shows, what the raw rows say), of the same shape."""

    board: str
    number: int
    over: Literal["day", "hour"]
    figures: Figures

    def __str__(self) -> str:
        return f"{self.board}/{self.number}"

    def differences(self, ask: Ask, truth: Reference) -> list[str]:
        """What does not agree, in words."""
        span = truth.day.span if self.over == "day" else truth.day.hour
        rows = ask(self.board, self.number, span)
        if not rows:
            return ["no rows"]
        return list(unlike(*self.figures(rows, truth)))


def last(rows: Rows, name: str) -> Any:
    return [row[name] for row in rows if row[name] is not None][-1]


def _of(row: dict[str, Any], counted: dict[str, Any]) -> Pair:
    """A row has more columns than are counted here."""
    return {name: row[name] for name in counted}, counted


def _city(rows: Rows, truth: Reference) -> Pair:
    """I01, I02, I04, I05 and I11 at the last closed minute."""
    at = truth.closed
    sessions, viewers = truth.gauges(at, truth.of(V))
    counted = {
        "sessions": sessions,
        "viewers": viewers,
        "orders_per_min": truth.total(O, "orders", truth.within(O, at, at)),
        "gmv_yuan": truth.total(O, "paid_fen", truth.within(O, at - 4, at)) / 100,
        "complaints_per_10000": truth.rate(at - 59, at, truth.of),
    }
    return {name: last(rows, name) for name in counted}, counted


def _points(rows: Rows, truth: Reference) -> Iterator[tuple[int, str]]:
    """(minute, platform) of each row."""
    for row in rows:
        yield (row["time"] - truth.begin_ms) // 60_000, row["platform_id"]


def _sums_by_platform(sample: SampleType, column: str) -> Figures:
    def figures(rows: Rows, truth: Reference) -> Pair:
        counted = [
            truth.total(
                sample, column, truth.of(sample, platform_id=who) & truth.within(sample, at, at)
            )
            for at, who in _points(rows, truth)
        ]
        return [row["value"] for row in rows], counted

    return figures


def _gauges_by_platform(which: Literal[0, 1]) -> Figures:
    def figures(rows: Rows, truth: Reference) -> Pair:
        counted = [
            truth.gauges(at, truth.of(V, platform_id=who))[which]
            for at, who in _points(rows, truth)
        ]
        return [row["value"] for row in rows], counted

    return figures


def _named(rows: Rows, column: str = "value") -> dict[str, Any]:
    return {row["name"]: row[column] for row in rows}


def _gmv_by(by: str, names: CodeList) -> Figures:
    """The largest of the day, as many as the panel shows, in the reader's words."""

    def figures(rows: Rows, truth: Reference) -> Pair:
        paid = truth.by(O, by, "paid_fen", truth.within(O, 0, truth.closed))
        largest = sorted(paid.items(), key=lambda item: -item[1])[: len(rows)]
        return _named(rows), {names.zh(code): fen / 100 for code, fen in largest}

    return figures


def _by_tag(tag: str) -> Figures:
    """Orders, GMV and complaints of the sessions with each tag."""

    def figures(rows: Rows, truth: Reference) -> Pair:
        sold, all_filed = truth.within(O, 0, truth.closed), truth.within(C, 0, truth.closed)
        orders, paid = (truth.by(O, tag, column, sold) for column in ("orders", "paid_fen"))
        filed = truth.by(C, tag, "complaints", all_filed)
        shown = {row["tag"]: (row["orders"], row["gmv_yuan"], row["complaints"]) for row in rows}
        counted = {n: (orders[n], paid[n] / 100, filed.get(n, 0)) for n in orders if n not in _NO}
        return shown, counted

    return figures


_NO: Final = ("", "None")


def _night(rows: Rows, truth: Reference) -> Pair:
    """I20: from 18:00 to 02:00 in Shanghai, where the day starts at midnight."""
    hours, whole = truth.minutes(O) // 60, truth.within(O, 0, truth.closed)
    night = ((hours >= 18) | (hours < 2)) & whole
    counted = {
        shown: truth.total(O, column, night) / truth.total(O, column, whole)
        for shown, column in (("night_gmv", "paid_fen"), ("night_orders", "orders"))
    }
    return _of(rows[0], counted)


def _filed(rows: Rows, truth: Reference) -> Pair:
    mask, sold = truth.shown(C), truth.within(O, 0, truth.closed)
    filed = truth.total(C, "complaints", mask)
    public = filed - truth.total(C, "complaints", mask & truth.of(C, channel="platform"))
    safety = mask & np.char.startswith(truth.day.raw[C]["code"].astype(str), "C06")
    counted = {
        "complaints": filed,
        "public_share": public / filed,
        "safety": truth.total(C, "complaints", safety),
        "per_10000": 10_000 * (filed + 1) / (truth.total(O, "orders", sold) + 1000),
    }
    return _of(rows[0], counted)


def _filed_by(by: str, names: CodeList) -> Figures:
    def figures(rows: Rows, truth: Reference) -> Pair:
        filed = truth.by(C, by, "complaints", truth.shown(C))
        return _named(rows), {names.zh(code): count for code, count in filed.items()}

    return figures


def _merchants(rows: Rows, truth: Reference) -> Pair:
    """The most complained of, each with its count."""
    filed = truth.by(C, "merchant_pid", "complaints", truth.shown(C))
    shown = {row["merchant_pid"]: row["complaints"] for row in rows}
    most = sorted(filed.values(), reverse=True)[: len(rows)]
    return (list(shown.values()), shown), (most, {shop: filed.get(shop) for shop in shown})


def _handled(rows: Rows, truth: Reference) -> Pair:
    """I13 and I14: each answer counted once; between two answers any of them is the quantile."""
    raw, mask = truth.day.raw[C], truth.shown(C)
    minutes, answered, closed, resolved = (
        raw[name][mask].astype(np.float64)
        for name in ("response_minutes", "responded", "closed", "resolved")
    )
    told = ~np.isnan(minutes) & (answered > 0)
    each = np.sort(np.repeat(minutes[told], answered[told].astype(int))) / 60
    counted: dict[str, Any] = {"resolved_share": np.nansum(resolved) / np.nansum(closed)}
    for share, name in ((0.5, "p50_h"), (0.95, "p95_h")):
        at = int(np.ceil(share * len(each)))
        counted[name] = Between(each[max(at - 2, 0)], each[min(at, len(each) - 1)])
    return _of(rows[0], counted)


def _acted_on(rows: Rows, truth: Reference) -> Pair:
    """Of 1,000 reviews of a category, those that did not pass."""
    every = truth.shown(R)
    reviews = truth.by(R, "category", "reviews", every)
    acted = truth.by(R, "category", "reviews", every & ~truth.of(R, outcome="passed"))
    return _named(rows), {
        codes.CATEGORIES.zh(name): 1000 * count / reviews[name] for name, count in acted.items()
    }


def _reviewed(rows: Rows, truth: Reference) -> Pair:
    """Reviews of the session by outcome, whatever the steps of time."""
    shown: dict[str, float] = {}
    for row in rows:
        shown[row["name"]] = shown.get(row["name"], 0) + row["value"]
    mask = truth.of(R, session_id=truth.day.session) & truth.shown(R)
    counted = truth.by(R, "outcome", "reviews", mask)
    return shown, {codes.REVIEW_OUTCOMES.zh(name): count for name, count in counted.items()}


def _session(rows: Rows, truth: Reference) -> Pair:
    """Its peak, orders, money and complaints."""
    watched, sold, filed = (
        truth.of(sample, session_id=truth.day.session) & truth.shown(sample) for sample in (V, O, C)
    )
    counted = {
        "peak_viewers": np.nanmax(truth.day.raw[V]["viewers"][watched].astype(np.float64)),
        "orders": truth.total(O, "orders", sold),
        "gmv_yuan": truth.total(O, "paid_fen", sold) / 100,
        "complaints": truth.total(C, "complaints", filed),
    }
    return _of(rows[0], counted)


def _evidence(rows: Rows, truth: Reference) -> Pair:
    """Each complaint row of the session, by the batch and row that it came in."""
    raw = truth.day.raw[C]
    filed = truth.of(C, session_id=truth.day.session) & truth.shown(C)
    columns = (raw[name][filed].tolist() for name in ("ms", "sequence", "row", "complaints"))
    names = ("event_time", "sequence", "row", "complaints")
    return [tuple(r[n] for n in names) for r in rows], sorted(zip(*columns, strict=True))[:200]


def _begun(truth: Reference) -> dict[str, dict[str, Any]]:
    """Flags of the day by their id: one each, however many events it has."""
    events = flag_events(truth.day)
    return {e["flag_id"]: e for e in events if e["onset"] <= truth.day.span.end}


def _flags(rows: Rows, truth: Reference) -> Pair:
    return _of(rows[0], {"opened": len(_begun(truth)), "muted_flags": 1})


def _flags_by_rule(rows: Rows, truth: Reference) -> Pair:
    rules = [flag["rule"] for flag in _begun(truth).values()]
    shown = {row["name"].split(" ")[0]: row["value"] for row in rows}
    return shown, {rule: rules.count(rule) for rule in set(rules)}


KEY_PANELS: Final = (
    KeyPanel("city-overview", 2, "hour", _city),
    KeyPanel("city-overview", 11, "hour", _gauges_by_platform(0)),
    KeyPanel("city-overview", 12, "hour", _gauges_by_platform(1)),
    KeyPanel("city-overview", 13, "hour", _sums_by_platform(O, "orders")),
    KeyPanel("city-overview", 15, "hour", _sums_by_platform(C, "complaints")),
    KeyPanel("city-overview", 31, "day", _gmv_by("district", codes.DISTRICTS)),
    KeyPanel("city-overview", 32, "day", _gmv_by("category", codes.CATEGORIES)),
    KeyPanel("district-base", 21, "day", _by_tag("base_id")),
    KeyPanel("category-scenario", 8, "day", _night),
    KeyPanel("category-scenario", 21, "day", _by_tag("scenario")),
    KeyPanel("category-scenario", 33, "day", _acted_on),
    KeyPanel("complaints", 2, "day", _filed),
    KeyPanel("complaints", 14, "day", _filed_by("code", codes.COMPLAINTS)),
    KeyPanel("complaints", 15, "day", _filed_by("channel", codes.CHANNELS)),
    KeyPanel("complaints", 21, "day", _merchants),
    KeyPanel("complaints", 31, "day", _handled),
    KeyPanel("session-detail", 1, "day", _session),
    KeyPanel("session-detail", 18, "day", _evidence),
    KeyPanel("session-detail", 19, "day", _reviewed),
    KeyPanel("flags-appeals", 2, "day", _flags),
    KeyPanel("flags-appeals", 12, "day", _flags_by_rule),
)
