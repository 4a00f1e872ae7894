"""An account acts from the command line: proven by its password, written through the same fence."""

from __future__ import annotations

import asyncio
import logging
import secrets

from pipelines.accounts.book import Current
from pipelines.accounts.errors import AccountError
from pipelines.accounts.proof import Proofs
from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Draft, Kind
from pipelines.core.ledger.lifecycle import FlagFile
from pipelines.core.ledger.requests import Request, decide
from pipelines.core.ledger.roles import Actor
from pipelines.ledger.log import LedgerLog
from pipelines.ledger.read import wall_ms
from pipelines.ledger.rules import RULES
from pipelines.settings import Settings
from pipelines.topics import LEDGER_TOPIC


def act(
    settings: Settings,
    account: str,
    password: str,
    request_id: str,
    flag_id: str,
    kind: Kind,
    why: str,
    correction: str,
) -> FlagFile:
    """The file afterwards. Raises AccountError, RefusedError, LedgerError and BrokenChainError."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    actor = Proofs(Current(settings.accounts_file), wall_ms).check_password(account, password)
    if actor is None:
        raise AccountError(f"{account}: wrong name or password, or disabled")
    identity = f"{account}:{request_id or secrets.token_hex(16)}"
    request = Request(identity, flag_id, kind, why, correction)
    return asyncio.run(_append(settings, actor, request))


async def _append(settings: Settings, actor: Actor, request: Request) -> FlagFile:
    ledger = LedgerLog(settings.bootstrap, LEDGER_TOPIC, settings.ledger_id, wall_ms)

    def drafts(book: Book) -> list[Draft]:
        if request.request_id in book.ids:
            return []
        return [decide(request, book.files.get(request.flag_id), actor, wall_ms(), RULES)]

    try:
        await ledger.start(patience_s=3.0)
        await ledger.append(drafts)
        return ledger.book.files[request.flag_id]
    finally:
        await ledger.stop()
