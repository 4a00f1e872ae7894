"""What the running anomalies do to what sessions report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from producers.arrays import F32, I64
from producers.simulate.anomalies import Anomaly, Injection
from producers.simulate.city import City
from producers.simulate.sessions import Sessions

_HEX_LETTER = ord("a")


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
        for factors in (
            self._viewers, self._engagement, self._orders, self._refunds, self._reviews,
        ):  # fmt: skip
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

    def reviewed(self, slots: I64) -> npt.NDArray[np.bool_]:
        """Which sessions are reviewed as usual: a share of them, the same ones all along."""
        ids = np.ascontiguousarray(self._sessions.slots.session_id[slots])
        # the last two hex digits of a random id: uniform, and no random number is drawn for it
        digits = ids.view(np.uint8).reshape(-1, ids.dtype.itemsize)[:, -2:].astype(np.int64)
        value = np.where(digits >= _HEX_LETTER, digits - _HEX_LETTER + 10, digits - ord("0"))
        share = (16 * value[:, 0] + value[:, 1]) / 256
        return np.asarray(share < self._reviews[slots])

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
        self._reviews = np.ones(size, np.float32)
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

    def _larger_audience(self, hit: I64, anomaly: Anomaly) -> None:
        self._viewers[hit] *= anomaly.factor
        self._engagement[hit] *= anomaly.factor

    def _fewer_reviews(self, hit: I64, anomaly: Anomaly) -> None:
        self._reviews[hit] *= anomaly.factor

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
    "F09": Effects._fewer_reviews,
    "F10": Effects._larger_audience,
    "F11": Effects._freeze,
}
