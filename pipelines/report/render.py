"""A report as one HTML page. No clock: the same report gives the same bytes."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.core.disclosure.rules import BETWEEN_AGENCIES, PUBLIC
from pipelines.report import charts
from pipelines.report.figures import RATIOS, figures, leaves_out, number, percent, yuan
from pipelines.report.model import Audience, Count, Flags, Line, Number, Period, Quality, Report
from pipelines.report.other import RARE
from pipelines.report.section import Card, Section
from pipelines.report.words import METHOD, Lang, name, word


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
        there = f"{self.say('days_in')}{colon}{len(r.days)} / {r.span.days}"
        if r.missing:
            gone = self._listed([str(day)[5:] for day in r.missing])
            there += f" · {self.say('missing_days')}{colon}{gone}"
        return [f"{when} · {self.say(r.audience.value)}", there]

    def _listed(self, items: list[str]) -> str:
        return ("、" if self.lang == "zh" else ", ").join(items)

    def sections(self) -> list[Section]:
        r = self.report
        out = [self._overview()]
        if r.span.period is not Period.DAY:
            out.append(self._series("by_day", self._days()))
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

    def _days(self) -> list[tuple[str, Line | None]]:
        """Every day of the period; None is unknown."""
        r = self.report
        there = {line.key: line for line in r.by_day}
        every = sorted({*there, *(str(day) for day in r.missing)})
        return [(day[5:], there.get(day)) for day in every]

    def _clock(self) -> list[tuple[str, Line | None]]:
        """What is published has no row where nothing happened; a platform may have been silent."""
        r = self.report
        there = {line.key: line for line in r.by_hour}
        empty: dict[str, Number] = {"paid_fen": 0, "orders": 0}

        def of(hour: str) -> Line | None:
            quiet = r.audience is not Audience.PLATFORM or hour in r.heard
            return there.get(hour, Line(hour, empty) if quiet else None)

        return [(str(h), of(str(h))) for h in range(24)]

    def _overview(self) -> Section:
        out = Section(self.say("overview"))
        for key, (value, digits, unit) in figures(self.report.total).items():
            text = self._number(
                value, digits, unit, self._partly(self.report.total, key), self._why(key)
            )
            notes = [*self._against_before(key), *self._of_the_city(key)]
            out.cards.append(Card(self.say(key), text, notes))
        return out

    def _why(self, key: str) -> str:
        """Why a figure of the whole is not there: nothing was sold, or it is not told."""
        return (
            "no_orders"
            if key in RATIOS and self.report.total.values["orders"] == 0
            else "suppressed"
        )

    def _against_before(self, key: str) -> list[str]:
        """Nothing where a sum leaves days out: it would be compared with one of other days."""
        total, before = self.report.total, self.report.before
        if before is None or self._partly(total, key) or leaves_out(before, key):
            return []
        value, old = figures(total)[key][0], figures(before)[key][0]
        if not old or value is None:
            return []
        return [f"{self.say('against_before')} {100 * (value / old - 1):+.1f}%"]

    def _of_the_city(self, key: str) -> list[str]:
        city = self.report.city
        if city is None:
            return []
        value, digits, unit = figures(city)[key]
        return [
            f"{self.say('city_total')} {self._number(value, digits, unit, leaves_out(city, key))}"
        ]

    def _series(self, key: str, lines: list[tuple[str, Line | None]]) -> Section:
        out = Section(self.say(key))
        bars = [
            (label, None, self.say("unknown"))
            if x is None
            else (label, yuan(x), self._number(yuan(x), 0, "", x.gone > 0))
            for label, x in lines
        ]
        out.figures.append(Markup(charts.columns(bars, self.say(key), self.say("gmv"))))  # noqa: S704
        marks = {"hatched_unknown": "unknown", "hatched_suppressed": "suppressed"}
        for note, begins in (marks | {"partly": "at_least"}).items():
            some = [label for label, _, said in bars if said.startswith(self.say(begins))]
            if some:
                colon = "：" if self.lang == "zh" else ": "
                out.notes.append(f"{self.say(note)}{colon}{self._listed(some)}")
        return out

    def _table(self, title: str, kind: str, lines: list[Line]) -> Section:
        out = Section(self.say(title))
        if not lines:
            out.notes.append(self.say("quiet"))
            return out
        whole = yuan(self.report.total)
        bars = [
            (
                name(kind, x.key, self.lang),
                yuan(x),
                self._number(yuan(x), 0, "", self._partly(x, "gmv")),
            )
            for x in lines
        ]
        out.figures.append(Markup(charts.rows(bars, self.say(title))))  # noqa: S704
        rare = kind in ("category", "district", "platform")
        keys = ["name", "sessions", "orders", "gmv", "share", "order_value"]
        out.head = [self.say(k) for k in (*keys, *(["complaints"] if rare else []))]
        for line in lines:
            part, paid = self._partly(line, "gmv"), yuan(line)
            share = None if not whole or paid is None else 100 * paid / whole
            told = (
                "–"
                if self.report.total.gone or whole == 0
                else self._number(share, 1, "%", line.gone > 0)
            )
            row = [
                name(kind, line.key, self.lang),
                self._number(line.values["sessions"], 0, "", part),
                self._number(line.values["orders"], 0, "", part),
                self._number(paid, 0, "", part),
                told,
                self._number(
                    figures(line)["order_value"][0],
                    1,
                    "",
                    why="no_orders" if line.values["orders"] == 0 else "suppressed",
                ),
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
                (name("code", x.key, self.lang), number(x.values["complaints"]),
                 self._number(x.values["complaints"], 0, "", self._partly(x, "gmv")))
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
            Card(self.say(key), self._number(value, digits, unit, why="too_few"))
            for key, value, digits, unit in (
                ("answered_p50", h.answered_p50_h, 1, ""),
                ("answered_p95", h.answered_p95_h, 1, ""),
                ("resolved", percent(h.resolved), 0, "%"),
            )
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
        out.cards = [
            *(Card(self.say(k), self._count(n)) for k, n in (
                ("files", a.files), ("appealed", a.appealed), ("decided", a.decided),
                ("overturned", a.overturned))),
            Card(self.say("overturn_share"), self._share(a.overturned, a.decided)),
        ]  # fmt: skip
        return out

    def _share(self, part: Count, whole: Count) -> str:
        """With it and the whole, a part that is not told would be."""
        if not part.whole or not whole.whole or whole.shown < RARE:
            return "–"
        return f"{100 * part.shown / whole.shown:.0f}%"

    def _flag_row(self, one: Flags) -> list[str]:
        called = f"{one.rule} {name('rule', one.rule, self.lang)}"
        return [called, self._count(one.raised), self._count(one.critical)]

    def _count(self, n: Count) -> str:
        if n.gone:
            return self.say("suppressed")
        if n.few == 1 and not n.shown and self.report.span.period is Period.DAY:
            return self.say("fewer")
        return f"{self.say('at_least') + ' ' if n.few else ''}{n.shown + n.few:,}"

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
        """Whether a figure of the whole period is a sum that leaves days out."""
        missing = bool(self.report.missing) and key not in RATIOS
        return missing or leaves_out(line, key)

    def _number(
        self, value: Number, digits: int, unit: str, partly: bool = False, why: str = "suppressed"
    ) -> str:
        if value is None:
            return self.say(why)
        return f"{self.say('at_least') + ' ' if partly else ''}{value:,.{digits}f}{unit}"
