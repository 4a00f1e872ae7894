"""One sentence per transition of F02 to F12, in Chinese and English, for who knows no statistics.

Each says what was observed and in which time, what would be usual and on what that rests, and the
grade. No word of the method: that is in the policy table and in the figures of the flag.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pipelines.core.detect import Grade
from pipelines.core.detect.sentences import SHANGHAI
from schemas import codes

from .episodes import Change, RuleEvent
from .protocol import BIN_MS

Both = tuple[str, str]
CATEGORIES = sorted(codes.CATEGORIES.codes)
_GRADE = {
    Grade.WATCH: ("关注", "watch"),
    Grade.RAISED: ("升高", "raised"),
    Grade.CRITICAL: ("严重", "critical"),
}


def explain(event: RuleEvent, labels: Both) -> Both:
    """(zh, en). `labels` name whom it is about. Times are Asia/Shanghai."""
    zh_of, en_of = labels
    gap = " " if zh_of[-1:].isascii() else ""
    zh_grade, en_grade = _GRADE[event.grade]
    if event.change in (Change.CLEARED, Change.ENDED):
        at = _local(event.onset_ms)
        over = event.change is Change.ENDED
        zh = "该对象已结束，提示随之关闭" if over else "提示已解除"
        en = "it is over, and so is the flag" if over else "the flag is cleared"
        return (
            f"{zh_of}{gap}自 {at.month} 月 {at.day} 日 {at:%H:%M} 起的"
            f"「{event.rule.zh}」（{zh_grade}）：{zh}。",
            f'{en_of}, "{event.rule.en}" ({en_grade}) since {at:%H:%M} on {at:%Y-%m-%d}: {en}.',
        )
    zh, en = _TEXT[event.rule.id](event)
    zh_now, en_now = ("已升级为", "now up to grade")
    if event.change is Change.OPENED:
        zh_now, en_now = ("已达", "grade")
    zh_span, en_span = _span(event)
    return (
        f"{zh_of}{gap}{zh_span}{zh}，{zh_now}「{zh_grade}」级别。",
        f'{en_of}, {en_span}: {en}; {en_now} "{en_grade}".',
    )


def _local(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(SHANGHAI)


def _span(event: RuleEvent) -> Both:
    end = _local(event.end_ms)
    bins = event.rule.window_bins
    if bins >= 288:
        days, hours = bins // 288, bins // 12
        zh = f" {days} 天" if days > 1 else f" {hours} 小时"
        en = f"{days} days" if days > 1 else f"{hours} hours"
        return (
            f"在截至 {end.month} 月 {end.day} 日 {end:%H:%M} 的{zh}内",
            f"in the {en} up to {end:%H:%M} on {end:%Y-%m-%d}",
        )
    start = end - timedelta(milliseconds=bins * BIN_MS)
    return (
        f"在 {end.month} 月 {end.day} 日 {start:%H:%M}–{end:%H:%M} ",
        f"between {start:%H:%M} and {end:%H:%M} on {end:%Y-%m-%d}",
    )


def _usual(value: float) -> Both:
    """What is usual: nothing below a tenth is worth a figure."""
    if value < 0.1:
        return "不到 0.1", "fewer than 0.1"
    return f"约 {_number(value)}", f"about {_number(value)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%" if value >= 0.095 else f"{100 * value:.2g}%"


def _plural(value: float, noun: str) -> str:
    return f"{_number(value)} {noun}" + ("" if round(value) == 1 else "s")


def _safety(e: RuleEvent) -> Both:
    return (
        f"收到 {_number(e.observed)} 起食品等安全类投诉，"
        f"同平台同品类平均{_usual(e.expected)[0]} 起",
        f"{_plural(e.observed, 'safety complaint')}, where others of the platform and category "
        f"have {_usual(e.expected)[1]} on average",
    )


def _conversion(e: RuleEvent) -> Both:
    return (
        f"成交 {_number(e.observed)} 笔订单，而同样的 {_number(e.exposure)} 次商品点击平时约成交 "
        f"{_number(e.expected)} 笔（依据本场和同平台同品类的历史），疑似刷单",
        f"{_plural(e.observed, 'order')}, where as many product clicks ({_number(e.exposure)}) "
        f"usually bring about {_number(e.expected)}, by the session's own past and that of its "
        "platform and category: orders may be faked",
    )


def _jump(e: RuleEvent) -> Both:
    return (
        f"观看数由约 {_number(e.expected)} 突增到 {_number(e.observed)}，"
        "而人均点击和互动只有平时的 "
        f"{_percent(e.detail)}（依据本场此前的数据），疑似虚假流量",
        f"viewers jumped from about {_number(e.expected)} to {_number(e.observed)} while clicks "
        f"and interactions per viewer fell to {_percent(e.detail)} of what this session usually "
        "has: viewers may be bought",
    )


def _refunds(e: RuleEvent) -> Both:
    return (
        f"有 {_number(e.observed)} 笔退款，而同样的约 {_number(e.exposure)} 笔订单平时约有 "
        f"{_number(e.expected)} 笔（依据该商家和同平台同品类的历史）",
        f"{_plural(e.observed, 'refund')}, where as many orders (about {_number(e.exposure)}) "
        f"usually have about {_number(e.expected)}, by the merchant's own past and that of its "
        "platform and category",
    )


def _shift(e: RuleEvent) -> Both:
    code = CATEGORIES[int(e.detail) % len(CATEGORIES)]
    zh, en = codes.CATEGORIES.zh(code), codes.CATEGORIES.en(code)
    return (
        f"的品类结构明显偏离近 28 天：{zh}占订单的 {_percent(e.observed)}，平时为 "
        f"{_percent(e.expected)}（共 {_number(e.exposure)} 笔订单）",
        f"sells another mix of goods than in the last 28 days: {en} has {_percent(e.observed)} of "
        f"{_plural(e.exposure, 'order')}, usually {_percent(e.expected)}",
    )


def _ghosts(e: RuleEvent) -> Both:
    return (
        f"在无人观看或已下播时仍有 {_number(e.observed)} 笔订单，正常应为 0 笔",
        f"{_plural(e.observed, 'order')} while nobody watched or after the end, where there should "
        "be none",
    )


def _off_platform(e: RuleEvent) -> Both:
    return (
        f"收到 {_number(e.observed)} 起站外交易举报，同平台同品类平均{_usual(e.expected)[0]} 起",
        f"{_plural(e.observed, 'report')} of dealing off the platform, where others of the "
        f"platform and category have {_usual(e.expected)[1]} on average",
    )


def _reviews(e: RuleEvent) -> Both:
    return (
        f"的在播场次中有 {_percent(e.detail / 100)} 没有任何实时审核（各场次应持续审核）",
        f"{_percent(e.detail / 100)} of the live sessions had no real-time review at all, where "
        "each should have one all the time",
    )


def _uncertified(e: RuleEvent) -> Both:
    return (
        f"约有 {_number(e.observed)} 人观看，而平台报告该主播未持证",
        f"about {_number(e.observed)} viewers, while the platform says that the streamer has no "
        "certificate",
    )


def _repeat(e: RuleEvent) -> Both:
    return (
        f"本商家及其直播场次共触发 {_number(e.observed)} 次「升高」或以上的提示",
        f'{_plural(e.observed, "flag")} of grade "raised" or above on this merchant and its '
        "sessions",
    )


_TEXT: dict[str, Callable[[RuleEvent], Both]] = {
    "F02": _safety,
    "F03": _conversion,
    "F04": _jump,
    "F05": _refunds,
    "F06": _shift,
    "F07": _ghosts,
    "F08": _off_platform,
    "F09": _reviews,
    "F10": _uncertified,
    "F12": _repeat,
}
