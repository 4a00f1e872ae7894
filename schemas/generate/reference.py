"""`docs/contract.md`: the contract as a page to read, Chinese and English side by side."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator

from schemas import codes
from schemas.codes import events, workdays
from schemas.generate.chinese import COLUMNS, SAMPLES, UNITS
from schemas.generate.examples import example
from schemas.generate.headers import HEADERS
from schemas.telemetry import (
    DIMENSIONS,
    EVENT_TIME,
    HEARTBEAT_MS,
    MAX_AHEAD_MS,
    MAX_BYTES,
    MAX_ROWS,
    MEASURES,
    MINOR,
    VERSION,
    Column,
    SampleType,
)

_NUMBERS_IN_FULL = 10**6


def page() -> str:
    """The whole page. Raises KeyError where a column has no Chinese text."""
    parts = [_INTRODUCTION, _table("场次维度", "A session's dimensions", (EVENT_TIME, *DIMENSIONS))]
    for sample in SampleType:
        title = f"{SAMPLES[sample.value]} `{sample.topic}`"
        parts.append(_table(title, sample.value.capitalize(), MEASURES[sample]))
        row = json.dumps(example(sample), ensure_ascii=False, indent=1)
        parts.append(f"```json {sample.value}\n{row}\n```")
    parts += [_headers(), _lists(), _calendars(), _OTHERS]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = f"""\
# 遥测契约 / Telemetry contract {VERSION}.{MINOR}

<!-- Made by `make contract` from schemas/telemetry.py: change that, not this page. -->

平台每 10 秒（允许 1 分钟）为每个直播场次上报样本。一个 Kafka 记录是一批：一个自足的 Arrow IPC 流，同一平台、同一样本类型、
同一分区，至多 {MAX_ROWS:,} 行、{MAX_BYTES:,} 字节。经网关则为 JSON、NDJSON 或 Arrow。

A platform reports each live session every 10 s (1 min allowed). A Kafka record is a batch: one
self-contained Arrow IPC stream of one platform, one sample type and one partition, at most
{MAX_ROWS:,} rows and {MAX_BYTES:,} bytes. The gateway takes JSON, NDJSON or Arrow.

- **只收清单内的字段**：多一列即拒收。金额为整数分，不用小数。空（null）是未知，永远不是零。
  **Strict allow-list**: one column more and the batch is refused. Amounts are integer fen. Null is
  unknown, never zero.
- **不含个人信息**：假名在平台生成；不得有姓名、昵称、电话、证件号、地址、账号、设备号、IP、订单号、支付数据、人脸、声音、弹幕或投诉原文。
  **Nothing personal**: pseudonyms are made at the platform; no name, phone, ID, address, account,
  device, IP, order number, payment data, face, voice, chat or complaint text.
- **计数**均为上次采样以来的增量，另有说明者除外。**Counts** are since the last sample, except where
  a column says otherwise.
