"""The live sessions: who is on air, since when and until when, in arrays by slot."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from producers.arrays import F32, F64, I32, I64
from producers.simulate import calendar
from producers.simulate.city import City
from producers.simulate.config import SimConfig
from producers.simulate.ids import ID_TYPE, Ids, random_ids
from schemas.sharding import shard_of

# DOMAIN section 3: duration median 3 h, p90 8 h, some 24 h rooms.
MEDIAN_HOURS = 3.0
SIGMA_HOURS = float(np.log(8 / 3) / 1.2815516)
SHARE_24H = 0.01
_SHORTEST_H, _LONGEST_H = 1 / 12, 24.0


@dataclass
class Slots:
    """One entry per slot; a slot is used again after its session has ended. Times: event ms."""

    session_id: Ids
    start: I64
    end: I64
    last: I64  # its last sample
    last_orders: I64  # its last orders row
    offset: I64  # ms within its tick at which it is sampled
    key: I32  # platform number * partitions + partition
    streamer: I32
    merchant: I32
    peak: F32  # viewers
    conversion: F32  # orders per unique viewer
    unique: F64  # unique viewers so far
    drift: F32  # slow noise of log viewers, in standard deviations
    to_refund: F32  # orders whose buyers may still refund
    to_complain: F32  # orders whose buyers may still complain

    @classmethod
    def empty(cls, size: int) -> Slots:
        i64, i32, f32 = np.int64, np.int32, np.float32
        kinds = [ID_TYPE, i64, i64, i64, i64, i64, i32, i32, i32]
        kinds += [f32, f32, np.float64, f32, f32, f32]
        return cls(*(np.zeros(size, kind) for kind in kinds))

    def grow(self, size: int) -> None:
        for field in fields(self):
            old = getattr(self, field.name)
            new = np.zeros(size, old.dtype)
            new[: len(old)] = old
            setattr(self, field.name, new)


class Sessions:
    """Sessions that come and go; the caller decides when ended ones are let go."""

    def __init__(self, city: City, config: SimConfig, rng: np.random.Generator) -> None:
        self._city, self._config, self._rng = city, config, rng
        self.slots = Slots.empty(config.sessions + 64)
        self._free = np.arange(len(self.slots.start))[::-1].astype(np.int64)
        self._idle = rng.permutation(len(city.streamer_merchant)).astype(np.int64)
        lasting = np.sort(hours(rng, 200_000))
        self._survival = 1 - np.searchsorted(lasting, np.arange(0, 24, 0.25)) / len(lasting)
        level = calendar.concurrency(config.start_ms, self._survival)
        self._per_ms = config.sessions / level / (lasting.mean() * calendar.HOUR_MS)

    def audience(self, event_ms: int) -> float:
        """Factor on a session's viewers, so that viewers in total follow the hour weights."""
        level = calendar.concurrency(event_ms, self._survival)
        return float(calendar.demand(event_ms)) / level * calendar.festival_factor(event_ms)

    def initial(self, now_ms: int) -> I64:
        """The sessions on air at the start: arrivals of the day before that have not ended."""
        count, rng = self._config.sessions, self._rng
        starts, ends = np.empty(0), np.empty(0)
        while len(starts) < count:
            age = rng.random(8 * count + 100) * 24 * calendar.HOUR_MS
            lasting = hours(rng, len(age)) * calendar.HOUR_MS
            weight = calendar.demand(now_ms - age)
            keep = (lasting > age) & (rng.random(len(age)) * 2.5 < weight)
            starts = np.append(starts, (now_ms - age)[keep])
            ends = np.append(ends, (now_ms - age + lasting)[keep])
        return self._open(starts[:count].astype(np.int64), ends[:count].astype(np.int64))

    def arrivals(self, from_ms: int, until_ms: int) -> I64:
        """Slots of the sessions that start within [from_ms, until_ms)."""
        length = until_ms - from_ms
        mean = self._per_ms * float(calendar.demand(from_ms)) * length
        count = min(int(self._rng.poisson(mean)), len(self._idle))
        starts = from_ms + (self._rng.random(count) * length).astype(np.int64)
        lasting = (hours(self._rng, count) * calendar.HOUR_MS).astype(np.int64)
        return self._open(starts, starts + lasting)

    def release(self, slots: I64) -> None:
        """Let ended sessions go: their slots and their streamers are free again."""
        if len(slots):
            self._free = np.append(self._free, slots)
            self._idle = np.append(self._idle, self.slots.streamer[slots])

    def _open(self, starts: I64, ends: I64) -> I64:
        count, rng, city, s = len(starts), self._rng, self._city, self.slots
        if not count:
            return np.empty(0, np.int64)
        self._make_room(count)
        at, self._free = self._free[-count:].copy(), self._free[:-count]
        streamer, self._idle = self._idle[:count], self._idle[count:]
        merchant = city.streamer_merchant[streamer]
        ids = random_ids(rng, count)
        shard = shard_of(ids.tolist(), self._config.partitions)
        s.session_id[at], s.start[at], s.end[at] = ids, starts, ends
        s.last[at] = s.last_orders[at] = starts
        s.offset[at] = rng.integers(0, self._config.tick_ms, count)
        s.key[at] = city.merchant_platform[merchant] * self._config.partitions + shard
        s.streamer[at], s.merchant[at] = streamer, merchant
        s.peak[at] = city.streamer_peak[streamer] * rng.lognormal(0, 0.2, count)
        s.conversion[at] = conversion(rng, s.peak[at])
        s.drift[at] = rng.standard_normal(count)
        s.unique[at] = s.to_refund[at] = s.to_complain[at] = 0
        return at

    def _make_room(self, count: int) -> None:
        size = len(self.slots.start)
        if len(self._free) < count:
            new = size + max(count, size // 4)
            self.slots.grow(new)
            self._free = np.append(np.arange(size, new)[::-1], self._free)


def hours(rng: np.random.Generator, count: int) -> F64:
    """Durations of sessions in hours."""
    lasting = np.clip(rng.lognormal(np.log(MEDIAN_HOURS), SIGMA_HOURS, count), _SHORTEST_H, 24)
    return np.asarray(np.where(rng.random(count) < SHARE_24H, _LONGEST_H, lasting), np.float64)


def conversion(rng: np.random.Generator, peak: F32) -> F32:
    """Orders per unique viewer, 0.5 to 5%: small rooms sell to regulars, big ones to passers-by."""
    share = 0.05 * (np.maximum(peak, 10) / 10) ** -0.25 * rng.lognormal(0, 0.3, len(peak))
    return np.clip(share, 0.005, 0.05).astype(np.float32)
