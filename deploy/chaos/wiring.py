"""A round's stack with a proxy in front of each server, and the programs that play in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.chaos import http_source, programs, sdk_source
from deploy.chaos.plan import RoundPlan
from deploy.chaos.programs import GatewayPlace, Program
from deploy.chaos.proxy import Proxy, any_reply, inserted
from deploy.chaos.result import Load
from deploy.chaos.source import SourceOptions
from deploy.stack.home import Home
from deploy.stack.ports import free_ports, free_run
from deploy.stack.settings import BROKER_STRIDE, Detours, StackSettings
from producers.clock import EventClock
from producers.pacing import wall_ms

_START_MS = 8_000  # what a source needs to be up
SPOOLS = "spools"


def wiring(brokers: int, load: Load, home: Path) -> tuple[StackSettings, Proxy, list[Proxy]]:
    """Settings of the stack, with a proxy in front of ClickHouse and of each broker."""
    ports = free_ports(load.workers, brokers)
    taken = set(ports.named(load.workers, brokers).values())
    while True:
        via = free_run(brokers * BROKER_STRIDE + 1)
        if not taken & set(range(via, via + brokers * BROKER_STRIDE + 1)):
            break
    detours = Detours(via, via + brokers * BROKER_STRIDE)
    settings = StackSettings(
        home,
        ports,
        load.workers,
        load.partitions,
        screen=False,
        unsigned="accept",
        brokers=brokers,
        detours=detours,
    )
    to_kafka = [
        Proxy(via + n * BROKER_STRIDE, ports.kafka + n * BROKER_STRIDE, any_reply)
        for n in range(brokers)
    ]
    return settings, Proxy(detours.clickhouse, ports.clickhouse, inserted), to_kafka


@dataclass(frozen=True)
class Cast:
    """Who plays in a round: `platforms` have books, `tallies` those of the numbered sources."""

    clock: EventClock
    end_ms: int
    platforms: list[SourceOptions]
    tallies: dict[str, Path]
    programs: list[Program]

    def event_ms(self) -> int:
        """Event time that the load has reached."""
        passed = max(0, wall_ms() - self.clock.start_wall_ms)
        running = self.clock.start_event_ms + round(passed * (self.clock.speed or 1.0))
        return min(self.end_ms, running)

    def books(self) -> list[Path]:
        return [one.out / "book.sqlite" for one in self.platforms]


def cast(plan: RoundPlan, load: Load, settings: StackSettings, home: Home) -> Cast:
    """Event time runs faster than the clock, and ends where the clock is."""
    start_wall = wall_ms() + _START_MS
    length = round(plan.load_s * 1000 * load.speed)
    start = start_wall + round(plan.load_s * 1000) - length
    span = (load.speed, start, start_wall, start + length)
    platforms = [
        SourceOptions(
            settings.bootstrap, home.data / f"source{n}", f"platform{n + 1}", plan.seed * 10 + n,
            load.sessions, *span, load.sample_every_s * 1000, load.spikes,
        )
        for n in range(load.sources)
    ]  # fmt: skip
    tallies = {
        name: home.data / f"{name}.tally" for name in (http_source.PLATFORM, sdk_source.PLATFORM)
    }
    return Cast(
        EventClock(start, start_wall, load.speed),
        start + length,
        platforms,
        tallies,
        [programs.platform(one) for one in platforms]
        + _numbered(load, settings, home, tallies, span),
    )


def _numbered(
    load: Load,
    settings: StackSettings,
    home: Home,
    tallies: dict[str, Path],
    span: tuple[float, int, int, int],
) -> list[Program]:
    """The gateway, a platform behind it, and a back end with the SDK."""
    http, sdk = tallies[http_source.PLATFORM], tallies[sdk_source.PLATFORM]
    spools = home.root / SPOOLS
    place = GatewayPlace(free_run(1), home.data / "api-keys.json", spools / "gateway")
    key = place.api_key(http_source.PLATFORM)
    return [
        place.program(settings.bootstrap, http),
        programs.by_http(http_source.HttpOptions(place.url, key, http, *span)),
        programs.by_sdk(
            sdk_source.SdkOptions(settings.bootstrap, spools / "sdk", sdk, load.partitions, *span)
        ),
    ]
