"""Partial aggregates on `cells.v1`: what one partition adds to the cells of one minute.

A message holds the whole of what its partition knows of that minute, so a later one replaces an
earlier one and repeating it is harmless. `closed` messages are final; a message also says
through which minute its partition is closed, even when it has nothing to add.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from pipelines.core import blob
from pipelines.core.metrics import ADDITIVE_NAMES, WINDOWS, Columns

CELLS_TOPIC = "cells.v1"

CELL_METRICS = (
    *ADDITIVE_NAMES,
    *(f"active_{w}m" for w in WINDOWS),
    *(f"viewers_{w}m" for w in WINDOWS),
)
MERCHANT_METRICS = ("orders", "complaints", "seen", "refunds", "safety", "off_platform")
OFFENCE = "offence."
"""Column of merchants, with the rule behind it: its sessions broke that rule (closed only)."""
PLACE, PLACE_SESSIONS = "place", "place_sessions"
"""Columns of merchants: code of the district of most sessions, 0 is none; and how many are there
(closed only).
"""
NOTHING_CLOSED = -1

CellKey = tuple[str, str, str]
"""(platform, category, district)"""
MerchantKey = tuple[str, str, str]
"""(platform, merchant_pid, category)"""
GroupKey = tuple[str, str, str]
"""(kind, platform, id): streamer with pid/category, mcn with pid, scenario with its tag"""
TallyKey = tuple[str, str, str]
"""(name, platform, category)"""
COHORT = "refunded."
"""Tally of refunds, with the age of their orders in days behind it."""
SpreadKey = tuple[str, str, str]
"""(indicator, platform, category), with the counts of a histogram's buckets"""
WhoseKey = tuple[str, str, str]
"""(platform, session, merchant/streamer/mcn/category/district): whose complaints they are"""


class Rise(NamedTuple):
    """An open F01 episode of a session, for the second stage to say what wider rise explains it."""

    platform_id: str
    session_id: str
    merchant_pid: str
    category: str
    district: str
    onset_ms: int
    grade: str
    observed: float
    expected: float
    exposure: float
    bins: int
    score: float


GROUP_METRICS = ("complaints", "orders", "paid_fen")


class Rows(NamedTuple):
    """Sums [n] by key [n]."""

    keys: list[tuple[str, str, str]]
    values: Columns


@dataclass(frozen=True, slots=True)
class Partial:
    """One message. `version` orders messages of one (partition, minute): the highest counts.

    `progress_ms` is the event time that the partition's complaints have reached,
    `orders_until_ms` that up to which its orders are known, by platform.
    """

    partition: int
    minute: int
    closed: bool
    closed_through: int
    version: int
    progress_ms: int
    cells: Rows
    merchants: Rows
    orders_until_ms: dict[str, int] = field(default_factory=dict)
    groups: Rows = field(default_factory=lambda: Rows([], {}))
    spread: Rows = field(default_factory=lambda: Rows([], {}))
    tallies: Rows = field(default_factory=lambda: Rows([], {}))
    rises: list[Rise] = field(default_factory=list)
    whose: Rows = field(default_factory=lambda: Rows([], {}))


class _Head(msgspec.Struct):
    """What goes before the columns: typed, so that thousands of keys become tuples without Python.

    What has a default is not said by workers of earlier versions.
    """

    partition: int
    minute: int
    closed: bool
    closed_through: int
    version: int
    progress_ms: int
    cells: list[tuple[str, str, str]]
    merchants: list[tuple[str, str, str]]
    orders_until_ms: dict[str, int] = {}
    groups: list[tuple[str, str, str]] = []
    spread: list[tuple[str, str, str]] = []
    tallies: list[tuple[str, str, str]] = []
    rises: list[Rise] = []
    whose: list[tuple[str, str, str]] = []


_HEADS = msgspec.json.Decoder(_Head)


def encode(partial: Partial) -> bytes:
    """Bytes of a message: a JSON head with the keys, then the columns."""
    head = _Head(
        partial.partition,
        partial.minute,
        partial.closed,
        partial.closed_through,
        partial.version,
        partial.progress_ms,
        partial.cells.keys,
        partial.merchants.keys,
        partial.orders_until_ms,
        partial.groups.keys,
        partial.spread.keys,
        partial.tallies.keys,
        partial.rises,
        partial.whose.keys,
    )
    text = msgspec.json.encode(head)
    arrays: dict[str, npt.NDArray[Any]] = {f"c.{k}": v for k, v in partial.cells.values.items()}
    arrays |= {f"m.{k}": v for k, v in partial.merchants.values.items()}
    arrays |= {f"g.{k}": v for k, v in partial.groups.values.items()}
    arrays |= {f"s.{k}": v for k, v in partial.spread.values.items()}
    arrays |= {f"t.{k}": v for k, v in partial.tallies.values.items()}
    arrays |= {f"w.{k}": v for k, v in partial.whose.values.items()}
    return blob.pack(arrays | {"head": np.frombuffer(text, np.uint8)})


def decode(value: bytes) -> Partial:
    """Raises ValueError or KeyError for bytes that `encode` did not make."""
    arrays = blob.unpack(value)
    head = _HEADS.decode(arrays.pop("head").tobytes())

    def rows(prefix: str, keys: list[tuple[str, str, str]]) -> Rows:
        return Rows(keys, {k[2:]: v for k, v in arrays.items() if k.startswith(prefix)})

    return Partial(
        head.partition,
        head.minute,
        head.closed,
        head.closed_through,
        head.version,
        head.progress_ms,
        rows("c.", head.cells),
        rows("m.", head.merchants),
        head.orders_until_ms,
        rows("g.", head.groups),
        rows("s.", head.spread),
        rows("t.", head.tallies),
        head.rises,
        rows("w.", head.whose),
    )
