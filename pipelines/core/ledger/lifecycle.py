"""The file of one flag, and what may follow what.

    OPEN --> ACKED --> APPEALED --> UPHELD | OVERTURNED | CORRECTED --> CLEARED
                 \\---------------------------------------------------> CLEARED

Detector and clerk write OPENED, GRADED, OVER, LEVEL and HELD beside it: they tell of the flag, and
only OPENED changes the state of its file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from pipelines.core.ledger.entry import Entry, Kind

GRADES = ("watch", "raised", "critical")


class State(StrEnum):
    """Where a file stands."""

    OPEN = "OPEN"
    ACKED = "ACKED"
    APPEALED = "APPEALED"
    UPHELD = "UPHELD"
    OVERTURNED = "OVERTURNED"
    CORRECTED = "CORRECTED"
    CLEARED = "CLEARED"


class Level(IntEnum):
    """Who is concerned: notice 提示, warning 预警, action 处置."""

    NONE = 0
    NOTICE = 1
    WARNING = 2
    ACTION = 3

    @classmethod
    def of(cls, name: str) -> Level:
        return cls[name.upper()]

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def zh(self) -> str:
        return ("无", "提示", "预警", "处置")[self]


#: Kinds that move a file: from which states, and to which.
MOVES: dict[Kind, tuple[frozenset[State], State]] = {
    Kind.ACKED: (frozenset({State.OPEN}), State.ACKED),
    Kind.APPEALED: (frozenset({State.ACKED}), State.APPEALED),
    Kind.UPHELD: (frozenset({State.APPEALED}), State.UPHELD),
    Kind.OVERTURNED: (frozenset({State.APPEALED}), State.OVERTURNED),
    Kind.CORRECTED: (frozenset({State.APPEALED}), State.CORRECTED),
    Kind.CLEARED: (
        frozenset({State.ACKED, State.UPHELD, State.OVERTURNED, State.CORRECTED}),
        State.CLEARED,
    ),
}
DECISIONS = frozenset({Kind.UPHELD, Kind.OVERTURNED, Kind.CORRECTED})


class IllegalMoveError(Exception):
    """An entry that may not follow what stands in the file."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who did something, when and why. `at` in ms since the epoch."""

    account: str
    role: str
    at: int
    why: str


@dataclass(frozen=True, slots=True)
class FlagFile:
    """All that the ledger says of one flag. Times are ms since the epoch; None: not so far."""

    flag_id: str
    rule: str
    grade: str
    entity_type: str
    entity: str
    platform_id: str
    category: str
    district: str
    parent_id: str
    onset: int
    event_at: int
    """Event time of the decision that opened it; the clock of mutes and maintenance windows."""
    opened_at: int
    """When it was written, by the ledger's clock; the clock of terms."""
    state: State = State.OPEN
    over_at: int | None = None
    over_event_at: int | None = None
    level: Level = Level.NONE
    noticed_at: int | None = None
    """When somebody was first told."""
    warned_at: int | None = None
    """When it first was a warning or more."""
    told: tuple[str, ...] = ()
    shadow: bool = False
    """Its level is computed and measured; nobody is told."""
    held: str = ""
    acked: Act | None = None
    appealed: Act | None = None
    decided: Act | None = None
    decision: str = ""
    cleared: Act | None = None
    first_seq: int = -1
    last_seq: int = -1

    @property
    def counted(self) -> bool:
        """Whether it is in the counts: an overturned flag never again, cleared or not."""
        return self.decision != State.OVERTURNED

    @property
    def subject(self) -> tuple[str, str, str]:
        """Whom it is about: flags with the same subject are about one entity."""
        return (self.entity_type, self.platform_id, self.entity)


def step(file: FlagFile | None, entry: Entry) -> FlagFile:
    """The file after the entry. Raises IllegalMoveError where it may not follow."""
    if entry.kind is Kind.OPENED:
        if file is not None:
            raise IllegalMoveError("opened twice")
        return _opened(entry)
    if file is None:
        raise IllegalMoveError(f"{entry.kind} of a flag that was never opened")
    if entry.kind in MOVES:
        return _moved(file, entry)
    return replace(_told(file, entry), last_seq=entry.seq)


def _opened(entry: Entry) -> FlagFile:
    def text(name: str) -> str:
        return str(entry.details.get(name, ""))

    return FlagFile(
        flag_id=entry.flag_id,
        rule=text("rule"),
        grade=text("grade"),
        entity_type=text("entity_type"),
        entity=text("entity"),
        platform_id=text("platform_id"),
        category=text("category"),
        district=text("district"),
        parent_id=text("parent_id"),
        onset=_time(entry, "onset"),
        event_at=_time(entry, "event_time"),
        opened_at=entry.at,
        first_seq=entry.seq,
        last_seq=entry.seq,
    )


def _time(entry: Entry, name: str) -> int:
    value = entry.details.get(name, 0)
    if type(value) is not int:
        raise IllegalMoveError(f"{name} is no time")
    return value


def _moved(file: FlagFile, entry: Entry) -> FlagFile:
    allowed, to = MOVES[entry.kind]
    if file.state not in allowed and not _unnoticed(file, entry.kind):
        raise IllegalMoveError(f"{entry.kind} in state {file.state}")
    act = Act(entry.actor, entry.role, entry.at, entry.why)
    file = replace(file, state=to, last_seq=entry.seq)
    match entry.kind:
        case Kind.ACKED:
            return replace(file, acked=act)
        case Kind.APPEALED:
            return replace(file, appealed=act)
        case Kind.CLEARED:
            return replace(file, cleared=act)
        case _:
            return replace(file, decided=act, decision=to.value)


def _unnoticed(file: FlagFile, kind: Kind) -> bool:
    """Of what nobody was told nobody can acknowledge: it is cleared from OPEN."""
    nobody = file.noticed_at is None or file.shadow
    return kind is Kind.CLEARED and file.state is State.OPEN and nobody


def _told(file: FlagFile, entry: Entry) -> FlagFile:
    match entry.kind:
        case Kind.GRADED:
            grade = str(entry.details.get("grade", file.grade))
            parent = str(entry.details.get("parent_id", ""))
            if entry.details.get("event") != "detached":
                parent = parent or file.parent_id
            return replace(file, grade=grade, parent_id=parent)
        case Kind.OVER:
            return replace(file, over_at=entry.at, over_event_at=_time(entry, "event_time"))
        case Kind.HELD:
            return replace(file, held=str(entry.details.get("held", "")))
        case _:
            return _levelled(file, entry)


def _levelled(file: FlagFile, entry: Entry) -> FlagFile:
    try:
        level = Level.of(str(entry.details["level"]))
    except KeyError:
        raise IllegalMoveError("a level that does not exist") from None
    if level <= file.level:
        raise IllegalMoveError("a level that is not above the one before")
    warned = entry.at if level >= Level.WARNING else None
    return replace(
        file,
        level=level,
        noticed_at=entry.at if file.noticed_at is None else file.noticed_at,
        warned_at=warned if file.warned_at is None else file.warned_at,
        told=tuple(str(one) for one in entry.details.get("recipients", ())),
        shadow=bool(entry.details.get("shadow", False)),
        held="",
    )
