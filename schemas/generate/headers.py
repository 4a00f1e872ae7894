"""The headers of a batch, described. `schemas.identity` reads and checks them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas import codes
from schemas.identity import CE_TYPE, CONTENT_TYPE, SPEC_VERSION
from schemas.signing import KEY_HEADER, KEY_ID, SIGNATURE_HEADER
from schemas.telemetry import VERSION, SampleType

_NUMBER = "^[0-9]{1,19}$"
_ID = "[a-z0-9-]"
_STREAM = CONTENT_TYPE.replace(".", r"\.")


@dataclass(frozen=True)
class Header:
    """One header: `pattern` may name {sample}, {type} and {topic}, which a topic decides."""

    name: str
    doc: str
    zh: str
    pattern: str
    required: bool = True

    def pattern_of(self, sample: SampleType) -> str:
        """Its pattern on the topic of a sample type."""
        kind = CE_TYPE.format(sample.value).replace(".", r"\.")
        topic = sample.topic.replace(".", r"\.")
        named = (("{type}", kind), ("{topic}", topic), ("{sample}", sample.value))
        text = self.pattern
        for name, put in named:
            text = text.replace(name, put)
        return text


HEADERS = (
    Header(
        "ce_specversion", "CloudEvents version", "CloudEvents 版本", f"^{re.escape(SPEC_VERSION)}$"
    ),
    Header(
        "ce_id",
        "<epoch>/<topic>/<partition>/<sequence>: with ce_source the batch's name for ever",
        "批次编号，与 ce_source 一起永久唯一",
        "^[0-9]+/{topic}/[0-9]+/[0-9]+$",
    ),
    Header(
        "ce_source",
        "/platforms/<platform_id>/sources/<source>: who sends",
        "发送方",
        f"^/platforms/{_ID}{{1,32}}/sources/{_ID}{{1,40}}$",
    ),
    Header("ce_type", "sample type and major version", "样本类型与主版本", "^{type}$"),
    Header(
        "ce_time",
        "the source's clock when the batch was sealed, ISO 8601",
        "封批时间",
        "^[0-9T:.+Z-]+$",
    ),
    Header(
        "ce_dataschema",
        "minor version of the contract; left out it is 1.0",
        "契约次版本；缺省为 1.0",
        rf"^urn:livewatch:telemetry:{{sample}}:{VERSION}\.[0-9]{{1,4}}$",
        required=False,
    ),
    Header("content-type", "always an Arrow stream", "内容类型", f"^{_STREAM}$"),
    Header(
        "ce_epoch",
        "the producer's epoch: rises with each start",
        "生产者纪元，每次启动递增",
        _NUMBER,
    ),
    Header(
        "ce_sequence",
        "number within source, epoch and topic-partition, from 0 without a gap",
        "批次序号，从 0 起连续",
        _NUMBER,
    ),
    Header("ce_rows", "rows in the batch; 0 is a heartbeat", "行数；0 为心跳", "^[0-9]{1,4}$"),
    Header(
        "ce_watermark",
        "event time, ms, up to which the source has sent everything here",
        "水位：此前的数据已全部发送，毫秒",
        _NUMBER,
    ),
    Header(
        "ce_final", "goodbye: nothing more will come", "告别：不再发送", "^true$", required=False
    ),
    Header(
        "ce_supersedes",
        "what a correction withdraws: batch/<epoch>/<sequence> or session/<session_id>/<from>/<to>",
        "更正所撤回的批次或场次时段",
        "^(batch/[0-9]{1,18}/[0-9]{1,18}|session/[0-9a-f]{32}/[0-9]{1,15}/[0-9]{1,15})$",
        required=False,
    ),
    Header(
        "ce_reason",
        "why, a code of the list `reasons`; stands beside ce_supersedes",
        "更正原因代码",
        f"^({'|'.join(sorted(codes.REASONS.codes))})$",
        required=False,
    ),
    Header(KEY_HEADER, "id of the key that signed", "签名密钥编号", KEY_ID, required=False),
    Header(
        SIGNATURE_HEADER,
        "Ed25519 over the canonical string, base64",
        "对规范串的 Ed25519 签名，base64",
        "^[A-Za-z0-9+/]{86}==$",
        required=False,
    ),
)
