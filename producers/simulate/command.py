"""`livewatch-push simulate`: options to a configured run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producers.clock import plan_span
from producers.delivery import RunOptions
from producers.options import Access, connected, pace_of, report, seal_policy
from producers.pacing import wall_ms
from producers.shell import Meter
from producers.simulate.anomalies import Injection
from producers.simulate.config import SimConfig
from producers.simulate.model import Planner as PlanMaker
from producers.simulate.model import Population, Simulation
from producers.simulate.plan import Planner
from producers.simulate.requests import SpikeRule, others, read_plan
from producers.simulate.requests import spikes as place_spikes
from producers.simulate.run import SimulateRun
from producers.units import parse_duration, parse_range, parse_time

Option = typer.Option


def simulate(
    bootstrap: Annotated[str | None, Option(help="host:port of Kafka")] = None,
    sessions: Annotated[int, Option(help="live sessions at the start, 1 to 1,000,000")] = 5_000,
    speed: Annotated[float, Option(help="event time is so many times as fast")] = 1,
    duration: Annotated[str, Option(help="event time to cover, 0: until stopped")] = "0",
    sample_every: Annotated[str, Option(help="sampling period of a session, 1s to 1m")] = "10s",
    seed: Annotated[int, Option(help="same seed, start and arguments: same rows")] = 1,
    platforms: Annotated[int, Option(help="platforms, each its own source")] = 3,
    start: Annotated[str | None, Option(help="event time of the start, ISO 8601")] = None,
    rate: Annotated[str | None, Option(help="'max': no pacing, as fast as possible")] = None,
    spikes: Annotated[int, Option(help="complaint spikes (F01) to inject")] = 0,
    spike_after: Annotated[str, Option(help="event time before the first spike")] = "30m",
    spike_length: Annotated[str, Option(help="minutes of event time that a spike lasts")] = "20-30",
    spike_excess: Annotated[str, Option(help="complaints that a spike adds")] = "20-40",
    spike_factor: Annotated[
        float | None, Option(help="times the usual rate, not an excess")
    ] = None,
    inject: Annotated[str, Option(help="other kinds, e.g. F02,F04,F11:gap,F11:frozen")] = "",
    anomalies: Annotated[Path | None, Option(help="JSON plan of anomalies")] = None,
    out: Annotated[Path, Option(help="folder for ledger.jsonl and truth.jsonl")] = Path("push-out"),
    overwrite: Annotated[bool, Option(help="replace the ledger of an earlier run")] = False,
    goodbye: Annotated[
        bool, Option(help="say at the end of a finished run that nothing more will come")
    ] = True,
    batch_rows: Annotated[int, Option(help="rows per batch at most")] = 1_000,
    linger: Annotated[str, Option(help="longest wait of a row for its batch")] = "500ms",
    wait: Annotated[float | None, Option(help="seconds to wait for Kafka at the start")] = None,
    metrics_port: Annotated[int | None, Option(help="serve Prometheus metrics here")] = None,
    signing_key: Annotated[Path | None, Option(help="Ed25519 key (PEM) to sign with")] = None,
    spool: Annotated[
        Path | None, Option(help="keep batches here until Kafka has them; survives a kill")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Simulate a city's live commerce and push it to Kafka.

    A city of 5,000 sessions, two hours in two minutes, with six complaint spikes:

        livewatch-push simulate --sessions 5000 --speed 60 --duration 2h \\
          --sample-every 30s --seed 7 --spikes 6 --out demo

    Live until Ctrl-C:   livewatch-push simulate --sessions 20000

    As fast as possible: livewatch-push simulate --rate max --duration 10m

    The ledger (what was produced) and the truth (what was injected) are written to --out
    before anything is sent.
    """
    pace = pace_of(speed, rate)
    length, begin = parse_duration(duration), parse_time(start) if start else None
    rule = SpikeRule(
        spikes,
        parse_duration(spike_after),
        *_minutes(spike_length),
        parse_range(spike_excess),
        spike_factor,
    )
    planner = _planner(rule, inject, anomalies)
    seal = seal_policy(pace, batch_rows, parse_duration(linger))
    options = RunOptions(out, seal, goodbye, overwrite)
    options.check()

    def configure(partitions: int) -> SimConfig:
        span, period = plan_span(wall_ms(), length, pace, begin), parse_duration(sample_every)
        return SimConfig(
            seed, sessions, platforms, partitions, span.start_ms, span.end_ms, period, pace
        )

    configure(1)  # what is wrong is said before Kafka is waited for
    with (
        connected(Access(bootstrap, wait, metrics_port, signing_key, spool)) as kafka,
        Meter() as meter,
    ):
        simulation = Simulation(configure(kafka.partitions), planner)
        run = SimulateRun(simulation, options, kafka.sink, kafka.stop)
        summary = run.run(meter.show)
    report(summary, as_json)


def _planner(rule: SpikeRule, inject: str, plan: Path | None) -> PlanMaker:
    """A planner over what the options ask for; mistakes in them are found now."""
    explicit = read_plan(plan) if plan else []
    kinds = [k.strip() for k in inject.split(",") if k.strip()]
    others(kinds, 0, 0)

    def choose(population: Population) -> list[Injection]:
        config = population.config
        endless = rule.after_ms + 2 * rule.longest_ms * max(1, rule.count, len(kinds))
        run_ms = endless if config.end_ms is None else config.end_ms - config.start_ms
        wanted = [
            *explicit,
            *place_spikes(rule, run_ms, population.rng),
            *others(kinds, rule.after_ms, run_ms),
        ]
        return Planner(population).plan(wanted)

    return choose


def _minutes(text: str) -> tuple[int, int]:
    low, high = parse_range(text.removesuffix("m"))
    return round(low * 60_000), round(high * 60_000)
