"""Backup: the workers' state first, the warehouse after it (docs/adr/0013).

Nothing stops meanwhile. What a checkpoint speaks of was in ClickHouse before the checkpoint was
written, so a warehouse that is read later holds all of it. What it holds besides comes again from
Kafka after a restore and replaces itself. The other way round rows would be missing for ever.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.errors import StackError, UsageError
from deploy.operations import changelog, manifest, tables
from deploy.operations.changelog import Checkpoint, Lane
from deploy.operations.manifest import DataFile, LaneFile, Manifest
from deploy.operations.target import Target, admin
from pipelines.core.upgrade import STATE_VERSION
from pipelines.topics import specs
from pipelines.warehouse.migrate import applied_number

Say = Callable[[str], None]


def backup(at: Target, directory: Path, say: Say) -> Manifest:
    """Write a backup to a directory that does not exist yet, and bring it there whole.

    Raises UsageError where it exists, StackError where a part cannot be read.
    """
    directory = directory.expanduser().absolute()
    if directory.exists():
        raise UsageError(f"{directory} exists: name a directory that does not")
    partial = directory.with_name(f".{directory.name}.partial-{os.getpid()}")
    try:
        (partial / "state").mkdir(parents=True)
        (partial / "tables").mkdir()
        found = _write(at, partial, say)
        partial.rename(directory)
    except OSError as error:
        raise StackError(f"cannot write {directory}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync(directory.parent)
    return found


def _write(at: Target, partial: Path, say: Say) -> Manifest:
    began = _now()
    with admin(at) as kafka:
        cluster = str(kafka.describe_cluster()["cluster_id"])
        ids, offsets = topic_ids(kafka, at), group_offsets(kafka, at.group)
    # 1. The first stage's checkpoints, then the second's: a minute that cells have closed is one
    #    that the first stage need not send again.
    kept = [_keep_lane(at, lane, partial) for lane in changelog.lanes(at.partitions)]
    lanes = [one for one in kept if one is not None]
    cut = _now()
    say(f"state of {len(lanes)} partitions")
    # 2. The warehouse.
    with tables.client(at) as db:
        number = applied_number(db, at.clickhouse_database)
        if number == 0:
            raise StackError(f"ClickHouse has no database {at.clickhouse_database} of ours")
        some = tables.kept(db)
        files = [one for table in some for one in _keep_table(at, db, table, partial, cut, say)]
    # 3. What says that the rest is whole comes last.
    found = Manifest(
        tool=version("livewatch"),
        state_version=STATE_VERSION,
        schema_number=number,
        database=at.clickhouse_database,
        group=at.group,
        partitions=at.partitions,
        cluster_id=cluster,
        topic_ids=ids,
        began=began,
        cut=cut,
        ended=_now(),
        lanes=lanes,
        offsets=offsets,
        tables=[table.name for table in some],
        files=files,
    )
    path = partial / manifest.NAME
    path.write_text(found.model_dump_json(indent=1) + "\n")
    _sync(path, partial)
    return found


def topic_ids(kafka: Any, at: Target) -> dict[str, str]:
    """Kafka's ids of our topics: a topic made anew has another one."""
    names = {s.name for s in specs(at.group, at.partitions)} & set(kafka.list_topics())
    found = kafka.describe_topics(sorted(names)) if names else []
    return {t["name"]: str(t["topic_id"]) for t in found}


def group_offsets(kafka: Any, group: str) -> dict[str, int]:
    """`topic/partition` -> committed offset."""
    found = kafka.list_group_offsets({group: None}).get(group, {})
    return {f"{tp.topic}/{tp.partition}": int(o.offset) for tp, o in sorted(found.items())}


def _keep_lane(at: Target, lane: Lane, partial: Path) -> LaneFile | None:
    _, found = changelog.read(at, lane)
    if found is None:
        return None
    path = partial / "state" / f"{lane}.zip"
    path.write_bytes(pack(found))
    _sync(path)
    return LaneFile(
        stage=lane.stage,
        partition=lane.partition,
        epoch=found.epoch,
        file=f"state/{path.name}",
        bytes=path.stat().st_size,
        sha256=manifest.digest(path),
        positions=found.positions,
    )


def pack(found: Checkpoint) -> bytes:
    """A checkpoint as a zip file: `head.json`, and each entry under its name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as into:
        into.writestr("head.json", json.dumps(found.head, indent=1))
        for name, value in sorted(found.entries.items()):
            into.writestr(f"entries/{name}", value)
    return out.getvalue()


def unpack(path: Path, epoch: int) -> Checkpoint:
    """What `pack` wrote."""
    with zipfile.ZipFile(path) as source:
        names = [n for n in source.namelist() if n.startswith("entries/")]
        entries = {n.removeprefix("entries/"): source.read(n) for n in names}
        return Checkpoint(epoch, json.loads(source.read("head.json")), entries)


def _keep_table(
    at: Target, db: Any, table: tables.Table, partial: Path, cut: str, say: Say
) -> list[DataFile]:
    out = []
    for part in tables.parts_of(db, table):
        path = partial / "tables" / f"{table.name}.{part}.parquet"
        rows = tables.dump(at, table, part, path, _until(table, cut))
        _sync(path)
        out.append(
            DataFile(
                table=table.name,
                part=part,
                file=f"tables/{path.name}",
                rows=rows,
                bytes=path.stat().st_size,
                sha256=manifest.digest(path),
            )
        )
    say(f"{table.name}: {sum(one.rows for one in out)} rows")
    return out


def _until(table: tables.Table, cut: str) -> str:
    """A flag of after the cut is decided again after a restore, perhaps not in the same bin."""
    if table.name != "flag_events":
        return "1"
    return f"decided_at <= parseDateTime64BestEffort('{cut}', 3, 'UTC')"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _sync(*paths: Path) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
