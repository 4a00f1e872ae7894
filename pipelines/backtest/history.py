"""A city's history for calibration: bins with the looks that were taken at them while open."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.backtest.read import BinLength, InputError, find, read
from pipelines.core.detect import ExposureState, close_exposure, open_exposure
from pipelines.core.detect.season import NO_SEASON, GroupSeason, Season

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MINUTES = 5
_BIN_MS = 300_000
_LOOKS = 5
_SEED = 15


class Look(NamedTuple):
    """An open bin: complaints so far of the series that have any, exposure of what has passed."""

    slots: Ints
    counts: Floats
    exposure: Floats


@dataclass(frozen=True)
class Bin:
    """One closed bin of all series [n]; NaN is unknown. ``number``: of 5 minutes."""

    number: int
    counts: Floats
    exposure: Floats
    looks: list[Look] = field(default_factory=list)


class Span(NamedTuple):
    """A flag that was upheld: whose, and from which bin to which."""

    series: str
    first: int
    last: int


@dataclass
class History:
    """Series, the group whose prior each has [n], upheld flags, and the bins in order."""

    names: list[str]
    group: Ints
    upheld: list[Span]
    bins: Iterator[Bin]
    count: int
    """How many bins there are."""
    shift: int = 0
    """Number of the bin that began with 1970."""


def from_files(source: Path, upheld: Path | None) -> History:
    """CSV files as for `livewatch backtest --bin 5m`. Raises InputError.

    Within a bin nothing is known, so its complaints are taken to fall evenly (seeded).
    """
    series = [read(path, BinLength.FIVE_MINUTES) for path in find(source)]
    numbers = np.unique(np.concatenate([one.number for one in series])).astype(np.int64)
    counts = np.full((len(numbers), len(series)), np.nan)
    exposure = np.full_like(counts, np.nan)
    for i, one in enumerate(series):
        at = np.searchsorted(numbers, one.number.astype(np.int64))
        usable = one.exposure > 0
        counts[at, i] = np.where(usable, one.counts, np.nan)
        exposure[at, i] = np.where(usable, one.exposure, np.nan)
    names = [one.name for one in series]
    group = np.zeros(len(names), np.int64)
    spans = _upheld(upheld, names) if upheld is not None else []
    bins = _even_bins(numbers, counts, exposure)
    # As `read` numbers times: from a Monday. Small numbers are no times.
    shift = 3 * 288 if numbers[0] > 2_000_000 else 0
    return History(names, group, spans, bins, len(numbers), shift)


def _even_bins(numbers: Ints, counts: Floats, exposure: Floats) -> Iterator[Bin]:
    rng = np.random.default_rng(_SEED)
    for number, c, e in zip(numbers.tolist(), counts, exposure, strict=True):
        left = np.nan_to_num(c).astype(np.int64)
        seen, looks = np.zeros(len(c)), []
        for i in range(1, _LOOKS):
            now = rng.binomial(left, 1.0 / (_LOOKS - i + 1))
            left, seen = left - now, seen + now
            some = np.flatnonzero((seen > 0) & np.isfinite(e))
            looks.append(Look(some, seen[some], e[some] * i / _LOOKS))
        yield Bin(number, c, e, looks)


def _upheld(path: Path, names: list[str]) -> list[Span]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        spans = [Span(row["series"], int(row["first"]), int(row["last"])) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: needs columns series,first,last, with numbers of bins") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    unknown = sorted({span.series for span in spans} - set(names))
    if unknown:
        raise InputError(f"{path}: series {unknown[0]}: is not in the history")
    return spans


_SERIES = """
SELECT platform_id, merchant_pid, any(category) AS category FROM v_indicators_session
WHERE closed = 1 AND minute >= %(first)s AND minute < %(last)s GROUP BY platform_id, merchant_pid
ORDER BY platform_id, merchant_pid"""
_MINUTES = """
SELECT intDiv(toUnixTimestamp(minute), 60) AS m, platform_id, merchant_pid,
    sum(complaints_1m) AS n, sum(orders_1m) AS orders FROM v_indicators_session
