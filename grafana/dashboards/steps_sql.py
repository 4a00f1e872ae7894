"""Rows of a range: minutes, or hours that are kept where points are hours (ADR 0041).

Where points are ten minutes apart or more, over ranges of some two days, each is a whole hour. One
text serves both, since Grafana sends the same for every range: `point` is the minute or the hour
that a row belongs to, and what sums and masks say of a point's rows is the same however many there
are. An hour that is not kept, does not hold, lies only partly in the range or is the newest is read
by the minute.
"""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from pipelines.warehouse.hours import KEPT, UNSEEN

#: The step that Grafana has chosen, seconds.
STEP: Final = "$__interval_s"
#: Where nothing is said by time: whole hours tell the same, and are less to read.
BY_HOUR: Final = "3600"
_FROM: Final = "toTimeZone($__fromTime, 'UTC')"
_TO: Final = "toTimeZone($__toTime, 'UTC')"


def cells(columns: str, step: str = STEP) -> str:
    """A subquery of the cells' rows with these columns, separated by blanks."""
    return _rows("indicators_cell", "v_indicators_cell", columns, step)


def sessions(columns: str, step: str = STEP) -> str:
    """The same of sessions."""
    return _rows("session_minutes", "v_session_minutes", columns, step)


def time_of(column: str) -> str:
    """The same as $__timeInterval, but of a whole hour at least where points are hours."""
    length = f"if({STEP} < 600, {STEP}, greatest({STEP}, 3600))"
    return f"toStartOfInterval(toDateTime({column}), toIntervalSecond({length}))"


def newest(mask: str) -> str:
    """How far into its hour the newest minute of a mask is: its lowest bit is minute 59."""
    return f"toIntervalMinute(60 - bitCount(bitXor({mask}, {mask} - 1)))"


def _rows(table: str, minutes: str, columns: str, step: str) -> str:
    kept, wanted = KEPT[table], columns.split()
    of = {name: kept.columns[name] for name in wanted}
    within = f"""$__timeFilter(minute)
      AND ({step} < 600 OR has(hours.2, toStartOfHour(minute)))"""
    source = f"{minutes} AS m\n    WHERE {within}"
    if any(column.known for column in of.values()):
        source = f"(\n        SELECT *, {_known(minutes, step)}\n        FROM {minutes}\n    "
        source += f"    WHERE {within}\n    ) AS m"
    named = "".join(f",\n        {column.minute} AS {name}" for name, column in of.items())
    return f"""(
    WITH {_hours(table, step)} AS hours
    SELECT m.minute AS minute, if({step} < 600, m.minute, toStartOfHour(m.minute)) AS point,
        {", ".join(kept.key)}{named}
    FROM {source}
    UNION ALL
    SELECT minute, minute AS point, {", ".join((*kept.key, *wanted))}
    FROM v_{kept.table}
    WHERE {step} >= 600 AND $__timeFilter(minute) AND (minute, computed) IN hours.1
)"""


def _hours(table: str, step: str) -> str:
    """Hours that are kept, each with its run, and those to read by the minute.

    Looked up at once, so that an hour is never read both ways.
    """
    return f"""(
        SELECT (groupArrayIf((hour, computed), holds), groupArrayIf(hour, NOT holds))
        FROM (
            SELECT hour, computed, computed > touched + INTERVAL {UNSEEN.seconds} SECOND
                AND hour >= {_FROM} AND hour + INTERVAL 59 MINUTE <= {_TO}
                AND hour < max(hour) OVER () AS holds
            FROM v_hours
            WHERE {step} >= 600 AND minutes = '{table}'
              AND hour >= toStartOfHour({_FROM}) AND hour <= {_TO}
        )
    )"""


def _known(minutes: str, step: str) -> str:
    """Where minutes are added up, those in which nothing was heard of a platform are left out."""
    return f"""{step} < 600 OR (platform_id, minute) NOT IN (
            SELECT platform_id, minute FROM {minutes}
            WHERE $__timeFilter(minute) AND has(hours.2, toStartOfHour(minute))
            GROUP BY platform_id, minute HAVING max(active_1m) = 0
        ) AS known"""
