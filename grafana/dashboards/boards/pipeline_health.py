"""Pipeline health: the workers, from Prometheus."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import labels
from grafana.dashboards.model import Dashboard, Field, Panel, Prom, Step, Variable, row
from grafana.dashboards.text import Text, both

_BY_TOPIC: Final = both("{{topic}}")
_BY_TABLE: Final = both("{{table}}")
_BY_STAGE: Final = both("{{stage}}")
#: What lines are called instead of a topic, a table, or a stage of the workers.
_NAMES: Final = {
    _BY_TOPIC: (
        Field("telemetry.viewers.v1", Text("观看", "viewers")),
        Field("telemetry.orders.v1", Text("订单", "orders")),
        Field("telemetry.complaints.v1", Text("投诉", "complaints")),
        Field("telemetry.reviews.v1", Text("审核", "reviews")),
        Field("cells.v1", Text("单元部分和", "partial cells")),
    ),
    _BY_TABLE: (
        Field("raw_viewers", Text("原始观看", "raw viewers")),
        Field("raw_orders", Text("原始订单", "raw orders")),
        Field("raw_complaints", Text("原始投诉", "raw complaints")),
        Field("raw_reviews", Text("原始审核", "raw reviews")),
        Field("indicators_session", Text("场次指标", "session indicators")),
        Field("indicators_cell", Text("单元指标", "cell indicators")),
        Field("indicator_values", Text("长窗口指标", "long indicators")),
        Field("flag_events", Text("标记", "flags")),
        Field("completeness", Text("完整性", "completeness")),
        Field("sessions", Text("场次", "sessions")),
    ),
    _BY_STAGE: (
        Field("fold", Text("第一级（分区）", "stage 1")),
        Field("rollup", Text("第二级（汇总）", "stage 2")),
    ),
}


def _stat(
    panel_id: int, title: Text, description: Text, unit: str, expr: str, *steps: Step
) -> Panel:
    return Panel(
        id=panel_id,
        kind="stat",
        title=title,
        description=description,
        unit=unit,
        prom=(Prom(expr, title, instant=True),),
        steps=steps,
    )


def _lines(panel_id: int, title: Text, description: Text, unit: str, *queries: Prom) -> Panel:
    return Panel(
        id=panel_id,
        kind="timeseries",
        title=title,
        description=description,
        unit=unit,
        prom=queries,
        fields=_NAMES.get(queries[0].legend, ()),
        minimum=0,
        interval="10s",
    )


_GOOD_LOW: Final = (Step(None, labels.GREEN),)
_ROWS: Final = (
    row(
        3,
        (
            4,
            _stat(
                1,
                Text("就绪的进程", "Workers ready"),
                Text("/readyz 说可以的工作进程数。", "Workers whose /readyz says yes."),
                "none",
                "sum(livewatch_ready)",
                Step(None, labels.VERMILLION),
                Step(1, labels.GREEN),
            ),
        ),
        (
            4,
            _stat(
                2,
                Text("积压记录", "Records behind"),
                Text("尚未处理的 Kafka 记录。", "Kafka records not folded yet."),
                "locale",
                "sum(livewatch_lag_records)",
                *_GOOD_LOW,
                Step(10_000, labels.ORANGE),
                Step(100_000, labels.VERMILLION),
            ),
        ),
        (
            4,
            _stat(
                3,
                Text("最大落后", "Furthest behind"),
                Text("落后时最近处理的记录的年龄。", "Age of the last record folded while behind."),
                "s",
                "max(livewatch_lag_seconds)",
                *_GOOD_LOW,
                Step(30, labels.ORANGE),
                Step(120, labels.VERMILLION),
            ),
        ),
        (
            4,
            _stat(
                4,
                Text("检查点年龄", "Checkpoint age"),
                Text("最旧的检查点距今。", "Seconds since the oldest checkpoint."),
                "s",
                "max(livewatch_checkpoint_age_seconds)",
                *_GOOD_LOW,
                Step(60, labels.ORANGE),
                Step(300, labels.VERMILLION),
            ),
        ),
        (
            4,
            _stat(
                5,
                Text("内存中的场次", "Sessions in memory"),
                Text("各分区在内存中的场次之和。", "Sessions in memory, over all partitions."),
                "locale",
                "sum(livewatch_sessions)",
            ),
        ),
        (
            4,
            _stat(
                6,
                Text("写库失败", "Failed writes"),
                Text(
                    "对 ClickHouse 的失败写入，均会重试。",
                    "Failed writes to ClickHouse, each retried.",
                ),
                "locale",
                "sum(livewatch_store_errors_total)",
                *_GOOD_LOW,
                Step(1, labels.ORANGE),
            ),
        ),
    ),
    row(
        7,
        (
            12,
            _lines(
                11,
                Text("处理行数", "Rows folded"),
                Text("各主题每秒处理的样本行。", "Sample rows folded a second, by topic."),
                "rps",
                Prom("sum by (topic) (rate(livewatch_rows_total[1m]))", _BY_TOPIC),
            ),
        ),
        (
            12,
            _lines(
                12,
                Text("写入行数", "Rows stored"),
                Text("ClickHouse 每秒确认的行，按表。", "Rows acknowledged a second, by table."),
                "rps",
                Prom("sum by (table) (rate(livewatch_stored_rows_total[1m]))", _BY_TABLE),
            ),
        ),
    ),
    row(
        7,
        (
            8,
            _lines(
                13,
                Text("处理延迟 95 分位", "Fold delay p95"),
                Text(
                    "从记录进入 Kafka 到被处理，按主题。", "From Kafka having a record to its fold."
                ),
                "s",
                Prom(
                    "histogram_quantile(0.95, sum by (le, topic) "
                    "(rate(livewatch_fold_delay_seconds_bucket[1m])))",
                    _BY_TOPIC,
                ),
            ),
        ),
        (
            8,
            _lines(
                14,
                Text("标记送达 95 分位", "Flag delay p95"),
                Text(
                    "从作出判断到 ClickHouse 与 Kafka 都已持有。",
                    "From a flag's decision to ClickHouse and Kafka having it.",
                ),
                "s",
                Prom(
                    "histogram_quantile(0.95, sum by (le) "
                    "(rate(livewatch_flag_delay_seconds_bucket[5m])))",
                    Text("95 分位", "p95"),
                ),
            ),
        ),
        (
            8,
            _lines(
                15,
                Text("写库用时 95 分位", "Store time p95"),
                Text(
                    "一次写入，含重试，按表。", "A write to ClickHouse, retries included, by table."
                ),
                "s",
                Prom(
                    "histogram_quantile(0.95, sum by (le, table) "
                    "(rate(livewatch_store_seconds_bucket[1m])))",
                    _BY_TABLE,
                ),
            ),
        ),
    ),
    row(
        7,
        (
            8,
            _lines(
                16,
                Text("积压（按主题）", "Records behind, by topic"),
                Text("尚未处理的 Kafka 记录。", "Kafka records not folded yet."),
                "locale",
                Prom("sum by (topic) (livewatch_lag_records)", _BY_TOPIC),
            ),
        ),
        (
            8,
            _lines(
                17,
                Text("事件时间落后", "Event time behind"),
                Text(
                    "时钟减去最前来源承诺的事件时间，各主题最大。",
                    "Clock minus the event time promised by the foremost source, worst partition.",
                ),
                "s",
                Prom("max by (topic) (livewatch_event_lag_seconds)", _BY_TOPIC),
            ),
        ),
        (
            8,
            _lines(
                18,
                Text("拒收（死信）", "Refused rows"),
                Text("每秒进入死信主题的行。", "Rows sent to a dead-letter topic a second."),
                "rps",
                Prom("sum by (topic) (rate(livewatch_refused_rows_total[1m]))", _BY_TOPIC),
            ),
        ),
    ),
    row(
        7,
        (
            8,
            _lines(
                19,
                Text("待处理缓冲", "Mailbox"),
                Text("收到而尚未处理的字节。", "Bytes received and not folded yet."),
                "bytes",
                Prom("sum(livewatch_mailbox_bytes)", Text("字节", "bytes")),
            ),
        ),
        (
            8,
            _lines(
                20,
                Text("未关闭的分钟", "Open minutes"),
                Text("内存随之增长。", "What memory grows with."),
                "none",
                Prom("max by (stage) (livewatch_open_minutes)", _BY_STAGE),
            ),
        ),
        (
            8,
            _lines(
                21,
                Text("重复批次", "Repeated batches"),
                Text("每秒收到并去重的批次。", "Batches received again and suppressed, a second."),
                "cps",
                Prom("sum(rate(livewatch_duplicate_batches_total[1m]))", Text("批次", "batches")),
            ),
        ),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="pipeline-health",
    title=Text("数据管道", "Pipeline health"),
    description=Text(
        "工作进程的积压、延迟、检查点与写库，来自 Prometheus。",
        "The workers' backlog, delay, checkpoints and writes, from Prometheus.",
    ),
    rows=_ROWS,
    variables=(Variable("prometheus", Text("数据源", "Data source"), "datasource"),),
)
