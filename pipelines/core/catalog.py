"""The indicators of the domain, each declared once: what docs, dashboards and reports read.

A window of hours is of clock hours, the present one included; one of days is of Shanghai days, the
present one included. `minimum` is the volume below which a value is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDE = "indicators_session, indicators_cell"
WIDE_SETTLED = "v_settled_indicators_session, v_settled_indicators_cell"
LONG = "indicator_values"
LONG_SETTLED = "v_settled_indicator_values"
LEDGER = "ledger"
LEDGER_SETTLED = "v_ledger_appeals"
NIGHT_HOURS = (18, 2)
"""Night window of I20, Shanghai hours [from, to), over midnight."""
TOP_AGENCIES = 10


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator. `columns` names its columns in the wide tables, `{w}` being the window; one
    that is in the long table may have its short windows there. One of the ledger has no provisional
    figure: what is written there is never changed.
    """

    id: str
    zh: str
    en: str
    formula: str
    windows: tuple[str, ...]
    unit: str
    scopes: tuple[str, ...]
    minimum: int = 0
    minimum_of: str = ""
    table: str = LONG
    settled: str = LONG_SETTLED
    columns: str = ""

    def __post_init__(self) -> None:
        if bool(self.minimum) != bool(self.minimum_of):
            raise ValueError(f"{self.id}: a minimum is one of something")
        if not self.windows or not self.scopes:
            raise ValueError(f"{self.id}: needs a window and a scope")


_MINUTES = ("1m", "5m", "15m", "60m")
_ALL = ("session", "category", "platform", "city")
_WIDE = ("session", "cell")
_BROAD = ("category", "platform", "city")


def _wide(
    id_: str, titles: tuple[str, str], formula: str, windows: tuple[str, ...], unit: str,
    columns: str, settled: str = WIDE_SETTLED,
) -> Indicator:  # fmt: skip
    zh, en = titles
    return Indicator(
        id_, zh, en, formula, windows, unit, _WIDE, table=WIDE, settled=settled, columns=columns
    )


TABLE: tuple[Indicator, ...] = (
    _wide(
        "I01", ("在播场次", "Active sessions"), "sessions with a viewers sample in the window",
        _MINUTES, "sessions", "active_{w}",
    ),
    _wide(
        "I02", ("在线观看", "Viewers"), "sum of the latest viewers of the active sessions",
        _MINUTES, "viewers", "viewers_{w}",
    ),
    Indicator(
        "I03", "峰值观看", "Peak viewers",
        "largest viewers since the start; of a scope the median of its live sessions",
        ("session",), "viewers", _ALL, 1, "sessions",
    ),
    _wide(
        "I04", ("每分钟订单", "Orders per minute"), "orders / minutes", _MINUTES, "orders/min",
        "i04_orders_per_min_{w}",
    ),
    Indicator(
        "I05", "成交额", "Paid GMV", "sum of what was paid", ("5m", "1d"), "yuan", _BROAD,
        columns="indicators_cell.paid_fen_5m",
    ),
    _wide(
        "I06", ("客单价", "Order value"), "GMV / orders", _MINUTES, "yuan",
        "i06_order_value_yuan_{w}",
    ),
    Indicator(
        "I07", "成交转化率", "Conversion",
        "100 x orders / unique viewers since the start; of a scope the median of its live sessions",
        ("session",), "%", _ALL, 1, "sessions",
    ),
    Indicator(
        "I08", "点击转化率", "Orders per click", "100 x orders / product clicks", ("15m",), "%",
        _ALL, 20, "clicks",
    ),
    _wide(
        "I09", ("每千观看分钟订单", "Orders per 1,000 viewer-minutes"),
        "1000 x orders / viewer-minutes", _MINUTES, "orders",
        "i09_orders_per_1000_viewer_min_{w}",
    ),
    Indicator(
        "I11", "万单投诉量", "Complaints per 10,000 orders",
        "10,000 x (complaints + 1) / (orders + 1000)", ("1h", "24h", "7d"), "per 10,000 orders",
        _BROAD,
        columns="indicators_cell.i11_complaints_per_10000_1h, "
        "indicators_cell.i11_complaints_per_10000_24h",
    ),
    Indicator(
        "I10", "按下单批次退款率", "Refunds by cohort",
        "100 x refunds of the orders of the window's days / these orders", ("7d", "30d"), "%",
        _BROAD, 20, "orders",
    ),
    Indicator(
        "I12", "品类结构偏离", "Category divergence",
        "Jensen-Shannon divergence, bits, of GMV by category in 24 clock hours from the 28 days "
        "before today",
        ("24h",), "bits", ("platform", "city"), 100, "orders of the 24 hours",
    ),
    Indicator(
        "I13", "投诉首次回应时长", "Complaint response time",
        "p50 and p95 of the time from filing to the first answer", ("7d",), "h", _BROAD, 5,
        "answers",
    ),
    Indicator(
        "I14", "投诉办结率", "Complaints resolved", "100 x resolved / closed", ("30d",), "%",
        _BROAD, 5, "complaints closed",
    ),
    Indicator(
        "I15", "实时审核覆盖率", "Review coverage",
        "100 x live sessions with a review in five minutes / live sessions", ("5m",), "%", _BROAD,
        5, "live sessions",
    ),
    Indicator(
        "I16", "审核时延", "Review latency",
        "p95 of the time from what was shown to the outcome", ("1h",), "s", _BROAD, 20, "reviews",
    ),
    Indicator(
        "I17", "持证主播占比", "Certified streamers",
        "100 x sessions begun in the day with a certified streamer / those of which it is told",
        ("1d",), "%", _BROAD, 5, "sessions",
    ),
    Indicator(
        "I18", "48 小时发货率", "Shipped within 48 h",
        "100 x shipped within 48 h / orders whose 48 h ended", ("7d",), "%", _BROAD, 20, "orders",
    ),
    Indicator(
        "I19", "MCN 集中度", "Concentration of agencies",
        "CR10: share of the ten largest; HHI: 10,000 x sum of squared shares; of the GMV with an "
        "agency",
        ("7d",), "% (CR10), points (HHI)", ("platform", "city"), 3, "agencies",
    ),
    Indicator(
        "I20", "场景与夜间成交占比", "Share of scenarios and night",
        "100 x GMV with the scenario tag, or between 18:00 and 02:00, / GMV",
        ("1d",), "%", ("platform", "city"), 1, "orders",
    ),
    Indicator(
        "I21", "申诉推翻率", "Appeals that overturn",
        "100 x appeals that overturned the flag / appeals decided: upheld, overturned, corrected",
        ("30d",), "%", _BROAD, 5, "appeals decided", table=LEDGER, settled=LEDGER_SETTLED,
    ),
    _wide(
        "I22", ("遥测完整率与时延", "Completeness and lag"),
        "session-minutes with a sample / due; p95 from event to broker", _MINUTES, "share; ms",
        "i22_completeness_{w}, i22_lag_p95_ms_{w}", settled="v_completeness_5m",
    ),
)  # fmt: skip
CATALOG: dict[str, Indicator] = {one.id: one for one in TABLE}
