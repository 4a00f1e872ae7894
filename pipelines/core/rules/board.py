"""The rules of one level of series: minutes in, bins to the detectors, transitions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.metrics import MINUTE_MS

from . import dossier
from .episodes import Book, Change, RuleEvent
from .protocol import BIN_MS, CEILING, Bin, Bools, Detector, Ints, Scores

MINUTES = BIN_MS // MINUTE_MS
Columns = Mapping[str, npt.NDArray[Any]]
LARGE = frozenset({"viewer_milliminutes"})
"""Columns whose sum of a bin can need more than 32 bits; what counts things does not."""


class RuleBoard:
    """Detectors over the same series, which others number: a slot, its group, and who is live.

    The arrays are as of the last closed bin; the minutes since are counted in anew after a
    restart. `through` goes with the books: a bin that closes again after a restart decides nothing
    twice.
    """

    def __init__(self, detectors: Sequence[Detector], columns: Sequence[str]) -> None:
        self.detectors = tuple(detectors)
        self.books = {one.rule.id: Book() for one in self.detectors}
        self.through = -1
        self._names = tuple(columns)
        self._sums: dict[str, npt.NDArray[Any]] = {}
        self._known = np.zeros(0, bool)
        self._bin: int | None = None

    def grow(self, n: int) -> None:
        """Make room for at least `n` series."""
        extra = n - len(self._known)
        if extra > 0:
            self._known = np.pad(self._known, (0, extra))
            for name, sums in self._sums.items():
                self._sums[name] = np.pad(sums, [(0, extra), *[(0, 0)] * (sums.ndim - 1)])
            for one in self.detectors:
                one.grow(n)

    def add_minute(self, minute: int, columns: Columns, known: Bools) -> None:
        """Count a closed minute to its bin without closing the bin (restoring does just that)."""
        n = len(known)
        self.grow(n)
        self._bin = minute // MINUTES
        self._known[:n] |= known
        for name in self._names:
            new = columns.get(name)
            if new is None:
                continue
            if name not in self._sums:
                kind = np.int64 if name in LARGE else np.int32
                self._sums[name] = np.zeros((len(self._known), *new.shape[1:]), kind)
            sums = self._sums[name][: len(new)]
            most = int(CEILING) if name in LARGE else np.iinfo(np.int32).max // MINUTES
            np.add(sums, np.minimum(new, most), out=sums, casting="unsafe")

    @property
    def nbytes(self) -> int:
        """Of all arrays that grow with the series."""
        kept = [*self.to_arrays().values(), *self._sums.values(), self._known]
        return sum(values.nbytes for values in kept)

    def close_minute(
        self, minute: int, columns: Columns, known: Bools, live: Bools, group: Ints
    ) -> list[RuleEvent]:
        """Take in a closed minute; transitions of the bins that it ends."""
        events = []
        if self._bin is not None and self._bin < minute // MINUTES:
            events += self._close_bin(self._bin, live, group)
        self.add_minute(minute, columns, known)
        if (minute + 1) % MINUTES == 0:
            events += self._close_bin(minute // MINUTES, live, group)
        return events

    def end(self, slots: Ints, minute: int) -> list[RuleEvent]:
        """The series at these slots are over as of `minute`; others may stand there later."""
        bin_, some = minute // MINUTES, slots[slots < len(self._known)]
        events = []
        for one in self.detectors:
            one.grow(len(self._known))
            one.reset(some)
            events += self.books[one.rule.id].end(one.rule, bin_, slots.tolist())
        self._known[some] = False
        for sums in self._sums.values():
            sums[some[some < len(sums)]] = 0
        return events

    def _close_bin(self, number: int, live: Bools, group: Ints) -> list[RuleEvent]:
        n = len(self._known)
        some, groups = np.zeros(n, bool), np.zeros(n, np.int64)
        some[: len(live)], groups[: len(group)] = live[:n], group[:n]
        bin_ = Bin(number, self._sums, self._known & some, some, groups)
        events: list[RuleEvent] = []
        for one in self.detectors:
            book = self.books[one.rule.id]
            scores = one.observe(bin_, book.frozen(n))
            if number > self.through:
                events += _with_evidence(one, book.advance(one.rule, number, scores), scores)
        self.through = max(self.through, number)
        for sums in self._sums.values():
            sums[:] = 0
        self._known[:] = False
        self._bin = None
        return events

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For a checkpoint, as of the last closed bin."""
        return {
            f"{one.rule.id}.{name}": values
            for one in self.detectors
            for name, values in one.to_arrays().items()
        }

    def restore(self, arrays: Columns) -> None:
        """Take what `to_arrays` gave; rules that it knows nothing of begin afresh."""
        for one in self.detectors:
            start = f"{one.rule.id}."
            mine = {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}
            if mine:
                one.restore(mine)

    def to_json(self) -> dict[str, Any]:
        """Episodes, for a checkpoint."""
        books = {rule: book.to_json() for rule, book in self.books.items()}
        return {"through": self.through, "books": books}

    def restore_books(self, data: Mapping[str, Any] | None) -> None:
        """Take what `to_json` gave; None is a checkpoint from before."""
        if data is None:
            return
        self.through = data["through"]
        for rule, book in data["books"].items():
            if rule in self.books:
                self.books[rule] = Book.from_json(book)


def _with_evidence(one: Detector, events: list[RuleEvent], scores: Scores) -> list[RuleEvent]:
    """What raises a flag with what it rests on; before the sums of the bin are gone."""
    inputs = scores.inputs
    if inputs is None:
        return events
    return [
        replace(e, evidence=dossier.write(one, inputs(e.slot)))
        if e.change in (Change.OPENED, Change.ESCALATED)
        else e
        for e in events
    ]
