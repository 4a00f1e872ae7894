"""Incidents on their way to the count of repeat offences (F12), each counted in one minute only.

An incident is a rule on a merchant or one of its sessions on a day of Shanghai, when it first
reaches raised. Neither a flag that a wider rise explains is one, nor missing telemetry (F11), nor
the repetition itself (F12).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pipelines.core.flags import FlagEvent
from pipelines.core.kin import same_event

RAISED = frozenset({"raised", "critical"})
NO_OFFENCE = frozenset({"F11", "F12"})
SESSION_RULES = ("F01", "F02", "F03", "F04", "F07", "F10")
"""Rules that sessions have: what the first stage tells the second of."""
_DAY_MS = 86_400_000
_SHANGHAI_MS = 28_800_000


class Incident(NamedTuple):
    """A rule on a merchant or one of its sessions; `day` since the epoch, in Asia/Shanghai."""

    rule: str
    day: int
    platform_id: str
    merchant: str


def shanghai_day(ms: int) -> int:
    """Days since the epoch, in Asia/Shanghai."""
    return (ms + _SHANGHAI_MS) // _DAY_MS


class Offences:
    """Incidents by (rule, day, merchant). A minute that closes again finds those that it had."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str], int | None] = {}
        """incident -> the minute that counts it."""

    def note(self, merchant: str, flag: FlagEvent) -> None:
        """A flag event of `merchant` or one of its sessions."""
        begins = flag.event in ("opened", "escalated") and flag.grade in RAISED
        wider = flag.parent_id and not same_event(flag.entity_type, flag.parent_id)
        if begins and not wider and flag.rule not in NO_OFFENCE:
            self.add(merchant, flag.rule, flag.onset)

    def add(self, merchant: str, rule: str, onset_ms: int) -> None:
        """An incident; one that is known is not counted again."""
        self._found.setdefault((rule, shanghai_day(onset_ms), merchant), None)

    def take(self, minute: int) -> list[tuple[str, str]]:
        """(merchant, rule) of what the closing `minute` counts."""
        out, today = [], shanghai_day(minute * 60_000)
        for key, when in list(self._found.items()):
            if when is None or when == minute:
                self._found[key] = minute
                out.append((key[2], key[0]))
            elif key[1] < today - 1:
                del self._found[key]
        return out

    def forget(self, platform: str) -> None:
        """Drop what is known of merchants whose key begins with this."""
        self._found = {k: v for k, v in self._found.items() if not k[2].startswith(platform)}

    def to_json(self) -> list[list[Any]]:
        """For a checkpoint."""
        return [[*key, when] for key, when in self._found.items()]

    def restore(self, rows: Iterable[list[Any]] | None) -> None:
        """Take what `to_json` gave; None is a checkpoint from before."""
        self._found = {(rule, day, m): when for rule, day, m, when in rows or ()}
