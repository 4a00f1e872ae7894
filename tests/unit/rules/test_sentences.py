"""The sentences of all rules as they are read: a change of words is seen in a review."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.core.detect import Grade
from pipelines.core.flags import Entity
from pipelines.core.rules import RULES, RuleEvent
from pipelines.core.rules.episodes import Change
from pipelines.core.rules.flags import rule_flag

SNAPSHOT = Path(__file__).parent / "sentences.json"
BIN = 5_966_666
LEVELS = {
    "F02": "merchant", "F03": "session", "F04": "session", "F05": "merchant", "F06": "platform",
    "F09": "platform", "F10": "session",
    "F07": "session", "F08": "merchant", "F12": "merchant",
}  # fmt: skip
FIGURES = {
    "F02": (4, 0.03, 812, 0), "F03": (96, 7.6, 1_630, 0), "F04": (12_400, 640, 62_000, 0.052),
    "F05": (74, 18.2, 121, 0), "F06": (0.31, 0.064, 2_840, 7), "F07": (9, 0, 9, 0),
    "F08": (3, 0, 64, 0), "F12": (3, 0, 0, 0),
    "F09": (140, 0, 320, 43.75), "F10": (23_400, 0, 12, 0),
}  # fmt: skip


def told() -> dict[str, list[str]]:
    out = {}
    for rule in RULES.values():
        entity = Entity(LEVELS[rule.id], "1f" * 16, "p01", "food")
        for change, grade in (
            (Change.OPENED, Grade.RAISED),
            (Change.ESCALATED, Grade.CRITICAL),
            (Change.CLEARED, Grade.RAISED),
            (Change.ENDED, Grade.RAISED),
        ):
            event = RuleEvent(rule, change, 0, grade, BIN - 3, BIN, *FIGURES[rule.id][:3], 9.0,
                              FIGURES[rule.id][3])  # fmt: skip
            flag = rule_flag(event, entity, 0)
            out[f"{rule.id} {change.value}"] = [flag.sentence_zh, flag.sentence_en]
    return out


def test_sentences_are_those_of_the_snapshot() -> None:
    assert told() == json.loads(SNAPSHOT.read_text("utf-8"))


def test_no_sentence_has_the_words_of_the_method() -> None:
    for zh, en in told().values():
        for word in ("beta", "CUSUM", "MAD", "z-score", "Jensen", "贝塔", "散度", "nan"):
            assert word not in zh
            assert word not in en


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(told(), ensure_ascii=False, indent=1) + "\n", "utf-8")
