"""The zone of the machine changes nothing: UTC is stored, Shanghai's clock is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pipelines.warehouse.migrate import load

ROOT = Path(__file__).parents[3]
# Folds a batch, closes its minute, and shows a time: what is stored, and what people read.
PROGRAM = """
import hashlib, random
from datetime import UTC, datetime
import numpy as np
from deploy.operations.erasures import Proof, request
from deploy.shanghai import shown
from pipelines.core.fold.close import close_minute
from pipelines.core.fold.stage import fold
from pipelines.core.fold.state import FoldState
from schemas.batch import decode, encode
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import SampleType
from tests.integration.pipeline.city import minute_rows
from tests.integration.pipeline.harness import Session, batch_of

START = 1_795_579_800_000  # 00:10 in Shanghai, the evening before in UTC and in New York
state, rng = FoldState(0, 1), random.Random(1)
one = Session("p-one", f"{1:032x}", f"{2:032x}", "food", "310101")
for number, (sample, rows) in enumerate(minute_rows(one, START, rng, lambda: 3).items()):
    ident = BatchIdentity("p-one", "s", 1, sample.topic, 0, 0)
    header = BatchHeader(ident, len(rows), START + 60_000, START + 60_000)
    batch = decode(encode(batch_of(sample, rows)), header, START + 61_000)
    done = fold(state, batch, number, START)
    print(sorted((k, np.asarray(v).tolist()) for k, v in done.raw.items() if k == "event_time"))
closed = close_minute(state, START // 60_000, 1, START)
print(closed.minute, closed.indicators["minute"].tolist(), closed.indicators["orders_1m"].tolist())
now = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)  # New York's clock jumps in this hour
asked = request("p-one", "", "why", "who", now)
print(shown(now), asked.before.isoformat(), asked.rule().before_ms)
"""


def told_under(zone: str) -> str:
    env = os.environ | {"TZ": zone, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_zone_of_the_machine_gives_the_same_values() -> None:
    here = told_under("UTC")
    assert "2026-03-08 15:30:00 Asia/Shanghai" in here
    assert "1795579" in here
    assert told_under("America/New_York") == here
    assert told_under("Asia/Shanghai") == here


def test_every_time_in_the_warehouse_names_utc() -> None:
    for migration in load():
        bare = re.sub(r"--.*|COMMENT '(?:[^']|'')*'", "", migration.up)
        for declared in re.findall(r"^\s+\w+\s+(DateTime(?:64)?\b(?:\([^)]*\))?)", bare, re.M):
            assert "'UTC'" in declared, (migration.name, declared)
