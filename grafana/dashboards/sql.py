"""SQL that several panels share.

Conventions the screen and the tests rely on: the time column is called `time`; a figure
has its own name where every cell of the minute is closed, and `provisional` (or the name
with `_provisional`) where at least one is still open. The provisional part starts at the
last closed point, so that its dashed line joins on.

Where points are ten minutes apart or more, over ranges of some two days, each is a whole hour, read
of hours that are kept (ADR 0041). One text serves both: of a point's rows, sums divided by the
minutes that their masks tell together are means over its minutes.
"""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from grafana.dashboards import steps_sql
from grafana.dashboards.model import Label
from grafana.dashboards.steps_sql import BY_HOUR, STEP, newest, time_of
from grafana.dashboards.text import Lang, Text
from pipelines.warehouse.hour_columns import CELL
from schemas.codes import CodeList

# $__conditionalAll is the plugin's front-end macro: the condition, or 1=1 when "All" is chosen.
PLATFORM: Final = "$__conditionalAll(platform_id IN (${platform:singlequote}), $platform)"
CATEGORY: Final = "$__conditionalAll(category IN (${category:singlequote}), $category)"
DISTRICT: Final = "$__conditionalAll(district IN (${district:singlequote}), $district)"
WHO: Final = f"{PLATFORM}\n  AND {CATEGORY}\n  AND {DISTRICT}"


#: Of a point's rows: in how many of its minutes somebody was heard; 1 where it is a minute.
HEARD: Final = "greatest(bitCount(groupBitOr(heard)), 1)"
#: A row that has a closed minute.
CLOSED: Final = "told != open"
TIME: Final = time_of("point")


def cells(columns: str, step: str = STEP) -> str:
    """FROM and WHERE: rows of the chosen cells with these columns, by the minute or the hour."""
    return f"FROM {steps_sql.cells(columns, step)}\nWHERE {WHO}"


#: Shanghai, where the night and the day begin and end; it has no summer time.
ZONE: Final = "'Asia/Shanghai'"


def indent(sql: str, by: int = 4) -> str:
    pad = " " * by
    return "\n".join(pad + line for line in sql.splitlines())


def named(column: str, names: CodeList, lang: Lang) -> str:
    """The column's codes in the reader's words; a code that is not in the list stays as it is."""
    words = tuple(Label(code, Text(zh, en)) for code, (zh, en) in names.names.items())
    return transformed(column, words, lang)


def transformed(column: str, words: Sequence[Label], lang: Lang) -> str:
    codes = ", ".join(literal(word.code) for word in words)
    texts = ", ".join(literal(word.text.of(lang)) for word in words)
    return f"transform({column}, [{codes}], [{texts}], {column})"


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def columns_of(*expressions: str) -> str:
    """The columns of the cells that these expressions name."""
    named = set(re.findall(r"\w+", " ".join(expressions)))
    return " ".join(name for name in CELL if name in named)


def mean(column: str) -> str:
    """The column's sum over the cells of a minute; of an hour its mean over known minutes."""
    return f"sum({column}) / {HEARD}"


def lines(value: str, label: str = "platform_id", largest: str = "", words: str = "") -> str:
    """One line a `label`: `value` is an aggregate over the cells of a point.

    `largest`: only the eight labels with the most of this sum over the range, so that colours
    stay apart. `words`: what the label is called, an expression over it.
    """
    part = f",\n    {largest} AS part" if largest else ""
    # A minute in which nobody sent a sample is unknown; its sums are zero all the same.
    per_point = f"""SELECT point, {label}, min(closed) AS all_closed,
    bitCount(groupBitOr(heard)) AS minutes,
    if(sum(active_1m) = 0, NULL, {value}) AS v{part}
{cells(columns_of(value, largest, "closed heard active_1m"))}
GROUP BY point, {label}"""
    if largest:
        per_point = f"""SELECT *, dense_rank() OVER (ORDER BY total DESC, {label}) AS place
FROM (
    SELECT *, sum(part) OVER (PARTITION BY {label}) AS total
    FROM (
{indent(per_point, 8)}
    )
)"""
    chosen = "\n        WHERE place <= 8" if largest else ""
    shown = f"{words} AS {label}_name" if words else label
    return f"""SELECT time, {shown},
    if(is_closed = 1, v_avg, NULL) AS value,
    if(is_closed = 0 OR next_closed = 0, v_avg, NULL) AS provisional
FROM (
    SELECT time, {label}, v_avg, is_closed,
        leadInFrame(is_closed, 1, 1) OVER (
            PARTITION BY {label} ORDER BY time
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS next_closed
    FROM (
        SELECT {TIME} AS time, {label},
            sum(v * minutes) / sumIf(minutes, v IS NOT NULL) AS v_avg,
            min(all_closed) AS is_closed
        FROM (
{indent(per_point, 12)}
        ){chosen}
        GROUP BY time, {label}
    )
)
ORDER BY time, {label}"""


