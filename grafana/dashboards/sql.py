"""SQL that several panels share.

Conventions the screen and the tests rely on: the time column is called `time`; a figure
has its own name where every cell of the minute is closed, and `provisional` (or the name
with `_provisional`) where at least one is still open. The provisional part starts at the
last closed point, so that its dashed line joins on.
"""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana.dashboards.model import Label
from grafana.dashboards.text import Lang, Text
from schemas.codes import CodeList

# $__conditionalAll is the plugin's front-end macro: the condition, or 1=1 when "All" is chosen.
PLATFORM: Final = "$__conditionalAll(platform_id IN (${platform:singlequote}), $platform)"
CATEGORY: Final = "$__conditionalAll(category IN (${category:singlequote}), $category)"
DISTRICT: Final = "$__conditionalAll(district IN (${district:singlequote}), $district)"
WHO: Final = f"{PLATFORM}\n  AND {CATEGORY}\n  AND {DISTRICT}"

CELLS: Final = f"FROM v_indicators_cell\nWHERE $__timeFilter(minute)\n  AND {WHO}"

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


def lines(value: str, label: str = "platform_id", largest: str = "", words: str = "") -> str:
    """One line a `label`: `value` is an aggregate over the cells of its minute.

    `largest`: only the eight labels with the most of this aggregate over the range, so that
    colours stay apart. `words`: what the label is called, an expression over it.
    """
    chosen = ""
    if largest:
        # Qualified by the name alone, so that the same filters hold inside and outside.
        chosen = f"""
  AND {label} IN (
    SELECT {label}
{indent(CELLS)}
    GROUP BY {label}
    ORDER BY {largest} DESC, {label}
    LIMIT 8
  )"""
    # A minute in which nobody sent a sample is unknown; its sums are zero all the same.
    per_minute = f"""SELECT minute, {label}, min(closed) AS all_closed,
    if(sum(active_1m) = 0, NULL, {value}) AS v
{CELLS}{chosen}
GROUP BY minute, {label}"""
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
        SELECT $__timeInterval(minute) AS time, {label},
            avg(v) AS v_avg, min(all_closed) AS is_closed
        FROM (
{indent(per_minute, 12)}
        )
        GROUP BY time, {label}
    )
)
ORDER BY time, {label}"""


#: name -> aggregate over all cells of one minute
FIGURES: Final[Mapping[str, str]] = {
    "sessions": "sum(active_1m)",
    "viewers": "sum(viewers_1m)",
    "orders_per_min": "sum(orders_1m)",
    "gmv_yuan": "sum(paid_fen_5m) / 100",
    "complaints_per_10000": "10000 * (sum(complaints_60m) + 1) / (sum(orders_60m) + 1000)",
    "completeness": "if(sum(expected_5m) = 0, NULL, sum(seen_5m) / sum(expected_5m))",
}


def figures() -> str:
    """All figures by time. The stat panels share this text, so it runs once for all."""
    inner = ",\n    ".join(f"{expr} AS {name}_v" for name, expr in FIGURES.items())
    outer = ",\n    ".join(
        f"argMaxOrNullIf({name}_v, minute, all_closed = 1) AS {name},\n    "
        f"argMaxOrNullIf({name}_v, minute, all_closed = 0) AS {name}_provisional"
        for name in FIGURES
    )
    per_minute = f"""SELECT minute, min(closed) AS all_closed,
    {inner}
{CELLS}
GROUP BY minute"""
    return f"""SELECT $__timeInterval(minute) AS time,
    {outer}
FROM (
{indent(per_minute)}
)
GROUP BY time
ORDER BY time"""


AS_OF: Final = f"""SELECT
    maxOrNullIf(minute, all_closed = 1) AS closed_minute,
    maxOrNull(minute) AS latest_minute
FROM (
    SELECT minute, min(closed) AS all_closed
{indent(CELLS)}
    GROUP BY minute
)"""


def totals(by: str, words: str = "", limit: int = 20) -> str:
    """Sums over the range by a dimension of the cells, the largest first."""
    first = f"{words} AS name" if words else f"{by} AS name"
    return f"""SELECT {first},
    sum(orders_1m) AS orders,
    sum(paid_fen_1m) / 100 AS gmv_yuan,
    sum(complaints_1m) AS complaints,
    10000 * (sum(complaints_1m) + 1) / (sum(orders_1m) + 1000) AS per_10000
{CELLS}
GROUP BY {by}
ORDER BY gmv_yuan DESC, {by}
LIMIT {limit}"""


def ranked(by: str, value: str, words: str = "", limit: int = 12) -> str:
    """One figure by a dimension of the cells, the largest first: for bars."""
    first = f"{words} AS name" if words else f"{by} AS name"
    return f"""SELECT {first}, {value} AS value
{CELLS}
GROUP BY {by}
HAVING value > 0
ORDER BY value DESC, {by}
LIMIT {limit}"""


def cells_heat(by: str, value: str, words: str) -> str:
    """A figure by time and a dimension of the cells; nobody there is unknown, not zero."""
    return f"""SELECT $__timeInterval(minute) AS time, {words} AS name, {value} AS value
{CELLS}
GROUP BY time, {by}
ORDER BY time, {by}"""


def mean_heat(by: str, value: str, words: str) -> str:
    """The same of a gauge: the mean over the minutes of each step."""
    return f"""SELECT time, {words} AS name, avg(v) AS value
FROM (
    SELECT minute, $__timeInterval(minute) AS time, {by}, {value} AS v
{indent(CELLS)}
    GROUP BY minute, time, {by}
)
GROUP BY time, {by}
ORDER BY time, {by}"""
