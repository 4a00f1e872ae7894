"""`livewatch ops backup | check-backup | restore | erase | erasures`."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.errors import StackError, UsageError
from deploy.shanghai import shown

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Home of a local stack to work on, instead of what the variables name.",
        show_default="the default home's, where no LIVEWATCH_BOOTSTRAP is set",
    ),
]


def backup(
    directory: Annotated[Path, typer.Argument(help="Where to; must not exist yet.")],
    home: HomeOption = None,
) -> None:
    """Keep the warehouse, the workers' state and the group's offsets, while all goes on.

    Page: docs/runbooks/backup-restore.md

    Examples:

        livewatch ops backup /backups/monday
    """
    from deploy.operations.backup import backup as make
    from deploy.operations.target import plain_errors, target

    at = target(home)
    with plain_errors(at):
        found = make(at, directory, _say)
    _say(f"{directory} holds the state as of {shown(datetime.fromisoformat(found.cut))}")


def check_backup(directory: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Read a backup and compare every file with its checksum; exit code 1 where one differs.

    Examples:

        livewatch ops check-backup /backups/monday
    """
    from deploy.operations.manifest import check

    found = check(directory)
    _say(
        f"{directory} is whole: {sum(found.rows().values())} rows in {len(found.tables)} tables, "
        f"schema {found.schema_number:04d}, state of {len(found.lanes)} partitions as of "
        f"{shown(datetime.fromisoformat(found.cut))}"
    )


def restore(
    directory: Annotated[Path, typer.Argument(help="A backup.")],
    home: HomeOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the tables and the state that are there.")
    ] = False,
    erasure: Annotated[
        list[Path] | None,
        typer.Option(help="File of proof of an erasure that the backup is too old to know."),
    ] = None,
) -> None:
    """Bring warehouse, state and offsets to what a backup holds. The workers must be stopped.

    They then go on from there: what Kafka still holds of the time since is read again.
    Page: docs/runbooks/backup-restore.md

    Examples:

        livewatch ops restore /backups/monday

        livewatch ops restore /backups/monday --force --erasure proof.json
    """
    from deploy.operations.restore import restore as bring_back
    from deploy.operations.target import plain_errors, target

    at = target(home)
    with plain_errors(at):
        done = bring_back(at, directory, _say, force=force, proofs=erasure or [])
    if done.new_topics:
        _say(f"made anew since the backup, read from their beginning: {', '.join(done.new_topics)}")
    if done.erased_again:
        _say(f"{done.erased_again} erasures that the backup did not know were carried out again")
    _say(
        f"{sum(done.rows.values())} rows are back; start the workers, with empty state directories"
    )


def erase(
    proof: Annotated[Path, typer.Option(help="File of proof to write (JSON); must not exist.")],
    reason: Annotated[str, typer.Option(help="Why; goes on record.")] = "",
    platform: Annotated[str, typer.Option(help="Platform whose data goes.")] = "",
    session: Annotated[str, typer.Option(help="Only this live session of it.")] = "",
    by: Annotated[
        str, typer.Option(help="Who asks; goes on record.", show_default="user of this machine")
    ] = "",
    prove: Annotated[
        str, typer.Option(help="Erase nothing; look again at the erasure with this id.")
    ] = "",
    home: HomeOption = None,
) -> None:
    """Erase a platform's or a session's data everywhere, with proof. The workers must be stopped.

    Exit code 1 while something is left. The workers drop what they hold of it at their next start;
    after that --prove must find nothing. Page: docs/runbooks/erase.md

    Examples:

        livewatch ops erase --platform p-one --reason "contract ended" --proof p-one.json

        livewatch ops erase --prove 0a1b2c3d4e5f6071 --proof p-one-after.json
    """
    from deploy.operations import erasures
    from deploy.operations.target import plain_errors, target

    at = target(home)
    if proof.exists():
        raise UsageError(f"--proof: {proof} exists")
    with plain_errors(at):
        if prove:
            done = erasures.prove(at, prove)
        else:
            asked = erasures.request(platform, session, reason, by, datetime.now(UTC))
            done = erasures.erase(at, asked)
    _write_once(proof, done.text())
    for table, count in done.tables.items():
        _say(f"{table}: {count.before} rows before, {count.after} after")
    left = sorted({name for names in done.state.values() for name in names})
    _say(f"erasure {done.request.erasure_id}; proof in {proof}")
    if any(c.after for c in done.tables.values()):
        raise StackError("rows are left: see the proof")
    if left:
        _say(f"the workers' state names {len(left)} of it until they start; then prove it again")
        if prove:
            raise StackError("the workers' state still names it: have they been started?")


def erasures(home: HomeOption = None) -> None:
    """List what was erased, when, by whom and why.

    Examples:

        livewatch ops erasures
    """
    from deploy.operations.erasures import known
    from deploy.operations.tables import client
    from deploy.operations.target import plain_errors, target

    at = target(home)
    with plain_errors(at), client(at, "default") as db:
        for one in known(db, at.clickhouse_database):
            what = one.platform_id + (f" session {one.session_id}" if one.session_id else "")
            _say(
                f"{one.erasure_id}  {shown(one.erased_at)}  {what}  by {one.erased_by}: "
                f"{one.reason}"
            )


def register(app: typer.Typer) -> None:
    """Add these verbs to `livewatch ops`."""
    app.command()(backup)
    app.command("check-backup")(check_backup)
    app.command()(restore)
    app.command()(erase)
    app.command()(erasures)


def _write_once(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        sys.stdout.write(text)  # what was done cannot be undone: its proof must not be lost
        raise StackError(f"cannot write {path}: {error.strerror}; the proof stands above") from None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
