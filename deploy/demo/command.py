"""`livewatch demo`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from deploy.errors import UsageError
from deploy.stack import control
from deploy.stack.cli import fill_in, say
from deploy.stack.settings import Ports, StackSettings, default_home

_UNITS = {"s": 1, "m": 60, "h": 3600}
_PORTS = Ports()


def demo(
    length: Annotated[
        str | None, typer.Option("--for", help="Stop after 90s, 3m or 1h; else on Ctrl-C.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on where the last demo stopped, not afresh.")
    ] = False,
    sessions: Annotated[int, typer.Option(min=1, help="Live sessions.")] = 5_000,
    speed: Annotated[float, typer.Option(min=1.1, help="Event time runs so fast.")] = 20.0,
    spikes: Annotated[int, typer.Option(min=0, help="Complaint spikes a day.")] = 72,
    seed: Annotated[int, typer.Option(help="Same seed, same city.")] = 7,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    home: Annotated[
        Path | None, typer.Option(help="Directory of the demo.", show_default=".livewatch/demo")
    ] = None,
    screen_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the screen; 0 takes a free one.")
    ] = _PORTS.screen,
    free_ports: Annotated[
        bool, typer.Option(help="Take free ports for all but the screen.")
    ] = True,
) -> None:
    """Run the whole stack with a simulated city, and show what it sees.

    The city starts on an evening before today and runs 20 times as fast until it has caught up
    with the clock. Complaint spikes are injected from the first minute on. Batches are unsigned:
    it is a demo.

    Examples:

        livewatch demo                 until Ctrl-C

        livewatch demo --for 3m        for three minutes

        livewatch demo --keep          go on where the last one stopped
    """
    from deploy.demo.run import Demo, DemoOptions
    from deploy.simulator import SimulatorOptions

    seconds = None if length is None else parse_length(length)
    root = home.expanduser().absolute() if home else default_home() / "demo"
    control.refuse_if_running(root)
    rest = 0 if free_ports else 1
    wanted = Ports(
        _PORTS.kafka * rest,
        _PORTS.kafka_controller * rest,
        _PORTS.clickhouse * rest,
        _PORTS.clickhouse_http * rest,
        screen_port,
        _PORTS.worker_base * rest,
        _PORTS.alerts * rest,
        0,
    )
    settings = StackSettings(
        root, fill_in(wanted, workers), workers, unsigned="accept", rollups=True
    )
    simulated = SimulatorOptions(
        sessions,
        speed,
        seed=seed,
        spikes=spikes,
        spike_after="10m",
        spike_excess="40-60",
        goodbye=False,
    )
    if not Demo(settings, DemoOptions(simulated, seconds, fresh=not keep), say).run():
        raise typer.Exit(1)


def parse_length(text: str) -> float:
    """`90s`, `3m` or `1h` in seconds. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found:
        raise UsageError(f"--for: {text!r} is not a time such as 90s, 3m or 1h")
    return float(found.group(1)) * _UNITS[found.group(2)]
