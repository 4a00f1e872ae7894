"""Where the data of an insert waits until all of it has come."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from deploy.clickhouse_embedded.errors import TOO_LARGE_SIZE, ServerError

_IN_MEMORY: Final = 64 << 20


class Spool:
    """Bytes in memory, in a file of the data directory when many; never more than `limit`."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by close()
            max_size=_IN_MEMORY, dir=str(directory)
        )
        self._limit = limit
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise ServerError(TOO_LARGE_SIZE, f"More than {self._limit} bytes in one insert")
        self._file.write(data)

    def chunks(self, size: int, start: int = 0) -> Iterator[bytes]:
        self._file.seek(start)
        while chunk := self._file.read(size):
            yield chunk

    def file(self) -> IO[bytes]:
        """The data from its beginning, as a file."""
        self._file.seek(0)
        return cast(IO[bytes], self._file)

    def head(self, size: int) -> bytes:
        self._file.seek(0)
        head: bytes = self._file.read(size)
        self._file.seek(0, 2)
        return head

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
