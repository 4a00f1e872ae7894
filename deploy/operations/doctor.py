"""`livewatch doctor`: looks at everything, says in plain words what is wrong, names the page."""

from __future__ import annotations

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickhouse_driver import errors as driver_errors
from kafka import TopicPartition
from kafka.errors import KafkaError

from deploy.operations import retention, tables
from deploy.operations.changelog import INPUTS
from deploy.operations.target import Target, admin, consumer, members
from pipelines.topics import specs
from pipelines.warehouse.migrate import applied_number, load
from schemas.telemetry import SampleType

LAG_RECORDS = 5_000
REFUSED_RECORDS = 50
REFUSED_S = 600
FREE_SHARE = 0.1
CLOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `page` is a runbook's name, where it is not well."""

    what: str
    well: bool
    said: str
    page: str = ""


Look = Callable[[], Iterator[Finding]]


def examine(at: Target, workers: list[str], disks: list[Path]) -> list[Finding]:
    """Look at everything; what is broken is a finding. `workers` are base URLs of their pages."""
    looks: list[tuple[str, str, Look]] = [
        ("Kafka", "no-telemetry", lambda: _kafka(at)),
        ("ClickHouse", "clickhouse-away", lambda: _clickhouse(at)),
        ("workers", "worker-down", lambda: _workers(workers)),
        ("disks", "disk-nearly-full", lambda: _disks(disks)),
    ]
    out: list[Finding] = []
    for what, page, look in looks:
        try:
            out += look()
        except (KafkaError, driver_errors.Error, OSError, EOFError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            out.append(Finding(what, False, f"does not answer as it should: {said}", page))
    return out


def _kafka(at: Target) -> Iterator[Finding]:
    with admin(at) as kafka:
        brokers = kafka.describe_cluster()["brokers"]
        yield Finding("brokers", bool(brokers), f"{len(brokers)} answer at {at.bootstrap}")
        missing = sorted(
            {s.name for s in specs(at.group, at.partitions)} - set(kafka.list_topics())
        )
        if missing:
            said = f"missing: {', '.join(missing)}; livewatch topics makes them"
            yield Finding("topics", False, said, "worker-not-ready")
            return
        yield from _partitions(kafka, at)
        yield _settings("topics", retention.of_topics(kafka, at))
        some = members(kafka, at.group)
        said = ", ".join(some) if some else f"no worker is in group {at.group}"
        yield Finding("consumer group", bool(some), said, "" if some else "worker-down")
        yield from _lag(kafka, at)
    # Behind the above: where brokers are away nobody waits for them twice.
    yield from _dead_letters(at)


def _partitions(kafka: Any, at: Target) -> Iterator[Finding]:
    wanted = {s.name: s.partitions for s in specs(at.group, at.partitions)}
    found = kafka.describe_topics(sorted(wanted))
    wrong = [
        f"{t['name']} has {len(t['partitions'])} partitions and must have {wanted[t['name']]}"
        for t in found
        if len(t["partitions"]) != wanted[t["name"]]
    ]
    thin = [
        f"{t['name']}/{p['partition_index']}"
        for t in found
        for p in t["partitions"]
        if p["leader_id"] < 0 or len(p["isr_nodes"]) < len(p["replica_nodes"])
    ]
    yield _well(
        "partitions", wrong, f"as many as declared in {len(found)} topics", "worker-not-ready"
    )
    if thin:
        said = f"without all replicas: {', '.join(thin[:8])}; a broker is away"
        yield Finding("replicas", False, said, "no-telemetry")


def _lag(kafka: Any, at: Target) -> Iterator[Finding]:
    committed = kafka.list_group_offsets({at.group: None}).get(at.group, {})
    lanes = [
        TopicPartition(topic, n)
        for topics, count in ((INPUTS["fold"], at.partitions), (INPUTS["rollup"], 1))
        for topic in topics
        for n in range(count)
    ]
    with consumer(at) as client:
        ends, begins = client.end_offsets(lanes), client.beginning_offsets(lanes)
    behind = {
        tp: ends[tp] - max(committed[tp].offset if tp in committed else 0, begins[tp])
        for tp in lanes
    }
    worst = max(behind, key=lambda tp: behind[tp])
    total = sum(behind.values())
    where = f"{worst.topic}/{worst.partition}"
    said = f"{total} records not acknowledged, {behind[worst]} of them in {where}"
    far = behind[worst] > LAG_RECORDS
    yield Finding("lag", not far, said, "lag-records" if far else "")


def _dead_letters(at: Target) -> Iterator[Finding]:
    """How many records were refused of late, and what the newest was refused for."""
    lanes = [TopicPartition(sample.dlq_topic, 0) for sample in SampleType]
    since = round((time.time() - REFUSED_S) * 1000)
    with consumer(at) as client:
        ends = client.end_offsets(lanes)
        found = client.offsets_for_times(dict.fromkeys(lanes, since))
        fresh = {lane: ends[lane] - first.offset for lane, first in found.items() if first}
        total = sum(fresh.values())
        if not total:
            yield Finding("dead letters", True, "none in the last ten minutes")
            return
        lane = max(fresh, key=lambda one: fresh[one])
        client.assign([lane])
        client.seek(lane, ends[lane] - 1)
        newest = [one for some in client.poll(5_000).values() for one in some][-1:]
    why = (
        dict(newest[0].headers).get("dlq_reason", b"").decode("utf-8", "replace") if newest else ""
    )
    said = f"{total} records in the last ten minutes, most on {lane.topic}, the newest: {why[:200]}"
    many = total > REFUSED_RECORDS
    yield Finding("dead letters", not many, said, "dead-letters" if many else "")


def _clickhouse(at: Target) -> Iterator[Finding]:
    with tables.client(at, "default") as db:
        before = time.time()
        server, version = db.execute("SELECT toUnixTimestamp64Milli(now64(3)) / 1000, version()")[0]
        yield Finding("ClickHouse", True, f"{version} answers at {at.clickhouse_host}")
        skew = server - (before + time.time()) / 2
        said = f"ClickHouse's differs from this machine's by {abs(skew):.1f} s"
        well = abs(skew) <= CLOCK_S
        yield Finding("clocks", well, said, "" if well else "clock-skew")
        newest, applied = load()[-1].number, applied_number(db, at.clickhouse_database)
        said = f"{at.clickhouse_database} is at {applied:04d}, this version at {newest:04d}"
        well = newest == applied
        yield Finding("migrations", well, said if well else f"{said}: livewatch migrate",
                      "" if well else "store-errors")  # fmt: skip
        if applied:
            db.execute(f"USE {at.clickhouse_database}")
            yield _settings("tables", retention.of_tables(db))
        for name, free, total in db.execute(
            "SELECT name, free_space, total_space FROM system.disks"
        ):
            yield _free(f"ClickHouse's disk {name}", free, total)


def _settings(what: str, lines: list[retention.Line]) -> Finding:
    differ = [f"{x.what} {x.setting} is {x.actual}, declared {x.declared}" for x in lines
              if not x.as_declared]  # fmt: skip
    said = "; ".join(differ[:4]) + (f" and {len(differ) - 4} more" if len(differ) > 4 else "")
    return _well(
        f"retention of {what}", [said] if differ else [], "as declared", "disk-nearly-full"
    )


def _workers(urls: list[str]) -> Iterator[Finding]:
    for url in urls:
        for path, page in (("/healthz", "worker-stuck"), ("/readyz", "worker-not-ready")):
            said = _get(f"{url}{path}")
            if said is not None:
                lost = said.startswith("no answer")
                yield Finding(f"worker {url}", False, said, "worker-down" if lost else page)
                break
        else:
            yield Finding(f"worker {url}", True, "is live and ready")


def _get(url: str) -> str | None:
    """None for 2xx, else what is wrong."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - a worker's own page
            return None
    except urllib.error.HTTPError as error:
        return error.read(300).decode("utf-8", "replace").strip()
    except OSError as error:
        return f"no answer ({getattr(error, 'reason', error)})"


def _disks(paths: list[Path]) -> Iterator[Finding]:
    for path in paths:
        usage = shutil.disk_usage(path)
        yield _free(f"disk of {path}", usage.free, usage.total)


def _free(what: str, free: int, total: int) -> Finding:
    well = total == 0 or free >= FREE_SHARE * total
    return Finding(what, well, f"{free / 2**30:.1f} GiB of {total / 2**30:.1f} GiB free",
                   "" if well else "disk-nearly-full")  # fmt: skip


def _well(what: str, wrong: list[str], fine: str, page: str) -> Finding:
    return Finding(what, not wrong, "; ".join(wrong) or fine, page if wrong else "")
