"""Sentences as a regulator reads them (snapshots)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.core.detect import EpisodeEvent, EventKind, Grade, explain

EVENT = EpisodeEvent(
    kind=EventKind.OPENED,
    series=3,
    grade=Grade.CRITICAL,
    onset_ms=1_607_086_800_000,
    bin_start_ms=1_607_086_500_000 + 300_000 * 1,  # 21:00 +08:00 on 2020-12-04
    bin_ms=300_000,
    observed=14.0,
    expected=1.17,
    exposure=1204.4,
    window_bins=12,
    score=7.7,
    threshold=1.0,
)
WHO = ("商家 M-3f2a", "Merchant M-3f2a")

CASES = {
    "opened": (
        EVENT,
        None,
        "商家 M-3f2a 在 12 月 4 日 20:05–21:05 收到 14 起投诉（对应约 1,204 笔订单），"
        "平时同样的订单量约为 1.2 起（约 12 倍），已达「严重」级别。",
        "Merchant M-3f2a received 14 complaints between 20:05 and 21:05 on 2020-12-04 (on about "
        "1,204 orders); about 1.2 would be usual for as many orders (about 12 times): grade "
        '"critical".',
    ),
    "tick, young series, hardly any usual": (
        replace(EVENT, grade=Grade.RAISED, expected=0.02, observed=6.0, window_bins=3),
        EVENT.bin_start_ms + 61_000,
        "商家 M-3f2a 在 12 月 4 日 20:50–21:01 收到 6 起投诉（对应约 1,204 笔订单），"
        "平时同样的订单量不到 0.1 起（100 倍以上），已达「升高」级别。",
        "Merchant M-3f2a received 6 complaints between 20:50 and 21:01 on 2020-12-04 (on about "
        "1,204 orders); less than 0.1 would be usual for as many orders (more than 100 times): "
        'grade "raised".',
    ),
    "escalated": (
        replace(EVENT, kind=EventKind.ESCALATED, observed=1400.0, expected=612.0),
        None,
        "商家 M-3f2a 在 12 月 4 日 20:05–21:05 收到 1,400 起投诉（对应约 1,204 笔订单），"
        "平时同样的订单量约为 612 起（约 2.3 倍），已升级为「严重」级别。",
        "Merchant M-3f2a received 1,400 complaints between 20:05 and 21:05 on 2020-12-04 (on about "
        "1,204 orders); about 612 would be usual for as many orders (about 2.3 times): now up to "
        'grade "critical".',
    ),
    "cleared": (
        replace(EVENT, kind=EventKind.CLEARED, grade=Grade.WATCH, observed=1.0),
        None,
        "商家 M-3f2a 在 12 月 4 日 20:05–21:05 收到 1 起投诉（对应约 1,204 笔订单），"
        "平时同样的订单量约为 1.2 起，「关注」提示已解除。",
        "Merchant M-3f2a received 1 complaint between 20:05 and 21:05 on 2020-12-04 (on about "
        '1,204 orders); about 1.2 would be usual for as many orders: the "watch" alert is cleared.',
    ),
    "less than one order": (
        replace(EVENT, grade=Grade.RAISED, exposure=0.4, expected=0.01),
        None,
        "商家 M-3f2a 在 12 月 4 日 20:05–21:05 收到 14 起投诉，"
        "平时同样的订单量不到 0.1 起（100 倍以上），已达「升高」级别。",
        "Merchant M-3f2a received 14 complaints between 20:05 and 21:05 on 2020-12-04; less than "
        '0.1 would be usual for as many orders (more than 100 times): grade "raised".',
    ),
    "one order": (
        replace(EVENT, grade=Grade.RAISED, exposure=1.2, expected=0.01),
        None,
        "商家 M-3f2a 在 12 月 4 日 20:05–21:05 收到 14 起投诉（对应约 1 笔订单），"
        "平时同样的订单量不到 0.1 起（100 倍以上），已达「升高」级别。",
        "Merchant M-3f2a received 14 complaints between 20:05 and 21:05 on 2020-12-04 (on about 1 "
        "order); less than 0.1 would be usual for as many orders (more than 100 times): grade "
        '"raised".',
    ),
    "ended": (
        replace(EVENT, kind=EventKind.ENDED, expected=14.0),
        None,
        "商家 M-3f2a 在 12 月 4 日 20:05–21:05 收到 14 起投诉（对应约 1,204 笔订单），"
        "平时同样的订单量约为 14 起，该对象已结束，「严重」提示随之关闭。",
        "Merchant M-3f2a received 14 complaints between 20:05 and 21:05 on 2020-12-04 (on about "
        "1,204 orders); about 14 would be usual for as many orders: it is over, and so is its "
        '"critical" alert.',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sentence(name: str) -> None:
    event, now_ms, zh, en = CASES[name]
    assert explain(event, *WHO, now_ms=now_ms) == (zh, en)


def test_a_label_in_chinese_needs_no_space() -> None:
    zh, _ = explain(EVENT, "美妆类", "Cosmetics")
    assert zh.startswith("美妆类在 12 月 4 日")


def test_no_jargon() -> None:
    for event, now_ms, *_ in CASES.values():
        both = " ".join(explain(event, *WHO, now_ms=now_ms)).lower()
        for word in ("odds", "score", "sigma", "likelihood", "z=", "几率", "似然", "显著"):
            assert word not in both
