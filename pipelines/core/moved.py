"""After a change of the number of partitions: sessions that belong to another one by now."""

from __future__ import annotations

from pipelines.core.flags import FlagEvent
from pipelines.core.fold.checkpoint import Entries, without
from pipelines.core.fold.close import forget
from pipelines.core.fold.state import FoldState
from pipelines.core.metrics import MINUTE_MS


def drop_moved(state: FoldState, entries: Entries) -> tuple[list[FlagEvent], Entries]:
    """Drop sessions that hash elsewhere from a state just restored from `entries`.

    Returns the flags that end with them, and the entries to write again.
    """
    gone = state.sessions.foreign()
    if not len(gone) or state.closed_through is None:
        return [], {}
    flags = forget(state, gone, state.closed_through, (state.closed_through + 1) * MINUTE_MS)
    return flags, without(entries, gone)
