"""A TCP proxy that breaks connections on demand: cut, truncate, delay, drop, lose a reply.

All proxies run in one thread of their own; `strike` and `hold` may be called from any. A strike
waits for traffic that is worth breaking, and says when it has: only then has the fault happened.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from deploy.stack.settings import HOST

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
#: A request of this many bytes carries rows, not a question.
LEAST_BYTES = 2_000
_BLACK_HOLE_S = 3.0

Acknowledges = Callable[[bytes], bool]


@dataclass
class Strike:
    """Break the next connection that is in the middle of something. `hit` is set when done,
    `in_flight` is how many bytes were on their way."""

    how: str
    hit: threading.Event = field(default_factory=threading.Event)
    in_flight: int = 0
    expires: float = 0.0

    def done(self, in_flight: int) -> None:
        self.in_flight = in_flight
        self.hit.set()


class Proxy:
    """Listens on `port` and passes everything on to `target`.

    `acknowledges` tells from a chunk of a reply whether a request was acknowledged by it.
    """

    def __init__(self, port: int, target: int, acknowledges: Acknowledges) -> None:
        self.port, self.target = port, target
        self.acknowledges = acknowledges
        self.held_until = 0.0
        self.held = threading.Event()
        self._strikes: list[Strike] = []
        self._server: asyncio.Server | None = None

    def strike(self, how: str, patience_s: float) -> Strike:
        """Arm a strike of kind cut, truncate, drop or lost_reply."""
        armed = Strike(how, expires=time.monotonic() + patience_s)
        self._strikes.append(armed)
        return armed

    def hold(self, seconds: float) -> threading.Event:
        """Delay everything; the event is set when something was held back."""
        self.held, self.held_until = threading.Event(), time.monotonic() + seconds
        return self.held

    def take(self, *how: str) -> Strike | None:
        """An armed strike of one of these kinds, once."""
        now = time.monotonic()
        self._strikes = [s for s in self._strikes if s.expires > now]
        for strike in self._strikes:
            if strike.how in how:
                self._strikes.remove(strike)
                return strike
        return None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            _reset(writer)
            return
        await _Connection(self, reader, writer, far_reader, far_writer).run()


class _Connection:
    """One client's connection, both ways."""

    def __init__(
        self,
        proxy: Proxy,
        near_reader: asyncio.StreamReader,
        near: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._near_reader, self._near = near_reader, near
        self._far_reader, self._far = far_reader, far
        self._request = 0  # bytes asked since the last reply
        self._swallow: Strike | None = None  # replies are lost until one acknowledges
        self._hole = False

    async def run(self) -> None:
        pumps = [asyncio.ensure_future(self._up()), asyncio.ensure_future(self._down())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            _reset(self._near)
            _reset(self._far)

    async def _up(self) -> None:
        """Requests, to the server."""
        with suppress(OSError):
            while chunk := await self._near_reader.read(_CHUNK):
                await self._held()
                self._request += len(chunk)
                if self._hole:
                    continue
                if len(chunk) >= LEAST_BYTES and await self._struck(chunk):
                    return
                self._far.write(chunk)
                await self._far.drain()

    async def _struck(self, chunk: bytes) -> bool:
        """Whether the connection was broken in the middle of this chunk."""
        strike = self._proxy.take("cut", "truncate", "drop")
        if strike is None:
            return False
        if strike.how == "drop":
            self._hole = True
            asyncio.get_running_loop().call_later(_BLACK_HOLE_S, self._abort)
            strike.done(len(chunk))
            return False
        half = chunk[: len(chunk) // 2]
        self._far.write(half)
        with suppress(OSError):
            await self._far.drain()
            strike.done(len(chunk))
            if strike.how == "truncate":  # an orderly end in the middle of a message
                self._far.write_eof()
                await asyncio.sleep(0.2)
        return True

    async def _down(self) -> None:
        """Replies, to the client."""
        with suppress(OSError):
            while chunk := await self._far_reader.read(_CHUNK):
                await self._held()
                if self._hole:
                    continue
                if self._swallow is None and self._request >= LEAST_BYTES:
                    self._swallow = self._proxy.take("lost_reply")
                if self._swallow is not None:
                    if self._proxy.acknowledges(chunk):
                        self._swallow.done(self._request)
                        return
                    continue
                self._request = 0
                self._near.write(chunk)
                await self._near.drain()

    async def _held(self) -> None:
        while (left := self._proxy.held_until - time.monotonic()) > 0:
            self._proxy.held.set()
            await asyncio.sleep(left)

    def _abort(self) -> None:
        _reset(self._near)
        _reset(self._far)


class Proxies:
    """Proxies in a thread of their own."""

    def __init__(self, proxies: list[Proxy]) -> None:
        self._proxies = proxies
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> Proxies:
        self._thread.start()
        for proxy in self._proxies:
            asyncio.run_coroutine_threadsafe(proxy.listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        """No connection goes on, no task is left behind."""
        for proxy in self._proxies:
            proxy.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def inserted(reply: bytes) -> bool:
    """ClickHouse's native protocol: an insert was taken when EndOfStream (5) comes."""
    return reply.endswith(b"\x05")


def any_reply(_reply: bytes) -> bool:
    """Kafka: with one request after the other, the next reply is the one to a large request."""
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: the other side must not take it for an orderly end."""
    found = writer.get_extra_info("socket")
    with suppress(OSError):
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
