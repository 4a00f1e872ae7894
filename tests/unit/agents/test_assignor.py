"""Topics that the broker does not name yet are never left out of an assignment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipelines.agents import assignor
from pipelines.agents.app import make_app
from pipelines.agents.exits import EX_TEMPFAIL
from pipelines.settings import Settings

TOPICS = ("telemetry.orders.v1", "telemetry.viewers.v1")


class Cluster(NamedTuple):
    """What a broker named: partition counts by topic."""

    counts: dict[str, int]

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self.counts[topic])) if topic in self.counts else None


class Ended(Exception):  # noqa: N818 - stands for the end of the process
    pass


@pytest.fixture
def joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(assignor, metadata of one member that wants TOPICS)."""

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(assignor.os, "_exit", end)
    app = make_app(Settings(), "w1", tmp_path, 6066)
    made = assignor.CompleteAssignor(app)
    return made, {"w1": made.metadata(set(TOPICS))}


def test_what_is_named_is_shared_out(joined: Any) -> None:
    made, members = joined
    given = made.assign(Cluster(dict.fromkeys(TOPICS, 4)), members)
    assigned = {(topic, p) for topic, parts in given["w1"].assignment for p in parts}
    assert assigned == {(topic, p) for topic in TOPICS for p in range(4)}


@pytest.mark.parametrize("named", [{}, {TOPICS[0]: 4}], ids=["nothing", "one of two"])
def test_what_is_not_named_ends_the_process(joined: Any, named: dict[str, int]) -> None:
    made, members = joined
    with pytest.raises(Ended) as ended:
        made.assign(Cluster(named), members)
    assert ended.value.args == (EX_TEMPFAIL,)
