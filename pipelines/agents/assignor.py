"""Who gets which partition: Faust's own way, but never on metadata without our topics."""

from __future__ import annotations

import os
from typing import Any

import structlog
from faust.assignor.partition_assignor import PartitionAssignor

from pipelines.agents.exits import EX_TEMPFAIL

log = structlog.get_logger()


class CompleteAssignor(PartitionAssignor):
    """Refuses to share out a group whose topics the broker does not name.

    A broker that has just started answers before it knows its topics. Faust leaves out what is
    not named, the client takes the metadata that come a moment later for the old ones, and the
    group sits there for ever with nothing assigned. All our topics are made before a worker
    starts, so the only cure is to join again.
    """

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        wanted = {topic for one in member_metadata.values() for topic in one.subscription}
        unknown = sorted(t for t in wanted if not cluster.partitions_for_topic(t))
        if unknown:
            log.error("the broker does not know these topics, ending", topics=unknown)
            os._exit(EX_TEMPFAIL)
        return super().assign(cluster, member_metadata)
