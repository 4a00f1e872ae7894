"""What a backup consists of, with checksums: `manifest.json` in its directory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deploy.errors import StackError, UsageError
from deploy.operations.tables import rows_in

NAME = "manifest.json"
FORMAT = 1
_CHUNK = 1 << 20


class DataFile(BaseModel):
    """One partition of one table. `file` is relative to the backup."""

    table: str
    part: str
    file: str
    rows: int
    bytes: int
    sha256: str


class LaneFile(BaseModel):
    """The checkpoint of one partition of a stage; `entries` None where there was none."""

    stage: str
    partition: int
    epoch: int
    file: str
    bytes: int
    sha256: str
    positions: dict[str, int]


class Manifest(BaseModel):
    """All of it. Times are UTC, ISO 8601."""

    format: int = FORMAT
    tool: str
    state_version: int
    schema_number: int
    database: str
    group: str
    partitions: int
    cluster_id: str
    topic_ids: dict[str, str]
    began: str
    cut: str
    ended: str
    lanes: list[LaneFile]
    offsets: dict[str, int]
    tables: list[str]
    files: list[DataFile]

    def rows(self) -> dict[str, int]:
        """Rows by table."""
        out = dict.fromkeys(self.tables, 0)
        for one in self.files:
            out[one.table] += one.rows
        return out


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    seen = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_CHUNK):
            seen.update(piece)
    return seen.hexdigest()


def read(directory: Path) -> Manifest:
    """Raises UsageError where no backup of a format that we know is there."""
    try:
        found = Manifest.model_validate_json((directory / NAME).read_bytes())
    except OSError:
        raise UsageError(f"{directory} is not a backup: it has no {NAME}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise UsageError(f"{directory / NAME}: {where}: {first['msg']}") from None
    if found.format != FORMAT:
        raise UsageError(
            f"{directory / NAME} has format {found.format} and this version reads {FORMAT}: "
            f"restore with the version that wrote it, {found.tool}"
        )
    return found


def check(directory: Path) -> Manifest:
    """The manifest of a backup whose every file is as it was written. Raises StackError."""
    found = read(directory)
    some: list[LaneFile | DataFile] = [*found.lanes, *found.files]
    for one in some:
        path = directory / one.file
        if not path.is_file():
            raise StackError(f"{path} is missing")
        if path.stat().st_size != one.bytes or digest(path) != one.sha256:
            raise StackError(f"{path} is not as it was written: its checksum differs")
    for data in found.files:
        rows = rows_in(directory / data.file)
        if rows != data.rows:
            raise StackError(f"{data.file} holds {rows} rows and the manifest says {data.rows}")
    return found
