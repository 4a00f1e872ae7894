"""Restore: tables and state of a backup into a system whose workers are stopped (docs/adr/0013)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from deploy.errors import StackError, UsageError
from deploy.operations import changelog, erasures, manifest, tables
from deploy.operations.backup import Say, topic_ids, unpack
from deploy.operations.changelog import Lane, Raw
from deploy.operations.manifest import Manifest
from deploy.operations.target import Target, admin, consumer, refuse_while_working
from pipelines.agents.stage import EPOCH_SHIFT
from pipelines.core.upgrade import STATE_VERSION
from pipelines.topics import ensure
from pipelines.warehouse.migrate import applied_number, load, plan, run


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    rows: dict[str, int]
    epoch: int
    new_topics: list[str]
    erased_again: int


def restore(
    at: Target, directory: Path, say: Say, *, force: bool = False, proofs: Iterable[Path] = ()
) -> Restored:
    """Bring warehouse, state and the group's offsets to what the backup holds.

    Raises StackError while workers run, where data is there and not `force`, where a checksum
    differs; UsageError where the backup does not fit this version or the partitions.
    """
    found = manifest.check(directory)
    _refuse_misfit(at, found)
    with admin(at) as kafka, tables.client(at, "default") as db:
        refuse_while_working(kafka, at.group, "restore")
        raws = {lane: changelog.read(at, lane)[0] for lane in _lanes(kafka, at)}
        _refuse_full(at, db, raws, force=force)
        # 1. Who erased what stays erased, also what the backup is too old to know.
        known = [*erasures.known(db, at.clickhouse_database), *erasures.from_proofs(proofs)]
        # 2. The warehouse: made anew at the backup's schema, filled, brought to today's.
        rows = _restore_tables(at, db, directory, found, say)
        again = erasures.again(at, known)
        # 3. The state, under an epoch above all that ever wrote.
        fresh = _new_topics(kafka, at, found)
        epoch = _epoch_above(at, raws, found)
        _restore_state(at, directory, found, raws, epoch, fresh)
        say(f"state of {len(found.lanes)} partitions, as of {found.cut}, under epoch {epoch}")
        # 4. The group reads on from where the state stands.
        _restore_offsets(kafka, at, found, fresh)
    return Restored(rows, epoch, fresh, again)


def _refuse_misfit(at: Target, found: Manifest) -> None:
    newest = load()[-1].number
    if found.state_version != STATE_VERSION:
        raise UsageError(
            f"the backup has state version {found.state_version} and this version reads "
            f"{STATE_VERSION}: restore with the version that wrote it, {found.tool}"
        )
    if found.schema_number > newest:
        raise UsageError(
            f"the backup has schema {found.schema_number:04d} and this version knows "
            f"{newest:04d}: restore with the version that wrote it, {found.tool}"
        )
    if found.partitions != at.partitions:
        raise UsageError(
            f"the backup has {found.partitions} partitions and LIVEWATCH_PARTITIONS is "
            f"{at.partitions}: set it to {found.partitions}"
        )


def _lanes(kafka: Any, at: Target) -> list[Lane]:
    """All lanes; topics that are missing are made first."""
    ensure(at.bootstrap, at.group, at.partitions, at.replication)
    return changelog.lanes(at.partitions)


def _refuse_full(at: Target, db: Any, raws: dict[Lane, Raw], *, force: bool) -> None:
    if force:
        return
    name = at.clickhouse_database
    if applied_number(db, name):
        db.execute(f"USE {name}")
        for table in tables.tables(db):
            if db.execute(f"SELECT 1 FROM {table.name} LIMIT 1"):  # noqa: S608
                raise StackError(
                    f"table {table.name} of {name} holds rows: restore into an empty database, "
                    "or say --force to have everything in it replaced"
                )
    written = [str(lane) for lane, raw in raws.items() if raw.values]
    if written:
        raise StackError(
            f"group {at.group} has state in Kafka ({', '.join(written[:4])}): say --force to "
            "have it replaced by the backup's"
        )


def _restore_tables(
    at: Target, db: Any, directory: Path, found: Manifest, say: Say
) -> dict[str, int]:
    name, steps = at.clickhouse_database, load()
    run(db, name, plan(steps, applied_number(db, name), 0))
    run(db, name, plan(steps, 0, found.schema_number))
    for one in found.files:
        tables.load(at, one.table, directory / one.file)
    there = {t.name: t for t in tables.tables(db)}
    for table, rows in found.rows().items():
        count = db.execute(f"SELECT count() FROM {there[table].source}")[0][0]  # noqa: S608
        if count != rows:
            raise StackError(f"{table} has {count} rows after the restore, the backup {rows}")
        say(f"{table}: {rows} rows")
    run(db, name, plan(steps, found.schema_number, None))
    return found.rows()


def _new_topics(kafka: Any, at: Target, found: Manifest) -> list[str]:
    """Topics that are not those of the backup, whose offsets therefore mean nothing there."""
    now = topic_ids(kafka, at)
    return sorted(name for name, id_ in now.items() if found.topic_ids.get(name) != id_)


def _epoch_above(at: Target, raws: dict[Lane, Raw], found: Manifest) -> int:
    """Above the backup's, above what rows carry, and above what still lies in Kafka."""
    with tables.client(at) as db:
        rows = tables.newest_version(db, tables.tables(db)) >> EPOCH_SHIFT
    written = [raw.epoch() for raw in raws.values()]
    return 1 + max([rows, *written, *(lane.epoch for lane in found.lanes)], default=0)


def _restore_state(
    at: Target,
    directory: Path,
    found: Manifest,
    raws: dict[Lane, Raw],
    epoch: int,
    fresh: list[str],
) -> None:
    kept = {(one.stage, one.partition): one for one in found.lanes}
    for lane, raw in raws.items():
        one = kept.get((lane.stage, lane.partition))
        if one is None:
            changelog.clear(at, lane, raw)
        else:
            state = unpack(directory / one.file, one.epoch).for_new_topics(fresh)
            changelog.write(at, lane, raw, state, epoch)


def _restore_offsets(kafka: Any, at: Target, found: Manifest, fresh: list[str]) -> None:
    """The positions of the checkpoints; where there is none, what the group had committed."""
    offsets = {
        TopicPartition(topic, int(number)): offset
        for key, offset in found.offsets.items()
        for topic, _, number in [key.rpartition("/")]
    }
    for lane in found.lanes:
        offsets |= {TopicPartition(t, lane.partition): p for t, p in lane.positions.items()}
    with consumer(at) as client:
        # A topic made anew begins anew; what the group had committed may outlive the old one.
        anew = [tp for tp in offsets if tp.topic in fresh]
        offsets |= client.beginning_offsets(anew) if anew else {}
    wanted = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
    if wanted:
        kafka.alter_group_offsets(at.group, wanted)
