"""`livewatch ops repartition`: more partitions, when nothing is on its way."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.errors import UsageError, UserError

if TYPE_CHECKING:
    from pipelines.settings import Settings


class NotDrained(UserError):  # noqa: N818 - a state of the system, said in one line
    """Something is still on its way; the message says what."""


def repartition(settings: Settings, partitions: int) -> list[str]:
    """Give telemetry and its state `partitions` partitions each; returns the topics changed.

    Raises UsageError for a number that Kafka cannot go to, and NotDrained while a worker is in the
    group or records are not acknowledged: only when all of them are, all their minutes are closed.
    """
    from kafka import KafkaAdminClient

    from pipelines.core.partials import CELLS_TOPIC
    from pipelines.topics import FOLD_STATE, changelog
    from schemas.telemetry import SampleType

    telemetry = [t.topic for t in SampleType]
    with closing(KafkaAdminClient(bootstrap_servers=settings.bootstrap.split(","))) as admin:
        counts = _counts(admin, [*telemetry, changelog(settings.group, FOLD_STATE)])
        if any(n > partitions for n in counts.values()):
            raise UsageError(
                f"--partitions: Kafka cannot go down from {max(counts.values())} to {partitions}"
            )
        _nobody(admin, settings.group)
        _all_acknowledged(admin, settings, [*telemetry, CELLS_TOPIC])
        less = {topic: partitions for topic, n in counts.items() if n < partitions}
        if less:
            admin.create_partitions(less)
        return sorted(less)


def _counts(admin: Any, topics: list[str]) -> dict[str, int]:
    return {t["name"]: len(t["partitions"]) for t in admin.describe_topics(topics)}


def _nobody(admin: Any, group: str) -> None:
    found = admin.describe_groups([group])[group]
    members = len(found["members"])
    if members:
        raise NotDrained(f"the group {group} has {members} members: stop the workers first")


def _all_acknowledged(admin: Any, settings: Settings, topics: list[str]) -> None:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap.split(","),
        group_id=settings.group,
        enable_auto_commit=False,
    )
    with closing(consumer):
        counts = _counts(admin, topics)
        lanes = [TopicPartition(t, n) for t in topics for n in range(counts[t])]
        ends = consumer.end_offsets(lanes)
        for lane in lanes:
            done = consumer.committed(lane) or 0
            if done < ends[lane]:
                raise NotDrained(
                    f"{lane.topic}-{lane.partition}: {ends[lane] - done} records are not "
                    "acknowledged: let the sources say goodbye, wait, then stop the workers"
                )


def register(app: typer.Typer) -> None:
    """Add this module's verbs."""

    @app.command("repartition")
    def _repartition(
        partitions: Annotated[
            int, typer.Option(min=1, max=1024, help="Partitions of each telemetry topic.")
        ],
    ) -> None:
        """Change the number of partitions, with all sources and workers stopped.

        Example:

            livewatch ops repartition --partitions 16
        """
        from pipelines.settings import Settings

        changed = repartition(Settings(), partitions)
        typer.echo(
            f"{len(changed)} topics have {partitions} partitions now; start the workers, then the "
            f"sources, with LIVEWATCH_PARTITIONS={partitions}"
        )
