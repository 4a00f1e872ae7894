"""Flags and appeals: what is open, how it came about, what became of it."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import flags_sql, labels, ledger_sql, panels, stats
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, row
from grafana.dashboards.text import Text, both, each

_OUTCOMES: Final = both(flags_sql.OUTCOMES)
_STATS: Final = (
    stats.open_flags(1),
    panels.number(
        2,
        "opened",
        Text("新增标记", "Flags opened"),
        Text("所选时段内开始的预警标记。", "Flags that began in the range."),
        "locale",
        _OUTCOMES,
    ),
    panels.number(
        3,
        "still_open",
        Text("其中未解除", "Still open"),
        Text("所选时段内开始、至今未解除。", "Began in the range and not cleared."),
        "locale",
        _OUTCOMES,
    ),
    panels.number(
        4,
        "muted_flags",
        Text("因数据缺口静音", "Muted"),
        Text(
            "所依据的数据处于缺口或静默（F11），数值未知，故不上报。",
            "Rest on telemetry that was missing or frozen (F11): unknown, so not sent on.",
        ),
        "locale",
        _OUTCOMES,
    ),
    panels.number(
        5,
        "minutes_to_flag",
        Text("发现用时", "Time to flag"),
        Text(
            "从异常开始到打出标记的事件时间，中位数，分钟。",
            "Event time from onset to the flag, median, minutes.",
        ),
        "m",
        _OUTCOMES,
        decimals=1,
    ),
)
_OPENED: Final = panels.chart(
    11,
    Text("新增标记（按等级）", "Flags opened, by grade"),
    Text("按开始时间，叠加。", "By time of onset, stacked."),
    "none",
    both(flags_sql.OPENED_OVER_TIME),
    series="grade",
    fields=tuple(Field(g.code, g.text, color=g.color) for g in labels.GRADES),
    bars=True,
)
_RULES: Final = panels.bars(
    12,
    Text("按规则", "By rule"),
    Text("所选时段内开始的标记，按规则。", "Flags that began in the range, by rule."),
    "locale",
    each(lambda lang: flags_sql.by_rule(labels.RULES, lang)),
)
_COURSE: Final = panels.states(
    13,
    Text("标记的经过", "Course of the flags"),
    Text(
        "最重的十二个标记，从开始到解除。",
        "The twelve gravest flags, from onset until they cleared.",
    ),
    each(flags_sql.course),
    labels.COURSE,
    series="name",
)
EVIDENCE: Final = panels.table(
    22,
    each(flags_sql.evidence),
    Text("标记依据", "What crossed what"),
    Text(
        "每个标记的依据：实际、预期、暴露量（订单）、统计量与门槛、窗口。",
        "Each flag's grounds: observed, expected, exposure (orders), statistic, threshold, window.",
    ),
    (
        Field("rule", Text("规则", "Rule"), width=64),
        Field("grade", Text("等级", "Grade"), width=96, labels=labels.GRADES, badge=True),
        Field("state", Text("状态", "State"), width=76, labels=labels.STATES),
        Field("muted", Text("静音", "Muted"), width=64, labels=labels.YES_NO, unit="none"),
        Field("onset", Text("开始", "Onset"), unit="dateTimeAsIso", width=104),
        Field("opened_event_time", Text("发出", "Flagged"), unit="dateTimeAsIso", width=104),
        Field("last_event_time", Text("最近", "Last event"), unit="dateTimeAsIso", width=104),
        Field("entity_type", Text("对象", "Level"), width=70, labels=labels.ENTITY_TYPES),
        Field("entity", Text("编号", "Entity"), width=110),
        Field("observed", Text("实际", "Observed"), unit="none", decimals=0, width=70),
        Field("expected", Text("预期", "Expected"), unit="none", decimals=2, width=70),
        Field("exposure", Text("订单", "Orders"), unit="locale", decimals=0, width=80),
        Field("score", Text("统计量", "Score"), unit="none", decimals=1, width=76),
        Field("threshold", Text("门槛", "Threshold"), unit="none", decimals=1, width=76),
        Field("window_min", Text("窗口（分）", "Window, min"), unit="none", decimals=0, width=84),
        Field("sentence", Text("说明", "What happened"), hidden=True),
        Field("flag_id", Text("标记编号", "Flag id"), hidden=True),
    ),
)

_LEDGER: Final = both(ledger_sql.SUMMARY)
_FILES: Final = (
    panels.number(
        31,
        "appeals",
        Text("申诉", "Appeals"),
        Text(
            "所选时段内立档的标记中，平台提出申诉的件数。",
            "Of the flags filed in the range, those that the platform appealed.",
        ),
        "locale",
        _LEDGER,
    ),
    panels.number(
        32,
        "overturned_share",
        Text("申诉改判率", "Overturned"),
        Text(
            "I21：已决定的申诉中撤销标记的比例，更正不计；没有决定时为未知。",
            "I21: share of decided appeals that overturned the flag; a correction is not one.",
        ),
        "percentunit",
        _LEDGER,
        decimals=1,
    ),
    panels.number(
        33,
        "minutes_to_ack",
        Text("确认用时", "Time to ack"),
        Text(
            "从告知到确认，中位数，分钟。",
            "From being told to the acknowledgement, median, minutes.",
        ),
        "m",
        _LEDGER,
        decimals=0,
    ),
)
_STATES: Final = panels.bars(
    34,
    Text("档案状态", "Files by state"),
    Text("台账中所选时段立档的标记。", "Flags whose file was opened in the range, by state."),
    "locale",
    each(ledger_sql.states),
)
# An entry that is not there is known not to be there.
_NOT_YET: Final = Text("尚未", "not yet")
_NONE: Final = Text("无", "none")
LEDGER: Final = panels.table(
    35,
    both(ledger_sql.FILES),
    Text("台账", "The ledger"),
    Text(
        "只增不改、逐条哈希相连；撤销的标记不计入统计，但仍可查。",
        "Append-only and hash-chained; an overturned flag is not counted and stays auditable.",
    ),
    (
        Field("flag_id", Text("标记编号", "Flag id"), hidden=True),
        Field("rule", Text("规则", "Rule"), width=60),
        Field("level", Text("级别", "Level"), width=96, labels=labels.LEVELS, badge=True),
        Field("file_state", Text("状态", "State"), width=96, labels=labels.FILE_STATES),
        Field("platform_id", Text("平台", "Platform"), width=80, link=labels.TO_PLATFORM),
        labels.DISTRICT,
        Field("opened_at", Text("立档", "Filed"), unit="dateTimeAsIso", width=104),
        Field("acked_at", Text("确认", "Acked"), unit="dateTimeAsIso", width=104, absent=_NOT_YET),
        Field(
            "appealed_at", Text("申诉", "Appealed"), unit="dateTimeAsIso", width=104, absent=_NONE
        ),
        Field(
            "decided_at", Text("决定", "Decided"), unit="dateTimeAsIso", width=104, absent=_NOT_YET
        ),
        Field("decision", Text("结果", "Decision"), labels=labels.FILE_STATES),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="flags-appeals",
    title=Text("预警与申诉", "Flags and appeals"),
    description=Text(
        "预警标记的等级、规则、经过与依据。",
        "Flags by grade and rule, their course and their grounds.",
    ),
    rows=(
        row(3, (8, _STATS[0]), *((4, p) for p in _STATS[1:])),
        row(7, (9, _OPENED), (5, _RULES), (10, _COURSE)),
        row(9, (24, panels.flag_table(21))),
        row(3, *((8, p) for p in _FILES)),
        row(7, (7, _STATES), (17, LEDGER)),
        row(9, (24, EVIDENCE)),
    ),
    variables=panels.WHO[:3],
    annotations=(MARKS,),
)
