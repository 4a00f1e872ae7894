"""Reads what a report says, out of the views that its audience may read and no others."""

# ruff: noqa: S608 - SQL assembled from names of this module; values are bound

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Protocol

from pipelines.report import other
from pipelines.report.model import Audience, Line, Report, Span

MEASURES = ("sessions", "orders", "paid_fen", "viewer_milliminutes", "refunds", "complaints")
HOURLY = ("orders", "paid_fen", "viewer_milliminutes")
#: Not shown on some days by themselves: `refunds_gone` and `complaints_gone` count these days.
APART = ("refunds", "complaints")
_WITHIN = "day >= %(first)s AND day <= %(last)s"
_OWN = "platform_id = %(platform)s"
_DAY = "toDate(toTimeZone(hour, 'Asia/Shanghai')) AS day"
#: A platform's own settled figures, exact, in the shape of the published views.
_SETTLED = f"""(SELECT {_DAY}, toHour(toTimeZone(hour, 'Asia/Shanghai')) AS clock, platform_id,
    category, district, if(scenario = '', 'none', scenario) AS scenario, session_id, orders,
    paid_fen, viewer_milliminutes, refunds, complaints FROM v_settled_hour_session)"""


class Executor(Protocol):
    """A ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[Any, ...]]: ...


class NothingThereError(ValueError):
    """The warehouse has no figures of the period for this audience."""


def gather(db: Executor, audience: Audience, span: Span, platform: str = "") -> Report:
    """A report's figures. Raises NothingThereError."""
    source = _Source(db, audience, span, platform)
    days = source.days()
    if not days:
        raise NothingThereError(f"there are no figures for {span.first} to {span.last}")
    own = audience is Audience.PLATFORM
    return Report(
        audience,
        span,
        platform,
        days,
        total=source.lines("'*'", MEASURES)[0],
        before=source.earlier(),
        city=_Source(db, Audience.PUBLIC, span, "").total() if own else None,
        by_day=source.lines("toString(day)", MEASURES),
        by_hour=source.hours(),
        by_platform=[] if audience is not Audience.AGENCY else source.by("platform_id"),
        by_category=source.by("category"),
        by_district=source.by("district"),
        by_scenario=source.scenarios(),
        by_code=source.codes(),
        handling=other.handling(db, span, platform),
        flags=other.flags(db, span, audience, platform),
        appeals=other.appeals(db, span, audience, platform),
        quality=other.quality(db, span, audience, platform),
        heard=other.heard(db, span, platform) if own else frozenset(),
    )


class _Source:
    """The views of one audience."""

    def __init__(self, db: Executor, audience: Audience, span: Span, platform: str) -> None:
        self._db, self._span = db, span
        self._own = audience is Audience.PLATFORM
        self._prefix = "v_published" if audience is Audience.PUBLIC else "v_shared"
        self._all = {"category": "'*'", "district": "'*'"}
        if audience is Audience.AGENCY:
            self._all["platform_id"] = "'*'"
        self._bound = {"first": str(span.first), "last": str(span.last), "platform": platform}
        self._length = span.days

    def days(self) -> list[date]:
        view = _SETTLED if self._own else f"{self._prefix}_day"
        own = f" AND {_OWN}" if self._own else ""
        rows = self._db.execute(
            f"SELECT DISTINCT day FROM {view} WHERE {_WITHIN}{own} ORDER BY day", self._bound
        )
        return [day for (day,) in rows]

    def total(self) -> Line | None:
        """A day without figures is one that the sum leaves out."""
        days = len(self.days())
        if not days:
            return None
        line = self.lines("'*'", MEASURES)[0]
        return replace(line, gone=line.gone + self._length - days)

    def earlier(self) -> Line | None:
        """The same of the period before, where all its days are there."""
        span = self._span
        last = span.first - timedelta(days=1)
        length = last.day if span.period.value == "month" else span.days
        first = last - timedelta(days=length - 1)
        copy = _Source.__new__(_Source)
        copy.__dict__.update(self.__dict__)
        copy._bound = self._bound | {"first": str(first), "last": str(last)}
        copy._length = length
        return copy.total() if len(copy.days()) == length else None

    def by(self, column: str) -> list[Line]:
        """Lines of a dimension, the largest first."""
        return _largest_first(self.lines(column, MEASURES, column))

    def lines(self, key: str, measures: Iterable[str], column: str = "") -> list[Line]:
        if self._own:
            count = {"sessions": "uniqExact(session_id, day)"}
            sums = ", ".join(count.get(m, f"toInt64(sum({m}))") for m in measures)
            sql = f"SELECT {key} AS k, 0, {sums} FROM {_SETTLED} WHERE {_WITHIN} AND {_OWN}"
            return self._read(f"{sql} GROUP BY k ORDER BY k", measures)
        level = " AND ".join(
            f"{name} != '*'" if name == column else f"{name} = {total}"
            for name, total in self._all.items()
        )
        sums = ", ".join(f"sum({m})" for m in measures)
        apart = ", ".join(f"countIf({m} IS NULL)" for m in APART)
        sql = f"SELECT {key} AS k, sum(suppressed), {sums}, {apart} FROM {self._prefix}_day"
        names = (*measures, *(f"{m}_gone" for m in APART))
        return self._read(f"{sql} WHERE {_WITHIN} AND {level} GROUP BY k ORDER BY k", names)

    def hours(self) -> list[Line]:
        if self._own:
            return self.lines("toString(clock)", HOURLY)
        sums = ", ".join(f"sum({m})" for m in HOURLY)
        return self._read(
            f"SELECT toString(hour) AS k, sum(suppressed), {sums} FROM {self._prefix}_hour "
            f"WHERE {_WITHIN} AND category = '*' GROUP BY hour ORDER BY hour",
            HOURLY,
        )

    def scenarios(self) -> list[Line]:
        measures = MEASURES[:4]
        if self._own:
            return _largest_first(self.lines("scenario", measures))
        sums = ", ".join(f"sum({m})" for m in measures)
        found = self._read(
            f"SELECT scenario AS k, sum(suppressed), {sums} FROM {self._prefix}_scenario "
            f"WHERE {_WITHIN} GROUP BY k ORDER BY k",
            measures,
        )
        return _largest_first(found)

    def codes(self) -> list[Line]:
        view, gone, own = f"{self._prefix}_code", "sum(suppressed)", ""
        if self._own:
            day = "toDate(toTimeZone(event_time, 'Asia/Shanghai')) AS day"
            view = f"(SELECT {day}, platform_id, code, complaints FROM v_settled_complaints)"
            gone, own = "0", f" AND {_OWN}"
        found = self._read(
            f"SELECT code AS k, {gone}, sum(complaints) FROM {view} WHERE {_WITHIN}{own} "
            "GROUP BY k ORDER BY k",
            ("complaints",),
        )
        return sorted(found, key=lambda line: (-(line.values["complaints"] or 0), line.key))

    def _read(self, sql: str, measures: Iterable[str]) -> list[Line]:
        rows = self._db.execute(sql, self._bound)
        return [Line(k, dict(zip(measures, v, strict=True)), int(gone)) for k, gone, *v in rows]


def _largest_first(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (-(line.values["paid_fen"] or 0), line.key))
