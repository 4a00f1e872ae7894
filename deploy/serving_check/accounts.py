"""One account a role, two platforms and two districts, with tokens, in the file of a stack."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher

from pipelines.accounts.book import Account, Accounts
from pipelines.accounts.proof import new_token
from pipelines.core.ledger.roles import Actor, Role


@dataclass(frozen=True)
class Holder:
    """Somebody who may ask: who he is, and what he proves it by."""

    actor: Actor
    token: str
    password: str


def write(path: Path, platforms: Iterable[str], districts: Iterable[str]) -> list[Holder]:
    """Make the file anew; every role once, `platform` and `district_bureau` for each given."""
    now_ms = round(time.time() * 1000)
    actors = [Actor(f"platform-{p}", Role.PLATFORM, platform_id=p) for p in platforms]
    actors += [Actor(f"bureau-{d}", Role.DISTRICT_BUREAU, district=d) for d in districts]
    bound = (Role.PLATFORM, Role.DISTRICT_BUREAU)
    actors += [Actor(role.value.replace("_", "-"), role) for role in Role if role not in bound]
    holders, made = [], []
    password = secrets.token_urlsafe(16)
    hashed = PasswordHasher().hash(password)
    for one in actors:
        token, kept = new_token(now_ms, 1)
        holders.append(Holder(one, token, password))
        made.append(
            Account(
                name=one.account,
                role=one.role,
                platform_id=one.platform_id,
                district=one.district,
                password=hashed,
                created_ms=now_ms,
                tokens=(kept,),
            )
        )
    path.write_text(Accounts(accounts=tuple(made)).model_dump_json())
    path.chmod(0o600)
    return holders
