"""What the running anomalies do to what sessions report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from producers.arrays import F32, I64
from producers.simulate.anomalies import Anomaly, Injection
from producers.simulate.city import City
from producers.simulate.sessions import Sessions


class Effects:
    """Factors per slot, made anew whenever an anomaly begins or ends.

    Complaints are not here: they are added by `complaints.py`.
    """

    def __init__(self, city: City, sessions: Sessions, injections: Sequence[Injection]) -> None:
        self._city, self._sessions = city, sessions
        self._plan = [i for i in injections if i.anomaly.kind in _SETTERS]
        self._running: list[Injection] = []
        self._last: npt.NDArray[np.int64] = np.zeros((3, 0), np.int64)
        self._resize()

    def update(self, event_ms: int) -> None:
        """Bring the factors to `event_ms`; cheap while nothing begins or ends."""
        running = [i for i in self._plan if i.anomaly.active(event_ms)]
        if running != self._running or len(self._viewers) != len(self._sessions.slots.start):
            self._running = running
            self._resize()
            self._apply(np.arange(len(self._viewers)))

    def arrived(self, slots: I64) -> None:
        """New sessions have taken these slots."""
        self.update_size()
        for factors in (self._viewers, self._engagement, self._orders, self._refunds):
            factors[slots] = 1
        self._dark[slots] = self._frozen[slots] = False
        self._apply(slots)

    def update_size(self) -> None:
        if len(self._viewers) != len(self._sessions.slots.start):
            self._resize()
            self._apply(np.arange(len(self._viewers)))

    def viewers(self, slots: I64) -> F32:
        return self._viewers[slots]

    def engagement(self, slots: I64) -> F32:
        return self._engagement[slots]

    def orders(self, slots: I64) -> F32:
        return self._orders[slots]

    def refunds(self, slots: I64) -> F32:
        return self._refunds[slots]

    def shown(self, slots: I64, *values: I64) -> list[I64]:
        """Viewers, clicks and interactions as reported: gone dark, frozen, or as they are."""
        dark, frozen = self._dark[slots], self._frozen[slots]
        result = []
        for kept, value in zip(self._last, values, strict=True):
            shown = np.where(dark, 0, np.where(frozen, kept[slots], value))
            kept[slots] = shown
            result.append(shown)
        return result

    def _resize(self) -> None:
        size = len(self._sessions.slots.start)
        self._viewers, self._engagement = np.ones(size, np.float32), np.ones(size, np.float32)
        self._orders, self._refunds = np.ones(size, np.float32), np.ones(size, np.float32)
        self._dark, self._frozen = np.zeros(size, bool), np.zeros(size, bool)
        kept = np.zeros((3, size), np.int64)
        kept[:, : self._last.shape[1]] = self._last[:, :size]
        self._last = kept

    def _apply(self, slots: I64) -> None:
        for injection in self._running:
            hit = slots[injection.target.match(self._city, self._sessions.slots, slots)]
            _SETTERS[injection.anomaly.kind](self, hit, injection.anomaly)

    def _more_orders(self, hit: I64, anomaly: Anomaly) -> None:
        self._orders[hit] *= anomaly.factor

    def _more_viewers(self, hit: I64, anomaly: Anomaly) -> None:
        self._viewers[hit] *= anomaly.factor

    def _more_refunds(self, hit: I64, anomaly: Anomaly) -> None:
        self._refunds[hit] *= anomaly.factor

    def _no_viewers(self, hit: I64, anomaly: Anomaly) -> None:
        self._dark[hit] = True
        self._orders[hit] *= anomaly.factor

    def _freeze(self, hit: I64, anomaly: Anomaly) -> None:
        if anomaly.mode == "frozen":
            self._frozen[hit] = True


_SETTERS = {
    "F03": Effects._more_orders,
    "F04": Effects._more_viewers,
    "F05": Effects._more_refunds,
    "F06": Effects._more_orders,
    "F07": Effects._no_viewers,
    "F11": Effects._freeze,
}
