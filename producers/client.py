"""`TelemetryClient`: what a platform's back end calls.

    from pathlib import Path
    from producers import TelemetryClient
    from producers.anonymise import Secret
    from producers.keys.files import load_signer

    with TelemetryClient(
        "p01", "kafka.example:9092", Path("spool"), Secret.from_file(Path("secret")),
        signer=load_signer(Path("p01.pem")),
    ) as client:
        live = client.session(
            room="room-8812", streamer="u-4711", merchant="shop-9", district="310115",
            category="food",
        )
        live.viewers(1_203, unique_viewers=5_400, clicks=77, interactions=310)
        live.orders(12, paid_fen=118_800)
        live.complaints("C0301")
        live.reviews(1, mode="machine", outcome="passed", latency_ms=240)
        live.end()

**Accepted** is a sample whose call has returned: it is in the spool on disk, survives a kill -9 of
the process, and comes to the stored result exactly once. A call that raises has taken nothing:
`ContractError` (the sample breaks a rule), `SpoolFull` (no room within `block_s`), `SpoolError`.
Thread-safe; not across a fork.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from producers import metrics
from producers.anonymise.pseudonyms import Pseudonyms, key_epoch_at, random_id
from producers.anonymise.secret import Secret
from producers.connect import connect
from producers.corrections import of_session
from producers.errors import UsageError
from producers.pacing import wall_ms
from producers.samples import Checker, event_ms
from producers.sender import Sender, SenderPolicy
from producers.spool import Entry, Lane, Spool, SpoolLimits, SpoolStatus, row_entry, table_entries
from schemas import codes
from schemas.errors import ContractError
from schemas.sharding import shard_of
from schemas.signing import Signer
from schemas.telemetry import ARROW, PLATFORM_ID, SOURCE_ID, SampleType

When = datetime | int | None
_RAW = {
    "room": "room_pid",
    "streamer": "streamer_pid",
    "mcn": "mcn_pid",
    "merchant": "merchant_pid",
}


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """`block_s`: how long a call waits for room before SpoolFull. `bases`: the base ids that may
    be sent (None: any that cannot be personal data). `partitions`: of the topics, for a first
    start while Kafka is away; otherwise Kafka or the spool knows. `connect_s`: patience then."""

    limits: SpoolLimits = SpoolLimits()  # noqa: RUF009 - frozen
    sending: SenderPolicy = SenderPolicy()  # noqa: RUF009 - frozen
    block_s: float = 5.0
    bases: Iterable[str] | None = None
    partitions: int | None = None
    connect_s: float = 30.0


class TelemetryClient:
    """One platform's samples, from this process. One spool directory per process."""

    def __init__(
        self,
        platform_id: str,
        bootstrap: str,
        spool: Path,
        secret: Secret,
        *,
        signer: Signer | None = None,
        source: str | None = None,
        options: ClientOptions | None = None,
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        """Open the spool and start sending; Kafka may be away, except at the very first start.

        `source` is unique within the platform; left out, the spool makes one up and keeps it.
        Without a `signer` batches are unsigned: only a demo accepts them.
        Raises UsageError, SpoolError, and TransportError at a first start without Kafka.
        """
        self._options = options or ClientOptions()
        if not re.fullmatch(PLATFORM_ID.rstrip("$"), platform_id):
            raise UsageError(f"platform_id: must match {PLATFORM_ID}")
        if source is not None and not re.fullmatch(SOURCE_ID.rstrip("$"), source):
            raise UsageError(f"source: must match {SOURCE_ID}")
        self.platform_id, self._secret, self._now = platform_id, secret, now_ms
        self._checker = Checker(self._options.bases)
        self._pseudonyms: dict[int, Pseudonyms] = {}
        self._closed = False
        self._spool = Spool.open(spool, self._options.limits, now_ms())
        try:
            made_up = f"sdk-{secrets.token_hex(4)}"
            self.source = source or self._spool.setting("source", made_up)
            self._partitions = self._register(bootstrap)
        except BaseException:
            self._spool.close()
            raise
        self._sender = Sender(self._spool, bootstrap, self._options.sending, signer, now_ms)
        self._sender.start()

    def session(
        self,
        *,
        room: str,
        streamer: str,
        merchant: str,
        district: str,
        category: str,
        mcn: str | None = None,
        session_id: str | None = None,
        **dimensions: Any,
    ) -> Session:
        """A live session. `room`, `streamer`, `merchant`, `mcn` are the platform's own ids: they
        are hashed here and never leave. `session_id` continues a session from its `id`, e.g.
        after a restart; left out, it is new and random. `dimensions` are the contract's others
        (base_id, scenario, venue_id, origin_region, brand_type, streamer_certified,
        streamer_tier). Raises ContractError.
        """
        names = self.pseudonyms()
        raws = {"room": room, "streamer": streamer, "mcn": mcn, "merchant": merchant}
        given = {"district": district, "category": category, **dimensions}
        if not {*_RAW.values(), "session_id"}.isdisjoint(given):
            raise ContractError("fields", "pseudonyms are made here: give the raw ids")
        for domain, raw in raws.items():
            if raw is not None or domain != "mcn":
                given[_RAW[domain]] = _hashed(names, domain, raw)
        given["session_id"] = random_id() if session_id is None else session_id
        return Session(self, self._checker.dimensions(given))

    def pseudonyms(self) -> Pseudonyms:
        """Those of the present key epoch; for columns of `write`."""
        epoch = key_epoch_at(self._now())
        return self._pseudonyms.setdefault(epoch, Pseudonyms(self._secret, epoch))

    def write(
        self, sample: SampleType | str, rows: pa.RecordBatch | Sequence[Mapping[str, Any]]
    ) -> int:
        """Many rows of the contract at once, all or none; pseudonyms as `pseudonyms` makes them.

        How many were accepted. Raises ContractError (its `rows`: which), SpoolFull, SpoolError.
        """
        kind = SampleType(sample)
        try:
            batch = self._checker.table(kind, rows, self._now())
        except ContractError:
            count = rows.num_rows if isinstance(rows, pa.RecordBatch) else len(rows)
            metrics.REFUSED_ROWS.labels(kind.value).inc(count)
            raise
        self._append(
            table_entries(self.platform_id, self.source, batch, kind, self._partitions),
            kind,
            batch.num_rows,
        )
        return int(batch.num_rows)

    def status(self) -> SpoolStatus:
        """How full the spool is, and what waits."""
        return self._spool.status()

    @property
    def problem(self) -> str:
        """Why nothing is sent at the moment, in one line; empty when all is well."""
        return self._sender.problem

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Whether Kafka had acknowledged everything before the time was over."""
        return self._sender.flush(timeout_s)

    def close(self, timeout_s: float = 10.0, *, goodbye: bool = False) -> bool:
        """Flush and stop; False says that something stays in the spool for the next start.

        `goodbye`: this source will not come back, so that nobody waits for it.
        """
        if self._closed:
            return True
        self._closed = True
        sent = self._sender.goodbye(timeout_s) if goodbye else self._sender.flush(timeout_s)
        self._sender.close()
        self._spool.close()
        return sent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _register(self, bootstrap: str) -> int:
        known = self._spool.partitions(self.platform_id, self.source)
        partitions = (
            known or self._options.partitions or connect(bootstrap, self._options.connect_s)
        )
        self._spool.register(self.platform_id, self.source, partitions)
        return partitions

    def _record(
        self, session: Session, sample: SampleType, given: Mapping[str, Any], at: When
    ) -> None:
        now = self._now()
        try:
            ms = event_ms(at, now)
            values = {**session.dimensions, **self._checker.measures(sample, given)}
        except ContractError:
            metrics.REFUSED_ROWS.labels(sample.value).inc()
            raise
        row = [ms, *(values[name] for name in _AFTER_TIME[sample])]
        self._append([row_entry(session.lane(sample), ms, row)], sample, 1)

    def _append(self, entries: Sequence[Any], sample: SampleType, rows: int) -> None:
        if self._closed:
            raise UsageError("the client is closed")
        self._spool.append(entries, self._now(), timeout_s=self._options.block_s)
        metrics.ACCEPTED.labels(sample.value).inc(rows)


_AFTER_TIME = {t: [n for n in ARROW[t].names if n != "event_time"] for t in SampleType}


class Session:
    """A live session: each call is one sample. Counts are since the last sample; `at` is the
    event time (aware datetime or ms since epoch), now when left out. `more` are the contract's
    other measures of the sample. All raise ContractError, SpoolFull, SpoolError."""

    def __init__(self, client: TelemetryClient, dimensions: dict[str, Any]) -> None:
        self._client = client
        self.dimensions = dimensions
        self.id: str = dimensions["session_id"]
        shard = int(shard_of([self.id.encode()], client._partitions)[0])
        self._lanes = {t: Lane(client.platform_id, client.source, t, shard) for t in SampleType}
        self._ended = False

    def lane(self, sample: SampleType) -> Lane:
        return self._lanes[sample]

    def viewers(
        self,
        viewers: int | None,
        *,
        unique_viewers: int | None = None,
        clicks: int | None = None,
        interactions: int | None = None,
        at: When = None,
        **more: Any,
    ) -> None:
        """Viewers now and since the start, clicks, interactions; None is unknown, never zero."""
        if self._ended:
            raise UsageError("the session has ended")
        given = {
            "viewers": viewers,
            "unique_viewers": unique_viewers,
            "clicks": clicks,
            "interactions": interactions,
            **more,
        }
        self._client._record(self, SampleType.VIEWERS, given, at)

    def orders(
        self,
        orders: int,
        *,
        paid_fen: int,
        refunds: int = 0,
        refunded_fen: int = 0,
        at: When = None,
        **more: Any,
    ) -> None:
        """Orders paid and refunded, amounts in integer fen; also after the end.

        `more`: `cohort_days` (age of the refunded orders), `due_48h` with `shipped_48h`,
        `vouchers_redeemed`.
        """
        given = {
            "orders": orders,
            "paid_fen": paid_fen,
            "refunds": refunds,
            "refunded_fen": refunded_fen,
            **more,
        }
        self._client._record(self, SampleType.ORDERS, given, at)

    def complaints(
        self, code: str, count: int = 1, *, channel: str = "platform", at: When = None, **more: Any
    ) -> None:
        """Complaints or reports of one code; also after the end.

        For answers and closings alone `count` is 0: `responded`, `response_minutes`, `resolved`,
        `closed`.
        """
        given = {"code": code, "channel": channel, "complaints": count, **more}
        self._client._record(self, SampleType.COMPLAINTS, given, at)

    def reviews(
        self,
        reviews: int = 1,
        *,
        mode: str = "machine",
        outcome: str = "passed",
        latency_ms: int | None = None,
        at: When = None,
        **more: Any,
    ) -> None:
        """Real-time reviews of one mode and outcome, each of which took `latency_ms`."""
        given = {
            "mode": mode,
            "outcome": outcome,
            "reviews": reviews,
            "latency_ms": latency_ms,
            **more,
        }
        self._client._record(self, SampleType.REVIEWS, given, at)

    def withdraw(self, sample: SampleType | str, begin: When, end: When, reason: str) -> None:
        """Take back all samples of one type handed in so far with event times in [begin, end).

        They stay in the raw tables and leave the settled figures; what is handed in afterwards
        for that time stands in their place. `reason` is a code of the contract's list `reasons`.
        """
        client, kind = self._client, SampleType(sample)
        if reason not in codes.REASONS.codes:
            raise ContractError("reason", "must be a code of the contract's list")
        now = client._now()
        what = of_session(self.id, event_ms(begin, now), event_ms(end, now))
        lane = self._lanes[kind]
        client._append([Entry(lane, 0, now, b"", supersedes=what.text(), reason=reason)], kind, 0)

    def end(self, at: When = None, **more: Any) -> None:
        """The last viewers sample: nobody is there any more."""
        if not self._ended:
            flag = {"live": False} if "live" in ARROW[SampleType.VIEWERS].names else {}
            self.viewers(0, at=at, **flag, **more)
            self._ended = True


def _hashed(names: Pseudonyms, domain: str, raw: object) -> str:
    try:
        return names.make(domain, raw)  # type: ignore[arg-type]
    except ValueError as error:
        raise ContractError(domain, str(error)) from None
