"""A correction in the first stage: noted, whole or not at all, and in no provisional figure."""

from __future__ import annotations

from pipelines.agents.fold import FoldStage
from pipelines.agents.stage import Record
from pipelines.instruments import Instruments
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, Supersedes, to_headers
from schemas.sharding import shard_of
from schemas.telemetry import SampleType
from tests.unit.protocol.world import PARTITIONS, START, Sample, record_batch, session_ids

TOPIC = SampleType.ORDERS.topic
MINE = session_ids(1)[0]


def stage() -> FoldStage:
    made = FoldStage(0, PARTITIONS, Instruments())
    made.load(None, {}, 1)
    return made


def record(samples: list[Sample], sequence: int = 0, what: Supersedes | None = None) -> Record:
    ident = BatchIdentity("p01", "a", 1, TOPIC, 0, sequence)
    told = (what.text(), "miscounted") if what else ("", "")
    header = BatchHeader(ident, len(samples), START, START, False, *told)
    value = encode(record_batch(samples))
    return Record(TOPIC, 0, sequence, START + 500, value, tuple(to_headers(header)))


def sample(at_ms: int = START, session: str = MINE) -> Sample:
    return Sample(SampleType.ORDERS, "a", session, at_ms, 3)


def test_its_rows_are_in_no_provisional_figure_although_on_time() -> None:
    made = stage()
    made.fold(record([sample()]))
    before = {m: one.sum("orders").copy() for m, one in made.state.opens.items()}
    work = made.fold(record([sample()], 1, Supersedes(epoch=1, sequence=0)))
    assert work.raw is not None
    assert work.raw[1]["late"].tolist() == [1]  # type: ignore[union-attr]
    assert work.also is not None
    assert work.also[0] == "corrections"
    assert all((made.state.opens[m].sum("orders") == n).all() for m, n in before.items())
    source = made.state.sources[TOPIC, "p01", "a"]
    assert (source.rows, source.late_rows) == (2, 0)


def test_a_correction_with_one_bad_row_withdraws_nothing() -> None:
    foreign = next(i for n in range(99) if shard_of([(i := f"{n:032x}").encode()], PARTITIONS)[0])
    for bad in (sample(at_ms=START + 3_600_000), sample(session=foreign)):
        made = stage()
        work = made.fold(record([sample(), bad], 0, Supersedes(epoch=1, sequence=7)))
        assert (work.raw, work.also) == (None, None)
        assert work.dead
        assert "ce_supersedes: must not stand on a batch with a refused row" in work.dead[1][0]


def test_a_copied_correction_is_noted_once() -> None:
    made = stage()
    what = Supersedes(epoch=1, sequence=7)
    assert made.fold(record([sample()], 0, what)).also
    assert made.fold(record([sample()], 0, what)).also is None