- **时钟**：事件时间不得超前 Kafka 时间 {MAX_AHEAD_MS // 1000} 秒以上，不得早于 2020 年。**Clock**: an event time
  is at most {MAX_AHEAD_MS // 1000} s ahead of the broker's and not before 2020.
- **心跳**：每个来源在每个主题分区上至少每 {HEARTBEAT_MS // 1000} 秒发一批，可为空批。**Heartbeat**: every source
  sends a batch, if only an empty one, to each of its topic-partitions every {HEARTBEAT_MS // 1000} s.
- **版本**：次版本只增加可选列（[ADR 0015](adr/0015-contract-versions.md)）；“自”一栏为引入的版本，可整列省略。
  **Versions**: a minor version only adds optional columns; *since* names it, and such a column may
  be left out."""

_OTHERS = """\
## 其他形式 / Other forms

| | |
|---|---|
| Arrow | [schemas.txt](../schemas/generated/arrow/schemas.txt), `arrow/*.arrow` (IPC schema messages) |
| JSON Schema 2020-12 | `schemas/generated/json/*.schema.json` |
| AsyncAPI 3.0 (Kafka) | [asyncapi.yaml](../schemas/generated/asyncapi.yaml) |
| OpenAPI 3.1 (gateway) | [openapi.yaml](../schemas/generated/openapi.yaml) |"""


def _table(zh: str, en: str, columns: tuple[Column, ...]) -> str:
    lines = [
        f"## {zh} / {en}",
        "",
        "| 列 column | 类型 type | 规则 rule | 单位 unit | 自 since | 说明 meaning |",
        "|---|---|---|---|---|---|",
    ]
    for c in columns:
        unit = f"{UNITS[c.unit]} {c.unit}".strip()
        since = f"{VERSION}.{c.since}" if c.since else ""
        about = f"{COLUMNS[c.name]}<br>{c.doc}"
        lines.append(f"| `{c.name}` | {_type(c)} | {_rule(c)} | {unit} | {since} | {about} |")
    return "\n".join(lines)


def _type(column: Column) -> str:
    text = str(column.type)
    if text.startswith("dictionary"):
        text = "dictionary of string"
    return text + ("" if column.nullable else "，必填 required")


def _rule(column: Column) -> str:
    if column.listed is not None:
        return f"[{column.listed.name}](#{column.listed.name})"
    if column.pattern is not None:
        return f"`{column.pattern}`"
    if column.maximum is not None:
        return f"0–{_number(column.maximum)}"
    return ""


def _number(value: int) -> str:
    if value < _NUMBERS_IN_FULL:
        return f"{value:,}"
    power = len(str(value)) - 1
    return f"10^{power}" if value == 10**power else f"{value:,}"


def _headers() -> str:
    lines = [
        "## 批次头 / Headers of a batch",
        "",
        "CloudEvents 1.0, binary mode. `ce_keyid` 与 `ce_signature` 在正式环境必填 / required outside a demo;",
        "the canonical string that is signed stands in [asyncapi.yaml](../schemas/generated/asyncapi.yaml).",
        "",
        "| 头 header | 必填 required | 说明 meaning |",
        "|---|---|---|",
    ]
    for h in HEADERS:
        needed = "是 yes" if h.required else ""
        lines.append(f"| `{h.name}` | {needed} | {h.zh}<br>{html.escape(h.doc, quote=False)} |")
    return "\n".join(lines)


def _lists() -> str:
    return "\n\n".join(["## 代码表 / Code lists", *(_list(one) for one in codes.LISTS)])


def _list(one: codes.CodeList) -> str:
    kinds = {"complaint": "投诉 complaint", "report": "举报 report"}
    head = "| 代码 code | 中文 | English |" + (" 类别 kind |" if one.kinds else "")
    lines = [
        f"### {one.name}",
        "",
        f"{one.about}. Version {one.version}.",
        "",
        head,
        "|---|---|---|" + ("---|" if one.kinds else ""),
    ]
    for code, (zh, en) in one.names.items():
        kind = f" {kinds[one.kinds[code]]} |" if one.kinds else ""
        lines.append(f"| `{code}` | {zh} | {en} |{kind}")
    return "\n".join(lines)


def _calendars() -> str:
    return "\n".join(["## 日历 / Calendars", "", *_events(), "", *_workdays()])


def _events() -> Iterator[str]:
    yield f"`schemas/codes/events.json`, version {events.VERSION}; × 为假定的曝光倍数 / assumed exposure."
    yield ""
    yield "| 活动 event | × | 日期 dates |"
    yield "|---|---|---|"
    for event in events.EVENTS:
        spans = ", ".join(f"{first} – {last}" for first, last in event.spans)
        yield f"| {event.zh} {event.en} | {event.factor or ''} | {spans} |"


def _workdays() -> Iterator[str]:
    years = ", ".join(str(y) for y in sorted(workdays.WORKDAYS.years))
    yield f"`schemas/codes/workdays.json`, version {workdays.WORKDAYS.version}: 法定节假日与调休 /"
    yield f"public holidays and make-up days of {years}."
