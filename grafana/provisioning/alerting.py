"""Alert rules of the operations room, on ClickHouse; contact points and routes.

Flags reach the desks through Alertmanager and webhooks (`livewatch alerts`); these rules are for
the room that looks at Grafana. No template variable works in an alert rule, and none is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from grafana.dashboards.text import Json, Text

FOLDER: Final = "livewatch"
_EXPRESSION: Final = "__expr__"


@dataclass(frozen=True)
class Rule:
    """Fires where the query's last value is above (or below) the threshold for `lasting`."""

    uid: str
    title: Text
    summary: Text
    sql: str
    threshold: float
    below: bool = False
    lasting: str = "0s"
    severity: str = "warning"
    back_s: int = 3600


RULES: Final = (
    Rule(
        "livewatch-critical",
        Text("严重级预警", "Critical flags"),
        Text("有未解除的严重级预警标记。", "Flags of grade critical are open."),
        "SELECT now() AS time, countIf(grade = 'critical' AND muted = 0) AS value FROM v_flags "
        "WHERE state = 'open' AND onset >= $__toTime - INTERVAL 7 DAY",
        0,
        severity="critical",
    ),
    Rule(
        "livewatch-silent",
        Text("平台静默", "A platform is silent"),
        Text(
            "某平台的数据水位落后五分钟以上：其数值未知，不是零。",
            "A platform's watermark is over five minutes behind: its figures are unknown.",
        ),
        "SELECT now() AS time, max(behind) AS value FROM (SELECT platform_id, "
        "dateDiff('second', max(watermark), max(max(minute)) OVER () + INTERVAL 1 MINUTE) "
        "AS behind "
        "FROM v_completeness WHERE $__timeFilter(minute) GROUP BY platform_id)",
        300,
        lasting="2m",
        severity="critical",
    ),
    Rule(
        "livewatch-completeness",
        Text("数据完整率低", "Completeness is low"),
        Text(
            "最近一小时应到的场次分钟中，收到的不足 95%。",
            "Under 95% of the session-minutes due in the last hour arrived.",
        ),
        "SELECT now() AS time, sum(seen_1m) / nullIf(sum(expected_1m), 0) AS value "
        "FROM v_indicators_cell WHERE $__timeFilter(minute) AND closed = 1",
        0.95,
        below=True,
        lasting="5m",
    ),
    Rule(
        "livewatch-stale",
        Text("数据停滞", "Figures stand still"),
        Text(
            "最近一个已关闭的分钟早于十分钟之前。",
            "The latest closed minute is over ten minutes old.",
        ),
        "SELECT now() AS time, dateDiff('second', max(minute), now()) AS value "
        "FROM v_indicators_cell WHERE $__timeFilter(minute) AND closed = 1",
        600,
        lasting="2m",
        severity="critical",
    ),
)


def rules(org: int) -> Json:
    return {
        "orgId": org,
        "name": "livewatch",
        "folder": FOLDER,
        "interval": "1m",
        "rules": [_rule(rule) for rule in RULES],
    }


def _rule(rule: Rule) -> Json:
    kind = "lt" if rule.below else "gt"
    span = {"from": rule.back_s, "to": 0}
    return {
        "uid": rule.uid,
        "title": f"{rule.title.zh} {rule.title.en}",
        "condition": "C",
        "for": rule.lasting,
        # Unknown is not fine: a query without rows or with an error is told, too.
        "noDataState": "NoData",
        "execErrState": "Error",
        "labels": {"severity": rule.severity, "kind": "operations_room"},
        "annotations": {"summary": f"{rule.summary.zh} {rule.summary.en}"},
        "data": [
            _part("A", "livewatch", _query(rule.sql), span),
            _part("B", _EXPRESSION, {"type": "reduce", "reducer": "last", "expression": "A"}),
            _part("C", _EXPRESSION, _threshold(kind, rule.threshold)),
        ],
    }


def _query(sql: str) -> Json:
    return {"editorType": "sql", "rawSql": sql, "format": 0, "queryType": "timeseries"}


def _threshold(kind: str, value: float) -> Json:
    condition = {"evaluator": {"type": kind, "params": [value]}}
    return {"type": "threshold", "expression": "B", "conditions": [condition]}


def _part(ref: str, source: str, model: Json, span: dict[str, int] | None = None) -> Json:
    return {
        "refId": ref,
        "datasourceUid": source,
        "relativeTimeRange": span or {"from": 0, "to": 0},
        "model": {"refId": ref, **model},
    }


CONTACTS: Final[list[dict[str, Any]]] = [
    {
        "name": "operations-room",
        "receivers": [
            {
                "uid": "livewatch-room",
                "type": "webhook",
                "settings": {"url": "$LIVEWATCH_ROOM_WEBHOOK", "httpMethod": "POST"},
            }
        ],
    },
    {
        "name": "duty",
        "receivers": [
            {
                "uid": "livewatch-duty",
                "type": "email",
                "settings": {"addresses": "$LIVEWATCH_DUTY_EMAIL", "singleEmail": True},
            }
        ],
    },
]


def policy(org: int) -> Json:
    """Critical goes to both at once; the rest to the room."""
    return {
        "orgId": org,
        "receiver": "operations-room",
        "group_by": ["alertname"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
        "routes": [
            {
                "receiver": "duty",
                "object_matchers": [["severity", "=", "critical"]],
                "group_wait": "10s",
                "continue": True,
            },
            {"receiver": "operations-room", "object_matchers": [["severity", "=~", ".+"]]},
        ],
    }
