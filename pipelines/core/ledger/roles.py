"""Who may do what, and see which flags: one table. Roles are those of DOMAIN section 2."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.core.ledger.lifecycle import FlagFile


class Role(StrEnum):
    """What an account is. A platform's is bound to its id, a district bureau's to its district."""

    COMMISSION = "commission"
    MARKET_REGULATION = "market_regulation"
    CYBERSPACE = "cyberspace"
    CULTURE_TOURISM = "culture_tourism"
    POLICE = "police"
    TAX = "tax"
    CONSUMER_COUNCIL = "consumer_council"
    DISTRICT_BUREAU = "district_bureau"
    PLATFORM = "platform"
    ASSOCIATION = "association"


class Action(StrEnum):
    """What can be asked for."""

    SEE = "see"
    EVIDENCE = "evidence"
    ACK = "ack"
    APPEAL = "appeal"
    DECIDE = "decide"
    CLEAR = "clear"
    VERIFY = "verify"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which flags a role sees: all, those of its own platform or district, those of some rules,
    and those of which it was told. None of these: none."""

    all: bool = False
    own_platform: bool = False
    own_district: bool = False
    rules: frozenset[str] = frozenset()
    told: bool = False


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a role may do with the flags that it sees."""

    scope: Scope = field(default_factory=Scope)
    actions: frozenset[Action] = frozenset()


_READ = frozenset({Action.SEE, Action.EVIDENCE})
_COMPLAINTS = frozenset({"F01", "F02", "F12"})
_TOLD = Permissions(Scope(told=True), _READ | {Action.ACK})

PERMISSIONS: dict[Role, Permissions] = {
    Role.COMMISSION: Permissions(Scope(all=True), frozenset(Action) - {Action.APPEAL}),
    Role.MARKET_REGULATION: Permissions(
        Scope(rules=_COMPLAINTS, told=True), _READ | {Action.ACK, Action.DECIDE}
    ),
    Role.CYBERSPACE: _TOLD,
    Role.CULTURE_TOURISM: Permissions(Scope(told=True), _READ),
    Role.POLICE: Permissions(Scope(told=True), _READ),
    Role.TAX: Permissions(),
    Role.CONSUMER_COUNCIL: Permissions(Scope(rules=_COMPLAINTS), frozenset({Action.SEE})),
    Role.DISTRICT_BUREAU: Permissions(Scope(own_district=True, told=True), _READ | {Action.ACK}),
    Role.PLATFORM: Permissions(Scope(own_platform=True), _READ | {Action.ACK, Action.APPEAL}),
    Role.ASSOCIATION: Permissions(),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """An account that was proven to be who it says. `platform_id` and `district` bind its role."""

    account: str
    role: Role
    platform_id: str = ""
    district: str = ""

    @property
    def recipient(self) -> str:
        """What it is called among those who are told."""
        if self.role is Role.PLATFORM:
            return f"platform:{self.platform_id}"
        if self.role is Role.DISTRICT_BUREAU:
            return f"district:{self.district}"
        return self.role.value


def may(actor: Actor, action: Action) -> bool:
    """Whether the role may do it at all."""
    return action in PERMISSIONS[actor.role].actions


def sees(actor: Actor, file: FlagFile) -> bool:
    """Whether the flag is in what the role may see. What it may not see does not exist for it."""
    permissions = PERMISSIONS[actor.role]
    scope = permissions.scope
    if Action.SEE not in permissions.actions:
        return False
    return (
        scope.all
        or (
            scope.own_platform and bool(actor.platform_id) and file.platform_id == actor.platform_id
        )
        or (scope.own_district and bool(actor.district) and file.district == actor.district)
        or file.rule in scope.rules
        or (scope.told and actor.recipient in file.told)
    )
