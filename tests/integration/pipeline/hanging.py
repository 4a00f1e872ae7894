"""A worker whose consumer hangs when it gets SIGHUP: it lives, heartbeats, and reads nothing."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import faust

from pipelines.agents.health import HealthPolicy
from pipelines.agents.worker import Worker
from pipelines.settings import Settings


def main(state_dir: Path, port: int) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    made = Worker(Settings(), "t1", state_dir, port, HealthPolicy(stuck_s=3.0))

    def hang(*_: object) -> None:
        made.app.consumer.pause_partitions(made.app.consumer.assignment())

    signal.signal(signal.SIGHUP, hang)
    faust.Worker(
        made.app, loglevel="warn", console_port=0, blocking_timeout=0
    ).execute_from_commandline()


if __name__ == "__main__":
    folder, number = sys.argv[-2:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    sys.argv = sys.argv[:1]
    main(Path(folder), int(number))
