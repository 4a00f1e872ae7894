"""What a report says beside the sums: handling of complaints, flags, appeals, completeness.

None where this warehouse has no such view or nothing of the period: said as not available.
"""

# ruff: noqa: S608 - SQL assembled from names of this module; values are bound

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Protocol

from pipelines.report.model import Appeals, Audience, Count, Flags, Handling, Quality, Span

#: A share or a quantile of fewer answers is about single cases.
LEAST = 10
#: Fewer than so many flags or appeals of a day could be told apart by who reads of them.
RARE = 3


class Executor(Protocol):
    """A ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[Any, ...]]: ...


def handling(db: Executor, span: Span, platform: str) -> Handling | None:
    """I13 and I14, of what the platforms told. Shares and quantiles only, and rounded: no counts
    that a day's report could be subtracted from a week's by."""
    if not _has(db, "v_settled_complaints", "response_minutes"):
        return None
    own, bound = _bound(span, platform)
    rows = db.execute(
        "SELECT sum(responded), quantileExactWeightedIf(0.5)(ifNull(response_minutes, 0), "
        "toUInt64(ifNull(responded, 0)), responded > 0), "
        "quantileExactWeightedIf(0.95)(ifNull(response_minutes, 0), "
        "toUInt64(ifNull(responded, 0)), responded > 0), sum(closed), sum(resolved) "
        f"FROM v_settled_complaints WHERE {_during('event_time')}{own}",
        bound,
    )
    responded, p50, p95, closed, resolved = rows[0]
    if not responded and not closed:
        return None
    enough = (responded or 0) >= LEAST
    return Handling(
        round(p50 / 60, 1) if enough else None,
        round(p95 / 60, 1) if enough else None,
        round((resolved or 0) / closed, 2) if (closed or 0) >= LEAST else None,
    )


def flags(db: Executor, span: Span, audience: Audience, platform: str) -> list[Flags] | None:
    """Flags by rule; None where the warehouse keeps none."""
    view = "v_flags_counted" if _has(db, "v_flags_counted", "rule") else "v_flags"
    if not _has(db, view, "muted"):
        return None
    own, bound = _bound(span, platform)
    rows = db.execute(
        f"SELECT {_day('onset')} AS day, rule, countIf(grade_rank = 2), countIf(grade_rank = 3) "
        f"FROM {view} WHERE {_during('onset')}{own} AND grade_rank >= 2 AND NOT muted "
        "GROUP BY day, rule ORDER BY rule, day",
        bound,
    )
    return [
        Flags(rule, *(_added((row[at] for row in of), audience) for at in (2, 3)))
        for rule, of in ((r, list(g)) for r, g in groupby(rows, key=lambda row: str(row[1])))
    ]


def appeals(db: Executor, span: Span, audience: Audience, platform: str) -> Appeals | None:
    """Appeals in the files of the period; None without a ledger, or without any file in it."""
    if not _has(db, "v_flag_files", "decision"):
        return None
    own, bound = _bound(span, platform)
    rows = db.execute(
        f"SELECT {_day('opened_at')} AS day, count(), countIf(appealed_at IS NOT NULL), "
        "countIf(decision != ''), countIf(decision = 'OVERTURNED') FROM v_flag_files "
        f"WHERE {_during('opened_at')}{own} GROUP BY day ORDER BY day",
        bound,
    )
    if not rows:
        return None
    files, *rest = (_added((row[at] for row in rows), audience) for at in (1, 2, 3, 4))
    if audience is Audience.PUBLIC:
        # All files less the flags of the other rules would tell those of a rule with few.
        files = Count(gone=len(rows))
    return Appeals(files, *rest)


def _added(days: Iterable[int], audience: Audience) -> Count:
    """The public is not told of very few, day by day as a day's report has it: so a week's says
    nothing that the reports of its days do not."""
    numbers = list(days)
    few = [n for n in numbers if 0 < n < RARE] if audience is Audience.PUBLIC else []
    return Count(sum(numbers) - sum(few), len(few))


def quality(db: Executor, span: Span, audience: Audience, platform: str) -> list[Quality]:
    """I22 of the city, and of each platform where the audience may know it."""
    own, bound = _bound(span, platform)
    keys = ["'*'"] if audience is Audience.PUBLIC else ["'*'", "platform_id"]
    if audience is Audience.PLATFORM:
        keys = ["platform_id"]
    out = []
    for key in keys:
        rows = db.execute(
            f"SELECT {key} AS k, sum(seen), sum(expected), sum(late_rows), sum(rows), "
            "sumForEach(lag) FROM (SELECT platform_id, seen, expected, 0 AS late_rows, 0 AS rows, "
            f"lag FROM v_day_cell WHERE {_DAYS}{own} UNION ALL "
            "SELECT platform_id, 0, 0, late_rows, rows, arrayMap(x -> toUInt64(0), lag) "
            f"FROM v_settled_day_cell WHERE {_DAYS}{own}) GROUP BY k ORDER BY k",
            bound,
        )
        out += [
            Quality(k, _share(seen, due), _share(late, rows_), _p95(list(lag)))
            for k, seen, due, late, rows_, lag in rows
        ]
    return out


_DAYS = "day >= %(first)s AND day <= %(last)s"


def _p95(histogram: list[int]) -> float | None:
    """Upper edge of the bucket that holds the 95th percentile, ms; as in the views."""
    from pipelines.core.metrics import LAG_EDGES_MS

    total, reached = sum(histogram), 0
    for i, count in enumerate(histogram):
        reached += count
        if total and reached >= 0.95 * total:
            return float(LAG_EDGES_MS[min(i, len(LAG_EDGES_MS) - 1)])
    return None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def heard(db: Executor, span: Span, platform: str) -> frozenset[str]:
    """Hours of the clock in which a platform's source sent something, a heartbeat even."""
    rows = db.execute(
        "SELECT DISTINCT toString(toHour(toTimeZone(span, 'Asia/Shanghai'))) "
        "FROM v_completeness_5m "
        f"WHERE {_during('span')} AND batches > 0 AND platform_id = %(platform)s",
        _bound(span, platform)[1],
    )
    return frozenset(hour for (hour,) in rows)


def _day(column: str) -> str:
    return f"toDate(toTimeZone({column}, 'Asia/Shanghai'))"


def _during(column: str) -> str:
    return f"{_day(column)} >= %(first)s AND {_day(column)} <= %(last)s"


def _bound(span: Span, platform: str) -> tuple[str, dict[str, str]]:
    own = " AND platform_id = %(platform)s" if platform else ""
    return own, {"first": str(span.first), "last": str(span.last), "platform": platform}


def _has(db: Executor, view: str, column: str) -> bool:
    sql = (
        "SELECT count() FROM system.columns WHERE database = currentDatabase() "
        "AND table = %(t)s AND name = %(c)s"
    )
    return bool(db.execute(sql, {"t": view, "c": column})[0][0])
