"""Reading the native protocol from a socket, with a copy of the data blocks put aside.

A reader knows bytes, not packets. While `copy_to` is set, whatever is stepped over is also written
there, so that a block's end can be found without holding the block.
"""

import socket
import struct
from typing import Final, Protocol

from deploy.clickhouse_embedded import wire
from deploy.clickhouse_embedded.errors import TOO_LARGE_SIZE, ServerError

_CHUNK: Final = 1 << 20
MAX_STRING: Final = 1 << 30


class Sink(Protocol):
    def write(self, data: bytes | memoryview, /) -> object: ...


class Reader:
    """Steps over bytes; `_more` of a subclass supplies them."""

    def __init__(self) -> None:
        self.data = b""
        self.pos = 0
        self._sink: Sink | None = None
        self._mark = 0

    def _more(self) -> bytes:
        raise NotImplementedError

    def copy_to(self, sink: Sink | None) -> None:
        """Write what is stepped over from here on to `sink`; None ends it."""
        self._flush()
        self._sink, self._mark = sink, self.pos

    def _flush(self) -> None:
        if self._sink is not None and self.pos > self._mark:
            self._sink.write(memoryview(self.data)[self._mark : self.pos])
        self._mark = self.pos

    def _fill(self) -> None:
        self._flush()
        more = self._more()
        self.data = self.data[self.pos :] + more if self.pos < len(self.data) else more
        self.pos = self._mark = 0

    def read(self, size: int) -> bytes:
        if size > MAX_STRING:
            raise ServerError(TOO_LARGE_SIZE, f"A value of {size} bytes is too large")
        if len(self.data) - self.pos < size:
            self._gather(size)
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def _gather(self, size: int) -> None:
        """Have `size` bytes at `pos`, joining once however many pieces they come in."""
        self._flush()
        parts = [self.data[self.pos :]]
        have = len(parts[0])
        while have < size:
            parts.append(self._more())
            have += len(parts[-1])
        self.data = b"".join(parts)
        self.pos = self._mark = 0

    def skip(self, size: int) -> None:
        while size > len(self.data) - self.pos:
            size -= len(self.data) - self.pos
            self.pos = len(self.data)
            self._fill()
        self.pos += size

    def uint8(self) -> int:
        if self.pos == len(self.data):
            self._fill()
        self.pos += 1
        return self.data[self.pos - 1]

    def uint64(self) -> int:
        return int(struct.unpack("<Q", self.read(8))[0])

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.uint8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ServerError(TOO_LARGE_SIZE, "A number is not a varint")

    def string(self) -> str:
        return self.read(self.varint()).decode("utf-8", "surrogateescape")

    def skip_strings(self, rows: int) -> None:
        while rows:
            self.pos, rows = wire.skip_strings(self.data, self.pos, rows)
            if rows:  # the next string is not whole in memory
                self.skip(self.varint())
                rows -= 1


class BytesReader(Reader):
    """A reader of bytes in memory, for blocks that the engine made."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    def _more(self) -> bytes:
        raise EOFError("the block is cut short")

    def at_end(self) -> bool:
        return self.pos == len(self.data)


class SocketReader(Reader):
    """The plain side of a connection. Raises EOFError when the client has gone."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def _more(self) -> bytes:
        data = self._sock.recv(_CHUNK)
        if not data:
            raise EOFError("the client closed the connection")
        return data


class FrameReader(Reader):
    """The raw data inside the compressed frames of another reader."""

    def __init__(self, source: Reader) -> None:
        super().__init__()
        self._source = source

    def _more(self) -> bytes:
        return self.frame()

    def frame(self) -> bytes:
        """The raw data of the next frame."""
        checksum = self._source.read(wire.FRAME_HASH)
        header = self._source.read(wire.FRAME_HEADER)
        _, size, _ = wire.frame_sizes(header)
        return wire.decompress(checksum, header, self._source.read(size))

    def at_end(self) -> bool:
        return self.pos == len(self.data)
