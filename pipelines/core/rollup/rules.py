"""The rules of merchants and platforms (F02, F05, F06, F08, F12) on the closed minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.flags import RULE, FlagEvent
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.offences import Incident, Offences
from pipelines.core.partials import OFFENCE, Partial
from pipelines.core.rollup.counts import MinuteCounts
from pipelines.core.rollup.level import Level
from pipelines.core.rollup.levels import Levels
from pipelines.core.rules import RuleBoard, RuleEvent
from pipelines.core.rules.boards import merchant_board, platform_board, repetition
from pipelines.core.rules.flags import rule_flag

Ints = npt.NDArray[np.int64]


class Rules:
    """Boards by level, and the offences that F12 counts."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self._repeats = repetition()
        self.merchants = merchant_board(self._repeats)
        self.platforms = platform_board()
        self.offences = Offences()
        self.overturned: frozenset[Incident] = frozenset()
        """Incidents that F12 counts no more. Not kept here: the ledger has them."""

    def boards(self) -> tuple[tuple[Level, RuleBoard], ...]:
        """Each board with the level whose series it has."""
        return (
            (self._levels.platform, self.platforms),
            (self._levels.merchant, self.merchants),
        )

    def note(self, flags: list[FlagEvent]) -> None:
        """Flags of merchants are offences."""
        for flag in flags:
            if flag.entity_type == "merchant":
                self.offences.note(f"{flag.platform_id}\n{flag.entity}", flag)

    def note_sessions(self, partial: Partial) -> None:
        """What the sessions of each merchant were flagged for in a closed minute."""
        keys, values = partial.merchants
        spared = self._explained(partial)
        for name, column in values.items():
            if name.startswith(OFFENCE):
                for i in np.flatnonzero(column).tolist():
                    merchant = "\n".join(keys[i][:2])
                    if name == OFFENCE + RULE and merchant in spared:
                        continue
                    self.offences.add(merchant, name[len(OFFENCE) :], partial.minute * MINUTE_MS)

    def _explained(self, partial: Partial) -> set[str]:
        """Merchants all of whose sessions in a spike are explained by a wider one."""
        spared: dict[str, bool] = {}
        for one in partial.rises:
            merchant = f"{one.platform_id}\n{one.merchant_pid}"
            mine = self._levels.sessions.explained(one)
            spared[merchant] = spared.get(merchant, True) and mine
        return {merchant for merchant, all_of_them in spared.items() if all_of_them}

    def close_minute(
        self,
        minute: int,
        counts: Mapping[str, MinuteCounts],
        mix: Ints,
        heard: set[str],
        now_ms: int,
    ) -> list[FlagEvent]:
        """Take in a closed minute. `mix`: orders [platform, category]."""
        self._count_offences(minute, counts["merchant"])
        self._repeats.waived = self._waived()
        flags = []
        for level, board in self.boards():
            columns = self.columns(level, counts, mix)
            live = np.array([key is not None for key in level.index.keys], bool)
            group = level.monitor.group[: level.index.size].astype(np.int64)
            known = level.known(heard)
            events = board.close_minute(minute, columns, known, live, group)
            flags += self._flags(level, events, now_ms)
        self.note(flags)
        return flags

    def columns(
        self, level: Level, counts: Mapping[str, MinuteCounts], mix: Ints
    ) -> dict[str, npt.NDArray[Any]]:
        """What a board is fed with."""
        sums: dict[str, npt.NDArray[Any]] = dict(counts[level.kind].sums)
        return sums | {"mix": mix} if level.kind == "platform" else sums

    def _count_offences(self, minute: int, merchants: MinuteCounts) -> None:
        for merchant, _ in self.offences.take(minute):
            platform, _, pid = merchant.partition("\n")
            slot = self._levels.merchant.index.slots.get((platform, pid))
            if slot is not None:
                merchants.add(np.array([slot]), {"offences": np.ones(1, np.int64)})

    def _waived(self) -> dict[tuple[int, int], int]:
        """(day, slot) -> incidents that were overturned."""
        out: dict[tuple[int, int], int] = {}
        for one in self.overturned:
            slot = self._levels.merchant.index.slots.get((one.platform_id, one.merchant))
            if slot is not None:
                out[one.day, slot] = out.get((one.day, slot), 0) + 1
        return out

    def end_merchants(self, slots: Ints, minute: int, now_ms: int) -> list[FlagEvent]:
        """The series of these merchants are over; the flags that end with them."""
        for slot in slots.tolist():
            key = self._levels.merchant.index.keys[slot]
            if key is not None:
                self.offences.forget("\n".join(key))
        events = self.merchants.end(slots, minute)
        return self._flags(self._levels.merchant, events, now_ms)

    def _flags(self, level: Level, events: list[RuleEvent], now_ms: int) -> list[FlagEvent]:
        return [rule_flag(e, level.entity(e.slot), now_ms) for e in events]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As of the last closed bin, for a checkpoint."""
        return {
            f"rules.{level.kind}:{name}": values
            for level, board in self.boards()
            for name, values in board.to_arrays().items()
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `to_arrays` gave, from among others."""
        for level, board in self.boards():
            start = f"rules.{level.kind}:"
            board.restore({k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)})

    def to_json(self) -> dict[str, Any]:
        """Episodes and offences, for a checkpoint."""
        books = {level.kind: board.to_json() for level, board in self.boards()}
        return {"books": books, "offences": self.offences.to_json()}

    def restore_books(self, data: Mapping[str, Any] | None) -> None:
        """Take what `to_json` gave; None is a checkpoint from before."""
        if data is None:
            return
        self.offences.restore(data["offences"])
        for level, board in self.boards():
            board.restore_books(data["books"].get(level.kind))
