"""A report as one HTML page. No clock: the same report gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.core.disclosure.rules import BETWEEN_AGENCIES, PUBLIC
from pipelines.report import charts
from pipelines.report.model import Audience, Flags, Line, Number, Period, Quality, Report
from pipelines.report.words import METHOD, Lang, name, word

_RARE = 3


@dataclass(slots=True)
class Card:
    """A figure that stands by itself."""

    label: str
    value: str
    note: str = ""


@dataclass(slots=True)
class Section:
    """A part of the page."""

    title: str
    cards: list[Card] = field(default_factory=list)
    figures: list[Markup] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind: str = ""


def html(report: Report, lang: Lang) -> str:
    """The page."""
    env = Environment(
        loader=PackageLoader("pipelines.report", "."),
        autoescape=True, undefined=StrictUndefined, trim_blocks=False, keep_trailing_newline=True,
    )  # fmt: skip
    page = _Page(report, lang)
    return env.get_template("page.html.j2").render(
        lang="zh-CN" if lang == "zh" else "en", heading=page.heading(), under=page.under(),
        sections=page.sections(), gone=page.say("suppressed"),
    )  # fmt: skip


class _Page:
    def __init__(self, report: Report, lang: Lang) -> None:
        self.report, self.lang = report, lang

    def say(self, key: str) -> str:
        return word(key, self.lang)

    def heading(self) -> str:
        whose = self.report.platform or self.say("city")
        period = self.say(self.report.span.period.value)
        gap = "" if self.lang == "zh" else " "
        if self.lang == "zh":
            return f"{whose}{gap}{self.say('title')}（{period}）"
        return f"{self.say('title')}, {whose} ({period})"

    def under(self) -> list[str]:
        r, colon = self.report, "：" if self.lang == "zh" else ": "
        when = str(r.span.first) if r.span.days == 1 else f"{r.span.first} – {r.span.last}"
        there = f"{len(r.days)} / {r.span.days}"
        return [f"{when} · {self.say(r.audience.value)}", f"{self.say('days_in')}{colon}{there}"]

    def sections(self) -> list[Section]:
        r = self.report
        out = [self._overview()]
        if r.span.period is not Period.DAY:
            out.append(self._series("by_day", [(x.key[5:], x) for x in r.by_day]))
        out.append(self._series("by_hour", self._clock()))
        if r.audience is Audience.AGENCY:
            out.append(self._table("by_platform", "platform", r.by_platform))
        out += [
            self._table("by_category", "category", r.by_category),
            self._table("by_district", "district", r.by_district),
            self._table("by_scenario", "scenario", r.by_scenario),
            self._complaints(), self._flags(), self._quality(), self._method(),
        ]  # fmt: skip
        return out

    def _clock(self) -> list[tuple[str, Line]]:
        there = {line.key: line for line in self.report.by_hour}
        empty: dict[str, Number] = {"paid_fen": 0, "orders": 0}
        return [(str(h), there.get(str(h), Line(str(h), empty))) for h in range(24)]

    def _overview(self) -> Section:
        total, before, city = self.report.total, self.report.before, self.report.city
        out = Section(self.say("overview"))
        for key, (value, digits, unit) in _figures(total).items():
            notes = []
            old = None if before is None else _figures(before)[key][0]
            if old and value is not None:
                change = f"{100 * (value / old - 1):+.1f}%"
                notes.append(f"{self.say('against_before')} {change}")
            if city is not None:
                notes.append(
                    f"{self.say('city_total')} {self._number(_figures(city)[key][0], digits, unit)}"
                )
            text = self._number(value, digits, unit, self._partly(total, key))
            out.cards.append(Card(self.say(key), text, " · ".join(notes)))
        return out

    def _series(self, key: str, lines: list[tuple[str, Line]]) -> Section:
        out = Section(self.say(key))
        bars = [(label, _yuan(x), self._number(_yuan(x), 0, "")) for label, x in lines]
        out.figures.append(Markup(charts.columns(bars, self.say(key), self.say("gmv"))))  # noqa: S704
        return out

    def _table(self, title: str, kind: str, lines: list[Line]) -> Section:
        out = Section(self.say(title))
        if not lines:
            out.notes.append(self.say("quiet"))
            return out
        whole = _yuan(self.report.total)
        bars = [
            (name(kind, x.key, self.lang), _yuan(x), self._number(_yuan(x), 0, "", x.gone > 0))
            for x in lines
        ]
        out.figures.append(Markup(charts.rows(bars, self.say(title))))  # noqa: S704
        rare = kind in ("category", "district", "platform")
        keys = ["name", "sessions", "orders", "gmv", "share", "order_value"]
        out.head = [self.say(k) for k in (*keys, *(["complaints"] if rare else []))]
        for line in lines:
            part, yuan = line.gone > 0, _yuan(line)
            share = None if not whole or yuan is None else 100 * yuan / whole
            told = "–" if self.report.total.gone else self._number(share, 1, "%", part)
            row = [
                name(kind, line.key, self.lang),
                self._number(line.values["sessions"], 0, "", part),
                self._number(line.values["orders"], 0, "", part),
                self._number(yuan, 0, "", part),
                told,
                self._number(_figures(line)["order_value"][0], 1, ""),
            ]
            if rare:
                row.append(
                    self._number(line.values["complaints"], 0, "", self._partly(line, "complaints"))
                )
            out.rows.append(row)
        return out

    def _complaints(self) -> Section:
        out, r = Section(self.say("complaints_part")), self.report
        if r.by_code:
            bars = [
                (name("code", x.key, self.lang), _float(x.values["complaints"]),
                 self._number(x.values["complaints"], 0, "", x.gone > 0))
                for x in r.by_code
            ]  # fmt: skip
            out.figures.append(Markup(charts.rows(bars, self.say("code"))))  # noqa: S704
        else:
            out.notes.append(self.say("quiet"))
        if r.handling is None:
            colon = "：" if self.lang == "zh" else ": "
            out.notes.append(f"{self.say('answered_p50')}{colon}{self.say('missing')}")
            return out
        h = r.handling
        out.cards = [
            Card(self.say("answered_p50"), self._number(h.answered_p50_h, 1, "")),
            Card(self.say("answered_p95"), self._number(h.answered_p95_h, 1, "")),
            Card(self.say("resolved"), self._number(_percent(h.resolved), 0, "%")),
        ]
        return out

    def _flags(self) -> Section:
        out, r = Section(self.say("flags_part")), self.report
        if r.flags is None:
            out.notes.append(self.say("missing"))
        elif not r.flags:
            out.notes.append(self.say("quiet"))
        else:
            out.head = [self.say(k) for k in ("rule", "raised", "critical")]
            out.rows = [self._flag_row(one) for one in r.flags]
        if r.appeals is None:
            return out
        a = r.appeals
        share = None if a.decided < _RARE else 100 * a.overturned / a.decided
        out.cards = [
            *(Card(self.say(k), self._count(n)) for k, n in (
                ("files", a.files), ("appealed", a.appealed), ("decided", a.decided),
                ("overturned", a.overturned))),
            Card(self.say("overturn_share"), "–" if share is None else f"{share:.0f}%"),
        ]  # fmt: skip
        return out

    def _flag_row(self, one: Flags) -> list[str]:
        called = f"{one.rule} {name('rule', one.rule, self.lang)}"
        return [called, self._count(one.raised), self._count(one.critical)]

    def _count(self, n: int) -> str:
        """Of very few the public could tell who; agencies and the platform itself are told."""
        few = self.report.audience is Audience.PUBLIC and 0 < n < _RARE
        return self.say("fewer") if few else f"{n:,}"

    def _quality(self) -> Section:
        out = Section(self.say("quality_part"))
        out.head = [self.say(k) for k in ("name", "completeness", "late", "lag")]
        out.rows = [self._quality_row(q) for q in self.report.quality]
        if not out.rows:
            out.notes.append(self.say("quiet"))
        return out

    def _quality_row(self, q: Quality) -> list[str]:
        def known(value: float | None, text: str) -> str:
            return self.say("unknown") if value is None else text

        lag = q.lag_p95_ms
        return [
            name("", q.key, self.lang),
            known(q.completeness, f"{100 * (q.completeness or 0):.1f}%"),
            known(q.late, f"{100 * (q.late or 0):.2f}%"),
            known(lag, f"≤ {(lag or 0) / 1000:g} s"),
        ]

    def _method(self) -> Section:
        own = self.report.audience is Audience.PLATFORM
        policy = PUBLIC if self.report.audience is Audience.PUBLIC else BETWEEN_AGENCIES
        parts = (
            METHOD["all"][self.lang == "en"]
            + METHOD["own" if own else "suppressed"][self.lang == "en"]
        )
        notes = [text.format(least=policy.least) for text in parts]
        return Section(self.say("method"), notes=notes, kind="method")

    def _partly(self, line: Line, key: str) -> bool:
        """Whether a sum leaves days out; what is a ratio of such sums is one of the days shown."""
        if key in ("order_value", "refund_rate", "complaint_rate"):
            return False
        apart = {"complaints": "complaints_gone"}.get(key)
        return line.gone > 0 or bool(apart and line.values.get(apart))

    def _number(self, value: Number, digits: int, unit: str, partly: bool = False) -> str:
        if value is None:
            return self.say("suppressed")
        return f"{self.say('at_least') + ' ' if partly else ''}{value:,.{digits}f}{unit}"


def _figures(line: Line) -> dict[str, tuple[float | None, int, str]]:
    """The figures of the overview: value, digits, unit."""
    v = {k: _float(x) for k, x in line.values.items()}
    orders, refunds, complaints = v.get("orders"), v.get("refunds"), v.get("complaints")
    watched = v.get("viewer_milliminutes")
    whole = not line.gone
    return {
        "sessions": (v.get("sessions"), 0, ""),
        "orders": (orders, 0, ""),
        "gmv": (_yuan(line), 0, ""),
        "order_value": (_ratio(_yuan(line), orders), 1, ""),
        "viewer_hours": (None if watched is None else watched / 60_000, 0, ""),
        "refund_rate": (
            _percent(_ratio(refunds, orders)) if whole and not v.get("refunds_gone") else None,
            1,
            "%",
        ),
        "complaints": (complaints, 0, ""),
        "complaint_rate": (
            _rate(complaints, orders) if whole and not v.get("complaints_gone") else None,
            2,
            "",
        ),
    }


def _yuan(line: Line) -> float | None:
    fen = line.values.get("paid_fen")
    return None if fen is None else fen / 100


def _float(value: Number) -> float | None:
    return None if value is None else float(value)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _rate(complaints: float | None, orders: float | None) -> float | None:
    return (
        None if complaints is None or orders is None or not orders else 10_000 * complaints / orders
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
