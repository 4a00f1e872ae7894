"""A stop that was asked for is no crash, whatever the worker is doing at that moment."""

from __future__ import annotations

import os
import random
import time

from tests.integration.pipeline.city import hello, merged, minute_rows, recent, sessions, sources
from tests.integration.pipeline.harness import MINUTE, Pipeline, Sender

STOPS = int(os.environ.get("LIVEWATCH_TEST_STOPS", "4"))
MINUTES_EACH = 60


def test_a_stop_in_the_midst_of_work_ends_with_zero(pipeline: Pipeline, sender: Sender) -> None:
    """Each time with an hour that has just come: the worker folds, closes and commits."""
    rng = random.Random(11)
    at = recent(STOPS * MINUTES_EACH + 10)
    gates = sources(sender, at)
    hello(pipeline, sender, list(gates.values()))
    worker = pipeline.worker
    for stop in range(STOPS):
        for _ in range(MINUTES_EACH):
            at += MINUTE
            for platform, gate in gates.items():
                mine = [s for s in sessions() if s.platform == platform]
                parts = [minute_rows(s, at - MINUTE, rng, lambda: 1) for s in mine]
                gate.step(at, merged(parts))
        sender.flush()
        time.sleep(rng.uniform(0, 1.5))
        worker.end_cleanly(60)
        assert not worker.unasked
        worker.restart()
        worker.wait(f"ready after stop {stop}", worker.ready, 60)
