"""What is injected, and the ground truth that says so before the run starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from producers.arrays import I64
from producers.errors import UsageError
from producers.simulate.city import City
from producers.simulate.sessions import Slots

HOUR_MS = 3_600_000
#: Kinds after the flags of the domain that they should raise.
KINDS = (
    "F01", "F02", "F03", "F04", "F05", "F06", "F07", "F08", "F09", "F10", "F11", "F12",
)  # fmt: skip
ENTITY_TYPES = ("session", "merchant", "category", "platform", "source")


@dataclass(frozen=True)
class Anomaly:
    """One injected anomaly: a line of the ground truth. Times are event ms.

    `entity_id` is the pseudonym, the category code, the platform id or the source id; a
    category is that of one platform. `factor` is on the rate that the kind is about.
    `excess` complaints are added over the whole window on average, `expected_excess` of
    them within one hour from the start; `expected_baseline` would come in the window
    without it. `mode` is gap or frozen, for F11 only. F12 hits nothing by itself: the anomalies
    of its merchant that come after it are what is repeated.
    """

    id: str
    kind: str
    entity_type: str
    entity_id: str
    platform: str
    category: str | None
    district: str | None
    merchant_pid: str | None
    start_ms: int
    end_ms: int
    factor: float
    excess: float = 0.0
    expected_excess: float = 0.0
    expected_baseline: float = 0.0
    code: str | None = None
    mode: str | None = None

    def active(self, event_ms: int) -> bool:
        return self.start_ms <= event_ms < self.end_ms


@dataclass(frozen=True)
class Target:
    """Which sessions an anomaly hits, as numbers: the first field that is set decides."""

    slot: int | None = None
    merchant: int | None = None
    category: int | None = None
    platform: int | None = None

    def match(self, city: City, s: Slots, slots: I64) -> npt.NDArray[np.bool_]:
        """Mask over `slots`."""
        if self.slot is not None:
            return np.asarray(slots == self.slot)
        merchant = s.merchant[slots]
        if self.merchant is not None:
            return np.asarray(merchant == self.merchant)
        on_platform = city.merchant_platform[merchant] == self.platform
        if self.category is not None:
            return np.asarray(on_platform & (city.merchant_category[merchant] == self.category))
        return np.asarray(on_platform)


@dataclass(frozen=True)
class Injection:
    """An anomaly together with the sessions that it hits."""

    anomaly: Anomaly
    target: Target


def write_truth(path: Path, anomalies: Iterable[Anomaly]) -> None:
    """Write the ground truth, one JSON line per anomaly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(a), ensure_ascii=False) + "\n" for a in anomalies]
    path.write_text("".join(lines), "utf-8")


def read_truth(path: Path) -> Iterator[Anomaly]:
    """Read a ground truth back. Raises UsageError naming the line that is not one."""
    names = {f.name for f in fields(Anomaly)}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            raw = json.loads(line)
            yield Anomaly(**{k: v for k, v in raw.items() if k in names})
        except (ValueError, TypeError, AttributeError):
            raise UsageError(f"{path}: line {number} is not an anomaly") from None
