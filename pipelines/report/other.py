"""What a report says beside the sums: handling of complaints, flags, appeals, completeness.

None where this warehouse has no such view or nothing of the period: said as not available.
"""

# ruff: noqa: S608 - SQL assembled from names of this module; values are bound

from __future__ import annotations

from typing import Any, Protocol

from pipelines.report.model import Appeals, Audience, Flags, Handling, Quality, Span

#: A share or a quantile of fewer answers is about single cases.
LEAST = 10


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


def flags(db: Executor, span: Span, platform: str) -> list[Flags] | None:
    """Flags by rule; None where the warehouse keeps none."""
    view = "v_flags_counted" if _has(db, "v_flags_counted", "rule") else "v_flags"
    if not _has(db, view, "muted"):
        return None
    own, bound = _bound(span, platform)
    rows = db.execute(
        f"SELECT rule, countIf(grade_rank = 2), countIf(grade_rank = 3) FROM {view} "
        f"WHERE {_during('onset')}{own} AND grade_rank >= 2 AND NOT muted "
        "GROUP BY rule ORDER BY rule",
        bound,
    )
    return [Flags(*row) for row in rows]


def appeals(db: Executor, span: Span, platform: str) -> Appeals | None:
    """Appeals in the files of the period; None without a ledger, or without any file in it."""
    if not _has(db, "v_flag_files", "decision"):
        return None
    own, bound = _bound(span, platform)
    rows = db.execute(
        "SELECT count(), countIf(appealed_at IS NOT NULL), countIf(decision != ''), "
        f"countIf(decision = 'OVERTURNED') FROM v_flag_files WHERE {_during('opened_at')}{own}",
        bound,
    )
    return Appeals(*rows[0]) if rows[0][0] else None


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


def _during(column: str) -> str:
    day = f"toDate(toTimeZone({column}, 'Asia/Shanghai'))"
    return f"{day} >= %(first)s AND {day} <= %(last)s"


def _bound(span: Span, platform: str) -> tuple[str, dict[str, str]]:
    own = " AND platform_id = %(platform)s" if platform else ""
    return own, {"first": str(span.first), "last": str(span.last), "platform": platform}


def _has(db: Executor, view: str, column: str) -> bool:
    sql = (
        "SELECT count() FROM system.columns WHERE database = currentDatabase() "
        "AND table = %(t)s AND name = %(c)s"
    )
    return bool(db.execute(sql, {"t": view, "c": column})[0][0])