WHERE closed = 1 AND minute >= %(first)s AND minute < %(last)s
GROUP BY m, platform_id, merchant_pid HAVING n > 0 OR orders > 0"""
_HEARD = """
SELECT DISTINCT intDiv(toUnixTimestamp(minute), 300) AS b, platform_id FROM v_indicators_session
WHERE closed = 1 AND minute >= %(first)s AND minute < %(last)s AND seen_1m > 0"""
_UPHELD = """
SELECT f.platform_id AS platform_id, f.entity AS entity,
    intDiv(toUnixTimestamp(toDateTime(f.onset)), 300) AS first,
    intDiv(toUnixTimestamp(toDateTime(f.last_event_time)), 300) AS last
FROM v_flags AS f INNER JOIN v_flag_files AS d ON d.flag_id = f.flag_id
WHERE f.rule = 'F01' AND f.entity_type = 'merchant' AND d.decision = 'UPHELD'"""


def from_warehouse(client: Any, first: int, last: int, season: Season = NO_SEASON) -> History:
    """Merchants' closed minutes from bin ``first`` to before ``last``, an hour at a time.

    A bin in which nothing of a merchant's platform was heard is unknown. ``season`` and the
    calendar of events change what is expected as they do in a worker.
    """
    span = {"first": first * 300, "last": last * 300}
    rows = client.execute(_SERIES, span)
    keys = {(platform, merchant): i for i, (platform, merchant, _) in enumerate(rows)}
    groups: dict[str, int] = {}
    group = [groups.setdefault(f"{platform}/{goods}", len(groups)) for platform, _, goods in rows]
    upheld = [
        Span(f"{platform}/{merchant}", begin, end)
        for platform, merchant, begin, end in client.execute(_UPHELD)
    ]
    names = [f"{platform}/{merchant}" for platform, merchant in keys]
    pool = OrderPool(np.array(group, np.int64), GroupSeason(season, lambda: groups))
    bins = _stored_bins(client, keys, first, last, pool)
    return History(names, pool.group, upheld, bins, last - first)


class OrderPool:
    """Orders to be complained about, by merchant [n], and the season of each one's group."""

    def __init__(self, group: Ints, season: GroupSeason) -> None:
        self.group = group
        self._orders = ExposureState.empty(len(group), warm=True)
        self._season = season

    def bin(self, number: int, counts: Floats, orders: Floats, known: npt.NDArray[np.bool_]) -> Bin:
        """The bin with this number, of its minutes' counts and orders [minute, n]; moves on."""
        start = number * _BIN_MS
        factor = np.broadcast_to(self._season.factor(start, self.group), known.shape)
        seen, sold = np.cumsum(counts, axis=0), np.cumsum(orders, axis=0)
        looks = []
        for i in range(MINUTES - 1):
            some = np.flatnonzero((seen[i] > 0) & known)
            mine, share = sold[i][some], (i + 1) / MINUTES
            e = open_exposure(self._orders, some, mine, share, factor=factor[some])
            e = self._season.expected(start, e, mine, factor[some])
            looks.append(Look(some, seen[i][some], e))
        told = np.where(known, sold[-1], np.nan)
        e = close_exposure(self._orders, slice(None), told, factor=factor)
        e = self._season.expected(start, e, told, factor)
        return Bin(number, np.where(known, seen[-1], np.nan), e, looks)


def _stored_bins(
    client: Any, keys: dict[tuple[str, str], int], first: int, last: int, pool: OrderPool
) -> Iterator[Bin]:
    size = len(keys)
    platforms = np.array([platform for platform, _ in keys])
    for start in range(first, last, 12):
        stop = min(start + 12, last)
        span = {"first": start * 300, "last": stop * 300}
        counts, orders = (np.zeros(((stop - start) * MINUTES, size)) for _ in range(2))
        for minute, platform, merchant, n, sold in client.execute(_MINUTES, span):
            at = (minute - start * MINUTES, keys[platform, merchant])
            counts[at], orders[at] = n, sold
        heard: dict[int, set[str]] = {}
        for bin_, platform in client.execute(_HEARD, span):
            heard.setdefault(bin_, set()).add(platform)
        for b in range(start, stop):
            some = slice((b - start) * MINUTES, (b - start + 1) * MINUTES)
            known = np.isin(platforms, list(heard.get(b, ())))
            yield pool.bin(b, counts[some], orders[some], known)
