"""Bodies of HTTP: what a client compressed, and what it asks to have compressed."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import lz4.frame
import pyarrow as pa

from deploy.clickhouse_embedded import wire
from deploy.clickhouse_embedded.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, ServerError
from deploy.clickhouse_embedded.reader import FrameReader, Reader
from deploy.clickhouse_embedded.spool import Spool

_CHUNK: Final = 1 << 20
_GZIP_WBITS: Final = 31
_ANY_ZLIB_WBITS: Final = 47


class Encoder(Protocol):
    """Compresses a response piece by piece."""

    def encode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Plain:
    def encode(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class NativeFrames(Plain):
    """`compress=1`: the frames of the native protocol."""

    def encode(self, data: bytes) -> bytes:
        return wire.compress(data)


class Zlib:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.compressobj(level=3, wbits=wbits)

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def finish(self) -> bytes:
        return self._stream.flush()


class Lz4:
    def __init__(self) -> None:
        self._stream = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def encode(self, data: bytes) -> bytes:
        begin = b"" if self._begun else self._stream.begin()
        self._begun = True
        return bytes(begin + self._stream.compress(data))

    def finish(self) -> bytes:
        return bytes(self._stream.flush()) if self._begun else self.encode(b"") + self.finish()


class Zstd:
    def __init__(self) -> None:
        self._out = _Collected()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._out, mode="w"), "zstd")

    def encode(self, data: bytes) -> bytes:
        self._stream.write(data)
        return self._out.take()

    def finish(self) -> bytes:
        self._stream.close()
        return self._out.take()


class _Collected:
    """A file that hands over what was written to it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        joined = b"".join(self._parts)
        self._parts.clear()
        return joined


_ENCODERS: Final[dict[str, Callable[[], Encoder]]] = {
    "lz4": Lz4,
    "zstd": Zstd,
    "gzip": lambda: Zlib(_GZIP_WBITS),
    "deflate": lambda: Zlib(zlib.MAX_WBITS),
}


def choose(accepted: str) -> tuple[str, Encoder]:
    """The first encoding of an Accept-Encoding header that is known here; ("", Plain) if none."""
    for part in accepted.split(","):
        name = part.split(";")[0].strip().lower()
        if name in _ENCODERS:
            return name, _ENCODERS[name]()
    return "", Plain()


def decode(body: Spool, name: str, into: Spool) -> None:
    """Write the decompressed body into another spool; CANNOT_DECOMPRESS (271) if it is damaged."""
    decoders = {"lz4": _lz4, "zstd": _zstd, "gzip": _zlib, "deflate": _zlib, "native": _native}
    if name not in decoders:
        raise ServerError(NOT_IMPLEMENTED, f"Content-Encoding {name!r} is not supported here")
    try:
        for piece in decoders[name](body):
            into.write(piece)
    except (zlib.error, RuntimeError, OSError, EOFError) as error:
        raise ServerError(CANNOT_DECOMPRESS, f"Cannot decompress the body: {error}") from None


def _zlib(body: Spool) -> Iterator[bytes]:
    stream = zlib.decompressobj(_ANY_ZLIB_WBITS)
    whole = True
    for chunk in body.chunks(_CHUNK):
        data = chunk
        while data:
            whole = False
            yield stream.decompress(data, _CHUNK)
            data = stream.unconsumed_tail
            if stream.eof:  # gzip members may follow one another
                data, whole = stream.unused_data, True
                stream = zlib.decompressobj(_ANY_ZLIB_WBITS)
    _must_be(whole)


def _lz4(body: Spool) -> Iterator[bytes]:
    stream = lz4.frame.LZ4FrameDecompressor()
    whole = True
    for chunk in body.chunks(_CHUNK):
        data: bytes | None = chunk
        while data:
            whole = False
            yield stream.decompress(data, _CHUNK)
            while not stream.needs_input and not stream.eof:
                yield stream.decompress(b"", _CHUNK)
            data = stream.unused_data if stream.eof else None
            if stream.eof:
                stream, whole = lz4.frame.LZ4FrameDecompressor(), True
    _must_be(whole)


def _must_be(whole: bool) -> None:
    if not whole:
        raise EOFError("it is cut short")


def _zstd(body: Spool) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.PythonFile(body.file(), mode="r"), "zstd") as stream:
        while piece := stream.read(_CHUNK):
            yield piece


class _SpoolReader(Reader):
    def __init__(self, body: Spool) -> None:
        super().__init__()
        self._chunks = body.chunks(_CHUNK)

    def _more(self) -> bytes:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise EOFError("the last frame is cut short")
        return chunk

    def at_end(self) -> bool:
        if self.pos < len(self.data):
            return False
        self.data, self.pos = next(self._chunks, b""), 0
        return not self.data


def _native(body: Spool) -> Iterator[bytes]:
    source = _SpoolReader(body)
    frames = FrameReader(source)
    while not source.at_end():
        yield frames.frame()
