"""Free text of the ledger: what is refused however it is spelled, and what a reason may say."""

from __future__ import annotations

import base64

import pytest

from pipelines.ledger.rules import personal_in

PHONE, CITIZEN = "13812345678", "11010519491231002X"


def spelled(text: str, zero: str) -> str:
    """With the digits of another script."""
    return "".join(chr(ord(zero) + int(c)) for c in text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (spelled(PHONE, "٠"), "phone"),
        (spelled(PHONE, "०"), "phone"),
        ("".join(f"{c}\ufe0f\u20e3" for c in PHONE), "phone"),
        ("壹叁捌壹貳叁肆伍陸柒捌", "phone"),
        ("138•1234•5678", "phone"),
        ("138。1234。5678", "phone"),
        ("138;1234;5678", "phone"),
        ("138 ---- 1234 ---- 5678", "phone"),
        ("1 3 8 1 2 3 4 5 6 7 8", "phone"),
        ("0086 138 1234 5678", "phone"),
        ("%31%33%38%31%32%33%34%35%36%37%38", "phone"),
        ("&#49;&#51;&#56;12345678", "phone"),
        (f"key {base64.b64encode(PHONE.encode()).decode()} of ours", "phone"),
        (base64.b64encode("电话 13812345678".encode()).decode(), "phone"),
        (PHONE.encode().hex(), "phone"),
        (f"{CITIZEN[:-1]}х", "id_number"),
        (f"{CITIZEN[:-1]}×", "id_number"),
        ("110105-1949-12-31-002x", "id_number"),
        (base64.b64encode(CITIZEN.encode()).decode(), "id_number"),
        ("6222-0212-3456-7890-128", "bank_card"),
        ("微信号 wxid_abc123", "account"),
        ("QQ：123456789", "account"),
        ("护照号 E12345678", "account"),
        ("联系人：张三", "labelled_name"),
        ("住世纪大道100号", "door"),
        ("server 10.1.2.3", "ip"),
    ],
)
def test_a_spelling_hides_nothing(text: str, kind: str) -> None:
    assert kind in personal_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-13 14:00:00 - 2026-10-13 15:00:00 were counted twice",
        "counts of 2026-11-26T14:00:00.000+08:00 were doubled",
        "13:00-14:00,15:00-16:00 重复",
        "从2026-10-13 14:00:00.123起",
        "1/13/2026 14:05:30",
        "2026-10-01/2026-10-07",
        "2026/11/13 13:00:00 到 2026/11/13 19:30:00",
        "flag F01:merchant/p01/9f3c0123456789abcdef012345678901:1772596800000",
        "batch p01/gw-1/1795734731894/telemetry.viewers.v1/2/38 was a test",
        "session/0123456789abcdef0123456789abcdef/1772596800000/1772600400000",
        "counts were 12 13 14 15 16 17 18 19 and fine",
        "SDK v1.13.0.1",
        "共13800单，其中1234567单重复",
        "orders 1,380,012,345 fen",
        "投诉人方面已答复，联系人方式已更新，当事人均已知悉",
        "沪商务〔2020〕12号，国办发明电〔2025〕7号",
        "12315 电话转来的投诉 15 件，微信小程序投诉 3 件",
        "session a1b2c3d4e5f60718a1b2c3d4e5f60719",
        "wechat channels are not ours; QQ music neither",
    ],
)
def test_a_reason_may_name_times_batches_and_counts(text: str) -> None:
    assert personal_in(text) == []
