"""The Kafka topics of the pipeline, and their creation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from pipelines.core.partials import CELLS_TOPIC
from schemas.telemetry import MAX_BYTES, SampleType

FLAGS_TOPIC = "flags.v1"
LEDGER_TOPIC = "ledger.v1"
AUDIT_TOPIC = "audit.v1"
FOLD_STATE = "fold-state"
ROLLUP_STATE = "rollup-state"
DAY_MS = 86_400_000
THREE_YEARS = 3 * 365
_MAX_MESSAGE = str(MAX_BYTES + 100_000)
_COMPACTED = {
    "cleanup.policy": "compact",
    "max.message.bytes": _MAX_MESSAGE,
    # What was written over is compacted away within a day, however little is written.
    "segment.ms": str(DAY_MS),
    "max.compaction.lag.ms": str(DAY_MS),
    "delete.retention.ms": str(DAY_MS),
    # Each take-over writes the state again: small segments, so that compaction keeps up with it
    # and another worker need not read more than a few times the state.
    "segment.bytes": str(32 << 20),
    "min.cleanable.dirty.ratio": "0.2",
}


class TopicError(Exception):
    """A topic is not as the pipeline needs it. The message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def changelog(group: str, table: str) -> str:
    """Name of the changelog topic that Faust gives a table."""
    return f"{group}-{table}-changelog"


def specs(group: str, partitions: int) -> list[TopicSpec]:
    """Every topic. Telemetry and the first stage's changelog have the same partition count."""
    stamped = {"message.timestamp.type": "LogAppendTime"}
    telemetry = [TopicSpec(t.topic, partitions, stamped | _kept(7)) for t in SampleType]
    dead = [TopicSpec(t.dlq_topic, 1, _kept(14)) for t in SampleType]
    return [
        *telemetry,
        *dead,
        TopicSpec(CELLS_TOPIC, 1, stamped | _kept(7)),
        TopicSpec(FLAGS_TOPIC, 1, stamped | _kept(30)),
        TopicSpec(LEDGER_TOPIC, 1, stamped | _kept(THREE_YEARS)),
        TopicSpec(AUDIT_TOPIC, 1, stamped | _kept(THREE_YEARS)),
        TopicSpec(changelog(group, FOLD_STATE), partitions, _COMPACTED),
        TopicSpec(changelog(group, ROLLUP_STATE), 1, _COMPACTED),
    ]


def _kept(days: int) -> dict[str, str]:
    """A topic whose records are deleted after so many days, and one more for their segment."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        "segment.ms": str(DAY_MS),
        "max.message.bytes": _MAX_MESSAGE,
    }


def bounds_ms(group: str, partitions: int) -> dict[str, int]:
    """After how many ms at most a record, or an entry that was written over, is gone from disk."""
    out = {}
    for spec in specs(group, partitions):
        name = "max.compaction.lag.ms" if "compact" in spec.config["cleanup.policy"] else None
        out[spec.name] = int(spec.config[name or "retention.ms"]) + DAY_MS
    return out


def ensure(bootstrap: str, group: str, partitions: int, replication: int = 1) -> list[str]:
    """Create what is missing; returns the names created.

    Raises TopicError where a topic exists with another number of partitions.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        wanted = specs(group, partitions)
        existing = set(admin.list_topics())
        present = [s.name for s in wanted if s.name in existing]
        found = {}
        if present:
            found = {t["name"]: len(t["partitions"]) for t in admin.describe_topics(present)}
        for spec in wanted:
            if found.get(spec.name, spec.partitions) != spec.partitions:
                raise TopicError(
                    f"topic {spec.name} has {found[spec.name]} partitions and must have "
                    f"{spec.partitions}: set LIVEWATCH_PARTITIONS to what it has, or see the "
                    "runbook for changing the number of partitions"
                )
        missing = [s for s in wanted if s.name not in existing]
        for spec in missing:
            _create(admin, spec, replication)
        return [s.name for s in missing]
    finally:
        admin.close()


def topic_ids(bootstrap: str, names: Iterable[str]) -> dict[str, str]:
    """Kafka's own id of each topic that exists: a topic made anew under its name has another."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        found = admin.describe_topics(list(names))
        return {t["name"]: str(t["topic_id"]) for t in found if t.get("topic_id")}
    finally:
        admin.close()


def _create(admin: KafkaAdminClient, spec: TopicSpec, replication: int) -> None:
    # With three replicas an acknowledged record is on two, so that one may be lost at any time.
    safe = {"min.insync.replicas": "2"} if replication > 2 else {}
    new = NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.config | safe)
    try:
        admin.create_topics([new])
    except TopicAlreadyExistsError:
        return  # another worker was faster
