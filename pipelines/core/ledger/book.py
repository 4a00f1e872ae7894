"""The chain as it stands: its head, the file of each flag, and every identity written so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.core.ledger.entry import GENESIS, Draft, Entry, EntryError, Kind, chained
from pipelines.core.ledger.lifecycle import FlagFile, IllegalMoveError, State, step


class BrokenChainError(Exception):
    """The chain does not hold at `seq`."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"the chain does not hold at entry {seq}: {why}")
        self.seq = seq
        self.why = why


@dataclass
class Book:
    """Grows by `apply` alone. `seq` is the number of the next entry, `head` the last one's hash."""

    seq: int = 0
    head: str = GENESIS
    first: int = 0
    """Number of the oldest entry that is kept; what was before is past its retention."""
    files: dict[str, FlagFile] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    active: dict[str, None] = field(default_factory=dict)
    """Files that are not cleared, in the order in which they were opened."""
    by_rule: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    by_subject: dict[tuple[str, str, str], list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )

    by_parent: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def apply(self, entry: Entry) -> None:
        """Take in the next entry. Raises BrokenChainError, and nothing is changed then."""
        if not self.ids and self.seq == 0 and entry.seq > 0:
            # What is past its retention is gone; what is kept must hold from there on.
            self.seq, self.head, self.first = entry.seq, entry.prev, entry.seq
        reason = fault(entry, self.seq, self.head)
        if reason is None and entry.entry_id in self.ids:
            reason = "an identity that was written before"
        if reason is not None:
            raise BrokenChainError(entry.seq, reason)
        known = self.files.get(entry.flag_id)
        if known is not None or entry.kind is Kind.OPENED or self.first == 0:
            try:
                self._keep(step(known, entry))
            except IllegalMoveError as error:
                raise BrokenChainError(entry.seq, str(error)) from None
        self.ids.add(entry.entry_id)
        self.seq, self.head = entry.seq + 1, entry.hash

    def _keep(self, file: FlagFile) -> None:
        if file.flag_id not in self.files:
            self.by_rule[file.platform_id, file.rule].append(file.flag_id)
            self.by_subject[file.subject].append(file.flag_id)
            self.active[file.flag_id] = None
        before = self.files.get(file.flag_id)
        if file.parent_id and (before is None or before.parent_id != file.parent_id):
            self.by_parent[file.parent_id].append(file.flag_id)
        self.files[file.flag_id] = file
        if file.state is State.CLEARED:
            self.active.pop(file.flag_id, None)

    def next_entries(self, drafts: Iterable[Draft], now_ms: int) -> list[Entry]:
        """The drafts as the next entries, those written already left out. Changes nothing."""
        out: list[Entry] = []
        taken: set[str] = set()
        seq, head = self.seq, self.head
        for draft in drafts:
            if draft.entry_id in self.ids or draft.entry_id in taken:
                continue
            entry = chained(draft, seq, head, now_ms)
            out.append(entry)
            taken.add(draft.entry_id)
            seq, head = seq + 1, entry.hash
        return out

    def subject_of(self, file: FlagFile) -> list[FlagFile]:
        """All files about the same entity."""
        return [self.files[one] for one in self.by_subject.get(file.subject, [])]

    def attached_to(self, flag_id: str) -> list[FlagFile]:
        """All files whose parent this flag is."""
        found = [self.files[one] for one in self.by_parent.get(flag_id, [])]
        return [one for one in found if one.parent_id == flag_id]

    def of_rule(self, platform_id: str, rule: str) -> list[FlagFile]:
        """All files of a platform under one rule."""
        return [self.files[one] for one in self.by_rule.get((platform_id, rule), [])]


def fault(entry: Entry, seq: int, head: str) -> str | None:
    """Why `entry` is not number `seq` after `head`; None where it is."""
    if entry.seq != seq:
        return f"number {seq} was due and number {entry.seq} stands there"
    if entry.prev != head:
        return "it does not follow the entry before"
    try:
        right = entry.expected_hash()
    except EntryError as error:
        return str(error)
    return None if entry.hash == right else "its content does not have its hash"
