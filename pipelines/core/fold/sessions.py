"""The sessions of one partition: where each stands in the arrays, and what it belongs to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.columns import Coded, TableColumns
from pipelines.core.index import KeyIndex
from schemas import codes
from schemas.sharding import shard_of

Ints = npt.NDArray[np.int64]
CATEGORIES = sorted(codes.CATEGORIES.codes)
DISTRICTS = sorted(codes.DISTRICTS.codes)
_CATEGORY = {c: i for i, c in enumerate(CATEGORIES)}
_DISTRICT = {d: i for i, d in enumerate(DISTRICTS)}
CHUNK = 1024
"""Slots that share a checkpoint entry."""
FOREIGN = -1

DIMENSIONS = ("room_pid", "streamer_pid", "mcn_pid", "merchant_pid", "base_id", "scenario")
ADDED = ("venue_id", "origin_region", "brand_type", "streamer_tier", "streamer_certified")
"""What contract 1.1 brought."""


@dataclass(frozen=True, slots=True)
class Session:
    """Dimensions of a session, as it was first met. Absent ones are empty."""

    platform_id: str
    session_id: str
    room_pid: str
    streamer_pid: str
    mcn_pid: str
    merchant_pid: str
    base_id: str
    scenario: str
    district: str
    category: str
    since: int
    """Minute in which it was first met."""
    venue_id: str = ""
    origin_region: str = ""
    brand_type: str = ""
    streamer_tier: str = ""
    streamer_certified: bool | None = None
    """None is not told."""


class Sessions:
    """Registry session -> slot, with the columns by slot that every row needs."""

    def __init__(self, partition: int, partitions: int) -> None:
        self.shard = (partition, partitions)
        self._index: KeyIndex[tuple[str, str]] = KeyIndex()
        self._by_platform: dict[str, dict[str, int]] = {}
        self.platforms: list[str] = []
        self._of_merchant: Counter[int] = Counter()
        self.merchants: KeyIndex[tuple[str, str, str]] = KeyIndex()
        self.cells: KeyIndex[tuple[str, str, str]] = KeyIndex()
        self.dims: list[Session | None] = []
        self.fresh: list[Session] = []
        self.dirty: set[int] = set()
        self._allocate(CHUNK)

    def _allocate(self, capacity: int) -> None:
        self.id = np.zeros(capacity, "S32")
        self.merchant_pid = np.zeros(capacity, "S32")
        self.platform = np.zeros(capacity, np.int16)
        self.category = np.zeros(capacity, np.int8)
        self.district = np.zeros(capacity, np.int8)
        self.merchant = np.zeros(capacity, np.int32)
        self.cell = np.zeros(capacity, np.int32)
        self.since = np.full(capacity, 2**40, np.int64)
        self.live = np.zeros(capacity, bool)
        self.certified = np.full(capacity, -1, np.int8)
        """Whether the streamer is certified; -1 is not told."""

    @property
    def capacity(self) -> int:
        return len(self.id)

    @property
    def count(self) -> int:
        return len(self._index)

    def slot(self, platform: str, session_id: str) -> int | None:
        """Where a session stands, if it is known."""
        return self._by_platform.get(platform, {}).get(session_id)

    def find(self, rows: pa.RecordBatch, platform: str, minute: int) -> npt.NDArray[np.int64]:
        """Slot of each row; sessions not met before are registered.

        FOREIGN where the session hashes to another partition.
        """
        known = self._by_platform.setdefault(platform, {})
        ids = rows.column("session_id").to_pylist()
        slots = np.fromiter(map(known.get, ids, repeat(-2)), np.int64, len(ids))
        strange = np.flatnonzero(slots == -2)
        if len(strange):
            self._meet(rows, platform, minute, strange, ids, slots)
        return slots

    def _meet(
        self,
        rows: pa.RecordBatch,
        platform: str,
        minute: int,
        strange: Ints,
        ids: list[str],
        slots: Ints,
    ) -> None:
        shards = shard_of([ids[i].encode() for i in strange.tolist()], self.shard[1])
        known = self._by_platform[platform]
        foreign = shards != self.shard[0]
        slots[strange[foreign]] = FOREIGN
        mine = strange[~foreign]
        names = ["district", "category", *DIMENSIONS, *ADDED]
        dims = rows.select(names).take(pa.array(mine)).to_pylist()
        for row, dim in zip(mine.tolist(), dims, strict=True):
            session_id = ids[row]
            if session_id not in known:
                certified = dim.pop("streamer_certified")
                texts = {k: v or "" for k, v in dim.items()}
                session = Session(
                    platform_id=platform,
                    session_id=session_id,
                    since=minute,
                    streamer_certified=certified,
                    **texts,
                )
                self._place(self._index.add((platform, session_id)), session)
                self.fresh.append(session)
            slots[row] = known[session_id]

    def _place(self, slot: int, session: Session) -> None:
        if slot >= self.capacity:
            self._grow(max(slot + 1, self.capacity * 2))
        while len(self.dims) <= slot:
            self.dims.append(None)
        if session.platform_id not in self.platforms:
            self.platforms.append(session.platform_id)
        platform, merchant = session.platform_id, session.merchant_pid
        self.dims[slot] = session
        self._by_platform.setdefault(platform, {})[session.session_id] = slot
        self.id[slot] = session.session_id.encode()
        self.merchant_pid[slot] = merchant.encode()
        self.platform[slot] = self.platforms.index(platform)
        self.category[slot] = _CATEGORY[session.category]
        self.district[slot] = _DISTRICT[session.district]
        self.merchant[slot] = self.merchants.add((platform, merchant, session.category))
        self._of_merchant[int(self.merchant[slot])] += 1
        self.cell[slot] = self.cells.add((platform, session.category, session.district))
        self.since[slot] = session.since
        self.live[slot] = True
        told = session.streamer_certified
        self.certified[slot] = -1 if told is None else int(told)
        self.dirty.add(slot // CHUNK)

    def _grow(self, capacity: int) -> None:
        old = {k: v for k, v in vars(self).items() if isinstance(v, np.ndarray)}
        self._allocate(capacity)
        for name, values in old.items():
            getattr(self, name)[: len(values)] = values

    def foreign(self) -> Ints:
        """Slots of sessions that hash to another partition."""
        slots = np.flatnonzero(self.live)
        shards = shard_of(self.id[slots].tolist(), self.shard[1])
        elsewhere: Ints = slots[shards != self.shard[0]]
        return elsewhere

    def forget(self, slots: Ints) -> None:
        """Sessions that ended long ago give their slots back."""
        for slot in slots.tolist():
            session = self.dims[slot]
            if session is None:
                continue
            self._index.free(slot)
            self._leave_merchant(int(self.merchant[slot]))
            del self._by_platform[session.platform_id][session.session_id]
            self.dims[slot] = None
            self.live[slot] = False
            self.dirty.add(slot // CHUNK)

    def _leave_merchant(self, merchant: int) -> None:
        """A merchant none of whose sessions is known gives its slot back, too."""
        self._of_merchant[merchant] -= 1
        if not self._of_merchant[merchant]:
            del self._of_merchant[merchant]
            self.merchants.free(merchant)

    def row_columns(self, slots: Ints) -> TableColumns:
        """The columns that a sample's row takes from its session."""
        return {
            "platform_id": Coded(self.platform[slots], self.platforms),
            "category": Coded(self.category[slots], CATEGORIES),
            "district": Coded(self.district[slots], DISTRICTS),
            "session_id": self.id[slots],
            "merchant_pid": self.merchant_pid[slots],
        }

    def chunk(self, number: int) -> list[list[Any]]:
        """The sessions of a chunk of slots, as plain lists for the checkpoint."""
        start = number * CHUNK
        some = enumerate(self.dims[start : start + CHUNK], start)
        names = Session.__slots__
        return [[slot, *(getattr(s, n) for n in names)] for slot, s in some if s is not None]

    def restore(self, chunks: list[list[list[Any]]]) -> None:
        """Take what `chunk` gave."""
        for rows in chunks:
            for slot, *values in rows:
                session = Session(*values)
                self._index.restore(slot, (session.platform_id, session.session_id))
                self._place(slot, session)
        self._index.close_gaps()
        self.dirty.clear()
