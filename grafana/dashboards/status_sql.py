"""One row that says whether all is well: the worst that is true at the end of the range."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.flags_sql import OPEN_FLAGS
from grafana.dashboards.sql import WHO, indent, literal
from grafana.dashboards.telemetry_sql import SOURCES
from grafana.dashboards.text import Lang, Text

#: What each state is called; the shape tells it apart without its colour.
UNKNOWN: Final = Text("○ 未知", "○ Unknown")
WELL: Final = Text("● 平稳", "● All well")
ATTENTION: Final = Text("◆ 需要关注", "◆ Needs attention")
ALARM: Final = Text("▲ 立即查看", "▲ Look now")

_COMPLETE_FROM: Final = 0.99
# As far back as a figure still counts as the present one.
_FRESH: Final = "INTERVAL 10 MINUTE"

_DATA: Final = f"""SELECT argMaxOrNull(complete, minute) AS completeness
FROM (
    SELECT minute, sum(seen_5m) / nullIf(sum(expected_5m), 0) AS complete
    FROM v_indicators_cell
    WHERE $__timeFilter(minute) AND minute > $__toTime - {_FRESH}
      AND {WHO}
    GROUP BY minute
    HAVING min(closed) = 1
)"""
_HEARD_OF: Final = f"""SELECT countIf(status = 'silent') AS silent,
    countIf(status = 'gaps') AS gapped
FROM (
{indent(SOURCES)}
)"""

_REASONS: Final = (
    ("critical > 0", "critical", Text(" 个严重级标记未解除", " critical flag(s) open")),
    ("raised > 0", "raised", Text(" 个升高级标记未解除", " raised flag(s) open")),
    (
        "silent > 0",
        "silent",
        Text(" 个数据来源静默，其数值未知", " source(s) silent: their figures are unknown"),
    ),
    ("gapped > 0", "gapped", Text(" 个数据来源有缺批", " source(s) with missing batches")),
)
_NO_FIGURES: Final = Text(
    "时段末尾十分钟内没有完整的数据，各项数值未知（不是零）",
    "nothing complete in the last ten minutes of the range: figures are unknown, not zero",
)
_QUIET: Final = Text("没有未解除的严重或升高级标记", "no critical or raised flag is open")
_COMPLETE: Final = Text("数据完整率 ", "completeness ")
_INCOMPLETE: Final = Text("数据完整率未知", "completeness unknown")


def status(lang: Lang) -> str:
    """Columns `state` (0 well, 1 attention, 2 alarm, 3 unknown) and `status`, the words of it."""

    def word(text: Text) -> str:
        return literal(text.of(lang))

    colon, comma = (":", ", ") if lang == "en" else ("：", "；")
    reasons = ", ".join(
        f"if({holds}, concat(toString({count}), {word(text)}), '')"
        for holds, count, text in _REASONS
    )
    gap = " " if lang == "en" else ""
    percent = "toDecimalString(round(100 * completeness, 1), 1)"
    complete = f"ifNull(concat({word(_COMPLETE)}, {percent}, '%'), {word(_INCOMPLETE)})"
    return f"""SELECT state,
    concat(
        [{word(WELL)}, {word(ATTENTION)}, {word(ALARM)}, {word(UNKNOWN)}][state + 1],
        {literal(colon + gap)},
        arrayStringConcat(arrayFilter(told -> told != '', [
            {reasons},
            if(state = 0, {word(_QUIET)}, ''),
            if(state = 3, {word(_NO_FIGURES)}, {complete})
        ]), {literal(comma)})
    ) AS status
FROM (
    SELECT *, multiIf(
        critical > 0 OR silent > 0, 2,
        completeness IS NULL, 3,
        raised > 0 OR gapped > 0 OR completeness < {_COMPLETE_FROM}, 1,
        0) AS state
    FROM (
{indent(OPEN_FLAGS, 8)}
    ) AS flags, (
{indent(_DATA, 8)}
    ) AS telemetry, (
{indent(_HEARD_OF, 8)}
    ) AS sources
)"""