#: I11 over an hour, smoothed.
COMPLAINT_RATE: Final = f"10000 * ({mean('complaints_60m')} + 1) / ({mean('orders_60m')} + 1000)"
#: name -> aggregate over all cells of one minute, or of an hour that is kept
FIGURES: Final[Mapping[str, str]] = {
    "sessions": mean("active_1m"),
    "viewers": mean("viewers_1m"),
    "orders_per_min": mean("orders_known"),
    "gmv_yuan": f"{mean('paid_fen_5m')} / 100",
    "complaints_per_10000": COMPLAINT_RATE,
    "completeness": "if(sum(expected_5m) = 0, NULL, sum(seen_5m) / sum(expected_5m))",
}


def figures() -> str:
    """All figures by time. The stat panels share this text, so it runs once for all.

    The newest hour is always there by the minute, so that the newest minute has its say.
    """
    inner = ",\n    ".join(f"{expr} AS {name}_v" for name, expr in FIGURES.items())
    outer = ",\n    ".join(
        f"argMaxOrNullIf({name}_v, minute, all_closed = 1) AS {name},\n    "
        f"argMaxOrNullIf({name}_v, minute, all_closed = 0) AS {name}_provisional"
        for name in FIGURES
    )
    per_minute = f"""SELECT minute, min(closed) AS all_closed,
    {inner}
{cells(columns_of(*FIGURES.values(), "closed"))}
GROUP BY minute"""
    return f"""SELECT {time_of("minute")} AS time,
    {outer}
FROM (
{indent(per_minute)}
)
GROUP BY time
ORDER BY time"""


#: Platforms to choose from.
PLATFORMS: Final = f"""SELECT DISTINCT platform_id
FROM {steps_sql.cells("", BY_HOUR)}
ORDER BY platform_id"""

AS_OF: Final = f"""SELECT
    maxOrNullIf(hour + {newest("shut")}, shut != 0) AS closed_minute,
    maxOrNull(hour + {newest("all_told")}) AS latest_minute
FROM (
    SELECT toStartOfHour(minute) AS hour, groupBitOr(told) AS all_told,
        bitAnd(all_told, bitNot(groupBitOr(open))) AS shut
{indent(cells("told open", BY_HOUR))}
    GROUP BY hour
)"""


def totals(by: str, words: str = "", limit: int = 20) -> str:
    """Sums over the range by a dimension of the cells, the largest first."""
    first = f"{words} AS name" if words else f"{by} AS name"
    return f"""SELECT {first},
    sum(orders_1m) AS orders,
    sum(paid_fen_1m) / 100 AS gmv_yuan,
    sum(complaints_1m) AS complaints,
    10000 * (sum(complaints_1m) + 1) / (sum(orders_1m) + 1000) AS per_10000
{cells("orders_1m paid_fen_1m complaints_1m", BY_HOUR)}
GROUP BY {by}
ORDER BY gmv_yuan DESC, {by}
LIMIT {limit}"""


def ranked(by: str, value: str, words: str = "", limit: int = 12) -> str:
    """One figure by a dimension of the cells, the largest first: for bars."""
    first = f"{words} AS name" if words else f"{by} AS name"
    return f"""SELECT {first}, {value} AS value
{cells(columns_of(value), BY_HOUR)}
GROUP BY {by}
HAVING value > 0
ORDER BY value DESC, {by}
LIMIT {limit}"""


def cells_heat(by: str, value: str, words: str) -> str:
    """A figure by time and a dimension of the cells; nobody there is unknown, not zero."""
    return f"""SELECT {TIME} AS time, {words} AS name, {value} AS value
{cells(columns_of(value))}
GROUP BY time, {by}
ORDER BY time, {by}"""


def mean_heat(by: str, value: str, words: str) -> str:
    """The same of a gauge, a sum: the mean over the minutes of each step."""
    return f"""SELECT time, {words} AS name, sum(v) / sum(minutes) AS value
FROM (
    SELECT point, {TIME} AS time, {by}, {value} AS v,
        bitCount(groupBitOr(told)) AS minutes
{indent(cells(columns_of(value, "told")))}
    GROUP BY point, time, {by}
)
GROUP BY time, {by}
ORDER BY time, {by}"""
