"""Every word of a report in both languages."""

from __future__ import annotations

from typing import Final, Literal

from schemas import codes

Lang = Literal["zh", "en"]
_BOTH: Final[dict[str, tuple[str, str]]] = {
    "title": ("直播电商运行监测报告", "Live commerce monitoring report"),
    "day": ("日报", "daily"),
    "week": ("周报", "weekly"),
    "month": ("月报", "monthly"),
    "public": ("公开版", "public edition"),
    "agency": ("部门版", "agencies' edition"),
    "platform": ("平台版", "platform's edition"),
    "city": ("上海市", "Shanghai"),
    "days_in": ("所含日期", "Days included"),
    "missing_days": ("没有数据、不在任何合计中的日期", "Days without data, which are in no sum"),
    "overview": ("总体情况", "Overview"),
    "by_day": ("逐日走势", "Day by day"),
    "by_hour": ("时段分布", "By hour of the day"),
    "by_platform": ("平台", "Platforms"),
    "by_category": ("品类", "Categories"),
    "by_district": ("区域", "Districts"),
    "by_scenario": ("场景", "Scenarios"),
    "complaints_part": ("投诉及处理", "Complaints and their handling"),
    "flags_part": ("预警与申诉", "Flags and appeals"),
    "quality_part": ("数据完整性", "Completeness of the data"),
    "method": ("编制说明", "Method"),
    "sessions": ("直播场次", "Sessions"),
    "orders": ("订单数", "Orders"),
    "gmv": ("成交额（元）", "Paid GMV (yuan)"),
    "gmv_short": ("成交额", "Paid GMV"),
    "yuan": ("元", "yuan"),
    "share": ("占比", "Share"),
    "order_value": ("笔单价（元）", "Order value (yuan)"),
    "viewer_hours": ("观看时长（小时）", "Viewer-hours"),
    "refund_rate": ("退款率", "Refunds / orders"),
    "complaints": ("投诉数", "Complaints"),
    "complaint_rate": ("万单投诉量", "Complaints per 10,000 orders"),
    "against_before": ("较上期", "against the period before"),
    "city_total": ("全市公布值", "City, as published"),
    "code": ("投诉类别", "Kind of complaint"),
    "all": ("合计", "All"),
    "none": ("无场景标签", "No scenario tag"),
    "suppressed": ("不予公布", "not shown"),
    "at_least": ("≥", "≥"),
    "fewer": ("少于3", "under 3"),
    "missing": ("暂无数据来源", "Not available: this system has no data source for it yet."),
    "quiet": ("本期无此项数据。", "Nothing of this kind in the period."),
    "unknown": ("未知", "unknown"),
    "no_orders": ("–", "–"),
    "too_few": ("样本不足", "too few"),
    "hatched_unknown": ("斜纹：没有数据，不是零", "Hatched: no data, which is not zero"),
    "hatched_suppressed": ("斜纹：不予公布", "Hatched: not shown"),
    "partly": ("≥：部分日期不予公布", "≥, some days not shown"),
    "answered_p50": ("首次答复时间中位数（小时）", "First answer, median (hours)"),
    "answered_p95": ("首次答复时间95分位（小时）", "First answer, 95th percentile (hours)"),
    "resolved": ("办结中已解决占比", "Resolved, of those closed"),
    "rule": ("规则", "Rule"),
    "raised": ("升高", "Raised"),
    "critical": ("严重", "Critical"),
    "files": ("立案预警", "Flags on file"),
    "appealed": ("提出申诉", "Appealed"),
    "decided": ("已裁定", "Decided"),
    "overturned": ("撤销", "Overturned"),
    "overturn_share": ("申诉撤销率", "Overturned, of those decided"),
    "completeness": ("完整率", "Completeness"),
    "late": ("迟到占比", "Late rows"),
    "lag": ("时延95分位", "Lag, 95th percentile"),
    "name": ("名称", "Name"),
    "page": ("第", "page"),
    "hour_axis": ("时", "h"),
}
RULES: Final[dict[str, tuple[str, str]]] = {
    "F01": ("投诉异常上升", "Complaint spike"),
    "F02": ("安全类投诉聚集", "Safety cluster"),
    "F03": ("转化率异常", "Conversion outlier"),
    "F04": ("观看人数突增", "Viewer jump"),
    "F05": ("退款激增", "Refund surge"),
    "F06": ("品类结构突变", "Category shift"),
    "F07": ("无人观看有订单", "Orders without viewers"),
    "F08": ("诱导场外交易聚集", "Off-platform cluster"),
    "F09": ("审核缺口", "Review gap"),
    "F10": ("主播未认证", "Uncertified streamer"),
    "F11": ("数据中断或冻结", "Telemetry gap or frozen values"),
    "F12": ("重复违规", "Repeat offence"),
}
METHOD: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "all": (
        (
            "数据由平台主动报送，不采集网页；日界为北京时间零点，一场直播跨日时两日各计一场次。",
            "成交额为已支付金额，不扣退款。退款率为当期退款笔数与当期订单数之比。",
            "“完整率”“时延”按准时到达的数据计算（暂计值）；其余为含迟到与更正的结算值。",
        ),
        (
            "Platforms push the data; nothing is scraped. Days are those of Beijing time; a "
            "session over midnight counts on both days.",
            "GMV is what was paid, refunds not taken off. The refund rate sets refunds of the "
            "period against its orders.",
            "Completeness and lag are of rows that were on time (provisional); all else is "
            "settled, with late rows and corrections.",
        ),
    ),
    "suppressed": (
        (
            "为保护经营者，单元格少于{least}场次或{least}笔订单、少于3家商家、或一家占比超过80%的不予公布；"
            "能由合计相减推出的单元格一并不予公布。周、月数据由已公布的日数据相加，"
            "“≥”表示其中有不予公布或没有数据的日期。",
            "各日数据公布后不再改动，其后的更正不计入。",
        ),
        (
            "To protect businesses, cells with under {least} sessions or {least} orders, under 3 "
            "merchants, or one merchant above 80% are not shown, nor are cells that a subtraction "
            "would give away. Weeks and months are sums of days as shown; ≥ marks sums that leave "
            "days out, because they are not shown or there is no data.",
            "Days are not changed once they are published; later corrections are not in them.",
        ),
    ),
    "own": (
        ("本报告仅含贵平台自身数据；全市数字为公布值。“≥”表示其中有没有数据或不予公布的日期。",),
        (
            "This report has your own figures only; those of the city are as published. ≥ marks "
            "sums that leave days out, because there is no data or they are not shown.",
        ),
    ),
}


def word(key: str, lang: Lang) -> str:
    """A word of the report."""
    return _BOTH[key][lang == "en"]


def name(kind: str, code: str, lang: Lang) -> str:
    """What a code is called."""
    if code == "*":
        return word("all", lang)
    if kind == "scenario" and code == "none":
        return word("none", lang)
    lists = {
        "category": codes.CATEGORIES, "district": codes.DISTRICTS, "scenario": codes.SCENARIOS,
        "code": codes.COMPLAINTS,
    }  # fmt: skip
    names = RULES if kind == "rule" else lists[kind].names if kind in lists else {}
    return names[code][lang == "en"] if code in names else code
