"""The Kafka topics of the pipeline, and their creation."""

from __future__ import annotations

from dataclasses import dataclass, field

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from pipelines.core.partials import CELLS_TOPIC
from schemas.telemetry import MAX_BYTES, SampleType

FLAGS_TOPIC = "flags.v1"
FOLD_STATE = "fold-state"
ROLLUP_STATE = "rollup-state"
_MAX_MESSAGE = str(MAX_BYTES + 100_000)


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
    stamped = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": _MAX_MESSAGE}
    compacted = {"cleanup.policy": "compact", "max.message.bytes": _MAX_MESSAGE}
    telemetry = [TopicSpec(t.topic, partitions, stamped) for t in SampleType]
    dead = [TopicSpec(t.dlq_topic, 1, {"max.message.bytes": _MAX_MESSAGE}) for t in SampleType]
    return [
        *telemetry,
        *dead,
        TopicSpec(CELLS_TOPIC, 1, stamped),
        TopicSpec(FLAGS_TOPIC, 1, stamped),
        TopicSpec(changelog(group, FOLD_STATE), partitions, compacted),
        TopicSpec(changelog(group, ROLLUP_STATE), 1, compacted),
    ]


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


def _create(admin: KafkaAdminClient, spec: TopicSpec, replication: int) -> None:
    new = NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.config)
    try:
        admin.create_topics([new])
    except TopicAlreadyExistsError:
        return  # another worker was faster
