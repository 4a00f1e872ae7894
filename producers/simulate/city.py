"""The population: platforms, merchants, streamers, agencies and bases, with fixed weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from producers.arrays import F32, I32
from producers.simulate.ids import Ids, random_ids, to_arrow
from schemas.telemetry import ARROW, SampleType

PLATFORM_TYPES = ("general", "life_services", "industrial", "agricultural")


@dataclass(frozen=True)
class Category:
    """One category of goods and how its buyers behave.

    `share` of sessions; `value` times the median order value; `refunds` share of orders;
    `complaints` per 10,000 orders (platform channel); DOMAIN section 3 has the ranges.
    """

    code: str
    share: float
    value: float
    refunds: float
    complaints: float


CATEGORIES = (
    Category("food", 0.16, 0.7, 0.12, 7.0),
    Category("apparel", 0.24, 1.2, 0.68, 10.0),
    Category("household", 0.12, 0.8, 0.22, 6.0),
    Category("appliances_electronics", 0.06, 6.0, 0.25, 13.0),
    Category("cosmetics", 0.13, 1.5, 0.28, 9.0),
    Category("jewellery", 0.05, 8.0, 0.55, 18.0),
    Category("health_products", 0.04, 2.0, 0.20, 22.0),
    Category("maternal_child", 0.06, 1.1, 0.30, 7.0),
    Category("transport", 0.02, 3.0, 0.18, 12.0),
    Category("agricultural", 0.05, 0.5, 0.10, 5.0),
    Category("life_services", 0.05, 1.3, 0.25, 8.0),
    Category("other", 0.02, 1.0, 0.30, 10.0),
)
_DISTRICTS = {
    "310115": 0.20, "310112": 0.12, "310110": 0.10, "310104": 0.08, "310105": 0.07,
    "310117": 0.07, "310118": 0.06, "310114": 0.06, "310106": 0.05, "310107": 0.05,
    "310109": 0.04, "310101": 0.04, "310113": 0.03, "310120": 0.02, "310116": 0.005,
    "310151": 0.005,
}  # fmt: skip
_SCENARIOS = {
    "poverty_relief": 0.02, "exhibition": 0.01, "cross_border_import": 0.03,
    "cross_border_export": 0.01, "first_launch": 0.01, "night_market": 0.02, "night_food": 0.02,
}  # fmt: skip

# Of merchants: kinds of brands; of the goods of some categories: where they come from.
_BRANDS = {"time_honoured": 0.03, "emerging": 0.08, "flagship": 0.04}
_BRANDED = sum(_BRANDS.values())
_REGIONS = ("310000", "330000", "320000", "440000", "370000", "530000", "650000", "510000")
_ORIGIN_TOLD = ("food", "agricultural")
_VENUES = {
    "310101": "nanjing-road", "310104": "xujiahui", "310105": "zhongshan-park",
    "310106": "jingan-temple", "310107": "zhenru", "310109": "north-bund",
    "310110": "wujiaochang", "310115": "lujiazui",
}  # fmt: skip
AT_VENUE, CERTIFIED = 0.1, 0.7
# Who draws more viewers than this has a certificate: without one nobody is made large.
CERTIFIED_PEAK = 1_000.0
_TIERS = ("head", "mid", "tail", "newcomer")

# DOMAIN section 3: lognormal with median 50 and p90 800, a Pareto tail from p99 on.
MEDIAN_PEAK = 50.0
SIGMA_PEAK = np.log(16.0) / 1.2815516
P99_PEAK = MEDIAN_PEAK * np.exp(2.3263479 * SIGMA_PEAK)
TAIL_ALPHA, MAX_PEAK = 1.2, 1_000_000.0
MEDIAN_ORDER_FEN = 9_000
COMPLAINT_LOG_SD = 0.5


@dataclass(frozen=True)
class City:
    """Who there is. Merchant and streamer arrays are indexed by their numbers.

    `streamers` holds the dimension columns of every streamer's sessions except the
    session id, so that a row's dimensions are one gather.
    """

    platforms: tuple[str, ...]
    merchant_pid: Ids
    merchant_platform: I32
    merchant_category: I32
    complaint_rate: F32  # complaints per order
    dispersion: F32  # variance over mean of complaint counts
    order_fen: F32  # mean order value
    streamer_merchant: I32
    streamer_peak: F32
    streamers: pa.RecordBatch

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(c.code for c in CATEGORIES)


def platform_ids(count: int) -> tuple[str, ...]:
    return tuple(f"p{i:02d}" for i in range(1, count + 1))


def build_city(rng: np.random.Generator, sessions: int, platforms: int) -> City:
    """A city for about `sessions` live sessions: 20,000 merchants for 50,000 of them."""
    merchants, streamers = max(3 * platforms, int(0.4 * sessions)), max(20, int(1.5 * sessions))
    share = 1.0 / np.arange(1, platforms + 1)
    platform = _pick(rng, share, merchants)
    platform[:platforms] = np.arange(platforms)
    category = _pick(rng, np.array([c.share for c in CATEGORIES]), merchants)
    merchant_of = _pick(rng, rng.lognormal(0, 1.0, merchants), streamers)
    rate = np.array([c.complaints for c in CATEGORIES])[category] / 10_000
    # the mean, not the median, is the category's rate
    spread = rng.lognormal(-(COMPLAINT_LOG_SD**2) / 2, COMPLAINT_LOG_SD, merchants)
    value = np.array([c.value for c in CATEGORIES])[category]
    district = _pick(rng, np.array(list(_DISTRICTS.values())), merchants)
    merchant_pid = random_ids(rng, merchants)
    dispersion = rng.uniform(1.15, 2.2, merchants).astype(np.float32)
    order_fen = (MEDIAN_ORDER_FEN * value * rng.lognormal(0, 0.5, merchants)).astype(np.float32)
    peak = peak_viewers(rng, streamers)
    known = _dimensions(rng, merchant_pid, merchant_of, category, district)
    more = _more_dimensions(rng, merchant_of, category, district, peak)
    return City(
        platform_ids(platforms),
        merchant_pid,
        platform,
        category,
        (rate * spread).astype(np.float32),
        dispersion,
        order_fen,
        merchant_of,
        peak,
        _joined(known, more),
    )


def peak_viewers(rng: np.random.Generator, count: int) -> F32:
    """Peak viewers of `count` streamers: lognormal body, Pareto tail beyond its p99."""
    peak = rng.lognormal(np.log(MEDIAN_PEAK), SIGMA_PEAK, count)
    tail = np.flatnonzero(peak > P99_PEAK)
    mass = 1 - (P99_PEAK / MAX_PEAK) ** TAIL_ALPHA
    peak[tail] = P99_PEAK * (1 - mass * rng.random(len(tail))) ** (-1 / TAIL_ALPHA)
    return np.maximum(peak, 1.0).astype(np.float32)


def _dimensions(
    rng: np.random.Generator, merchant_pid: Ids, merchant_of: I32, category: I32, district: I32
) -> pa.RecordBatch:
    """Columns room_pid to streamer_tier of the contract, one row per streamer."""
    count = len(merchant_of)
    schema = ARROW[SampleType.VIEWERS]
    mcns = random_ids(rng, max(3, count // 150))
    mcn = pa.array(_pick(rng, 1.0 / np.arange(1, len(mcns) + 1), count), pa.int32())
    has_mcn = rng.random(count) < 0.6
    where = district[merchant_of]
    base = where * 2 + rng.integers(0, 2, count)
    in_base = (rng.random(count) < 0.4) & (base < len(_BASES))
    scenario = _pick(rng, np.array([*_SCENARIOS.values()]), count)
    columns = {
        "room_pid": to_arrow(random_ids(rng, count)),
        "streamer_pid": to_arrow(random_ids(rng, count)),
        "mcn_pid": to_arrow(mcns).take(pa.compute.if_else(pa.array(has_mcn), mcn, None)),
        "merchant_pid": to_arrow(merchant_pid[merchant_of]),
        "base_id": _coded(np.where(in_base, base, 0), _BASES, in_base),
        "district": _coded(where, tuple(_DISTRICTS)),
        "category": _coded(category[merchant_of], tuple(c.code for c in CATEGORIES)),
        "scenario": _coded(scenario, tuple(_SCENARIOS), rng.random(count) < 0.12),
    }
    fields = [schema.field(name) for name in columns]
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _more_dimensions(
    rng: np.random.Generator, merchant_of: I32, category: I32, district: I32, peak: F32
) -> dict[str, pa.Array]:
    """Columns venue_id to streamer_tier (contract 1.1), one row per streamer."""
    count, merchants = len(merchant_of), len(category)
    where = district[merchant_of]
    venue = np.array([list(_VENUES).index(d) if d in _VENUES else -1 for d in _DISTRICTS])[where]
    told = np.isin(category, [_CODES.index(c) for c in _ORIGIN_TOLD])[merchant_of]
    region = rng.integers(0, len(_REGIONS), merchants)[merchant_of]
    brand = _pick(rng, np.array([*_BRANDS.values()]), merchants)[merchant_of]
    branded = (rng.random(merchants) < _BRANDED)[merchant_of]
    tier = np.digitize(-peak, [-P99_PEAK, -MEDIAN_PEAK * 4])
    tier = np.where((tier == 2) & (rng.random(count) < 0.2), 3, tier)
    at_venue = (venue >= 0) & (rng.random(count) < AT_VENUE)
    return {
        "venue_id": _coded(np.maximum(venue, 0), tuple(_VENUES.values()), at_venue),
        "origin_region": _coded(region, _REGIONS, told),
        "brand_type": _coded(brand, tuple(_BRANDS), branded),
        "streamer_certified": pa.array((rng.random(count) < CERTIFIED) | (peak > CERTIFIED_PEAK)),
        "streamer_tier": _coded(tier, _TIERS),
    }


def _joined(known: pa.RecordBatch, more: dict[str, pa.Array]) -> pa.RecordBatch:
    schema = ARROW[SampleType.VIEWERS]
    fields = [*known.schema, *(schema.field(name) for name in more)]
    return pa.RecordBatch.from_arrays([*known.columns, *more.values()], schema=pa.schema(fields))


_CODES = [c.code for c in CATEGORIES]
_BASES = tuple(f"base-{d}-{i}" for d in list(_DISTRICTS)[:8] for i in (1, 2))


def _coded(
    index: npt.NDArray[np.signedinteger],
    codes: tuple[str, ...],
    present: npt.NDArray[np.bool_] | None = None,
) -> pa.DictionaryArray:
    indices = pa.array(index.astype(np.int16), mask=None if present is None else ~present)
    return pa.DictionaryArray.from_arrays(indices, pa.array(codes, pa.utf8()))


def _pick(rng: np.random.Generator, weights: npt.NDArray[np.float64], count: int) -> I32:
    edges = np.cumsum(weights) / weights.sum()
    return np.minimum(np.searchsorted(edges, rng.random(count)), len(edges) - 1).astype(np.int32)
