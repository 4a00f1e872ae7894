"""Open F01 episodes of sessions, as the partials tell of them."""

from __future__ import annotations

import numpy as np

from pipelines.core.detect.window import closed_window
from pipelines.core.fold.state import FoldState
from pipelines.core.partials import Rise


def open_rises(state: FoldState) -> list[Rise]:
    """All that are open, with their last closed hour: a message is the whole of what is known."""
    book, spikes = state.monitor.detector.book.open, state.monitor.detector.state
    slots = sorted(book)
    if not slots:
        return []
    window = closed_window(spikes, np.array(slots), state.monitor.policy)
    out = []
    for i, slot in enumerate(slots):
        session, episode = state.sessions.dims[slot], book[slot]
        figures = (window.expected[i], window.exposure[i], spikes.score[slot])
        if session is not None and np.isfinite(figures).all():  # JSON has no word for others
            out.append(
                Rise(
                    session.platform_id, session.session_id, session.merchant_pid,
                    session.category, session.district, episode.onset_ms,
                    episode.grade.name.lower(), float(window.observed[i]),
                    float(window.expected[i]), float(window.exposure[i]), int(window.known[i]),
                    float(spikes.score[slot]),
                )
            )  # fmt: skip
    return out
