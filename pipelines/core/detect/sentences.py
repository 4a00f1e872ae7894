"""One sentence per event, in Chinese and English, for a reader who knows no statistics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from .episodes import EpisodeEvent, EventKind
from .policy import Grade

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_GRADE_ZH = {Grade.WATCH: "关注", Grade.RAISED: "升高", Grade.CRITICAL: "严重"}
_GRADE_EN = {Grade.WATCH: "watch", Grade.RAISED: "raised", Grade.CRITICAL: "critical"}


def explain(
    event: EpisodeEvent,
    entity_label_zh: str,
    entity_label_en: str,
    *,
    now_ms: int | None = None,
    same_event: bool = False,
) -> tuple[str, str]:
    """(zh, en). Labels name the entity, e.g. "商家 M-3f2a" and "Merchant M-3f2a".

    Times are Asia/Shanghai. ``now_ms`` ends the window for a tick within an open bin; without it
    the window ends with the bin. ``same_event``: its parent is a narrower flag.
    """
    zh_span, en_span = _span(event, now_ms)
    seen = f"{event.observed:,.0f}"
    zh_orders, en_orders = _orders(event.exposure)
    zh_usual, en_usual = _usual(event.expected)
    zh_times, en_times = _times(event.observed, event.expected)
    gap = " " if entity_label_zh[-1:].isascii() else ""
    noun = "complaint" if round(event.observed) == 1 else "complaints"
    zh = (
        f"{entity_label_zh}{gap}在{zh_span}收到 {seen} 起投诉{zh_orders}，"
        f"平时同样的订单量{zh_usual}{zh_times}"
    )
    en = (
        f"{entity_label_en} received {seen} {noun} between {en_span}{en_orders}; "
        f"{en_usual} would be usual for as many orders{en_times}"
    )
    zh_end, en_end = _link(event, same_event) or _verdict(event)
    return zh + zh_end, en + en_end


def _link(event: EpisodeEvent, same_event: bool) -> tuple[str, str] | None:
    """What became of its parent; None where the event is about the rise itself."""
    zh, en = _GRADE_ZH[event.grade], _GRADE_EN[event.grade]
    if event.kind is EventKind.DETACHED:
        return (
            f"，其中未归入其他提示的部分也已上升，「{zh}」提示单独列出。",
            f': it has risen beyond the flag that it belonged to; the "{en}" alert is its own.',
        )
    if event.kind is not EventKind.ATTACHED:
        return None
    if same_event:
        return (
            f"，主要来自其中一个已有提示的对象，「{zh}」提示归入该提示。",
            f': mostly the complaints of another flag, which the "{en}" alert belongs to.',
        )
    return (
        f"，属于更大范围的普遍上升，「{zh}」提示归入其中。",
        f': part of a wider rise, which the "{en}" alert belongs to.',
    )


def _verdict(event: EpisodeEvent) -> tuple[str, str]:
    zh, en = _GRADE_ZH[event.grade], _GRADE_EN[event.grade]
    if event.kind is EventKind.CLEARED:
        return f"，「{zh}」提示已解除。", f': the "{en}" alert is cleared.'
    if event.kind is EventKind.ENDED:
        return (
            f"，该对象已结束，「{zh}」提示随之关闭。",
            f': it is over, and so is its "{en}" alert.',
        )
    if event.kind is EventKind.ESCALATED:
        return f"，已升级为「{zh}」级别。", f': now up to grade "{en}".'
    return f"，已达「{zh}」级别。", f': grade "{en}".'


def _span(event: EpisodeEvent, now_ms: int | None) -> tuple[str, str]:
    end_ms = event.bin_start_ms + event.bin_ms
    start_ms = end_ms - max(1, event.window_bins) * event.bin_ms
    if now_ms is not None:
        end_ms = min(max(now_ms, event.bin_start_ms), end_ms)
    start, end = _local(start_ms), _local(end_ms)
    en = f"{start:%H:%M} and {end:%H:%M} on {end:%Y-%m-%d}"
    return f" {end.month} 月 {end.day} 日 {start:%H:%M}–{end:%H:%M} ", en


def _local(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(SHANGHAI)


def _orders(exposure: float) -> tuple[str, str]:
    """Nothing below one order: "on about 0 orders" reads like a mistake."""
    if exposure < 1:
        return "", ""
    noun = "order" if round(exposure) == 1 else "orders"
    return f"（对应约 {exposure:,.0f} 笔订单）", f" (on about {exposure:,.0f} {noun})"


def _usual(value: float) -> tuple[str, str]:
    if value < 0.05:
        return "不到 0.1 起", "less than 0.1"
    text = f"{value:.1f}" if value < 10 else f"{value:,.0f}"
    return f"约为 {text} 起", f"about {text}"


def _times(observed: float, expected: float) -> tuple[str, str]:
    if expected <= 0 or observed / expected >= 100:
        return "（100 倍以上）", " (more than 100 times)"
    ratio = observed / expected
    if ratio < 1.15:
        return "", ""
    text = f"{ratio:.1f}" if ratio < 3 else f"{ratio:.0f}"
    return f"（约 {text} 倍）", f" (about {text} times)"
