"""Varints, strings and LZ4 frames, with clickhouse-driver's own code as the reference."""

import io
import socket
import threading
from collections.abc import Callable

import pytest
from clickhouse_driver import varint as reference_varint
from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.compression.lz4 import Compressor, Decompressor
from clickhouse_driver.reader import read_binary_uint8, read_binary_uint128
from clickhouse_driver.writer import write_binary_str
from hypothesis import given
from hypothesis import strategies as st

from deploy.clickhouse_embedded import wire
from deploy.clickhouse_embedded.errors import ServerError
from deploy.clickhouse_embedded.reader import BytesReader, FrameReader, SocketReader

_SIZES = st.integers(0, 2**64 - 1)


def _written_by_driver(write: Callable[[BufferedSocketWriter], object]) -> bytes:
    """What the driver's writer puts on a socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        out = BufferedSocketWriter(theirs, 1 << 16)
        write(out)
        out.flush()
        theirs.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: ours.recv(1 << 16), b""))


def _driver_reader(data: bytes) -> tuple[BufferedSocketReader, socket.socket]:
    ours, theirs = socket.socketpair()
    threading.Thread(target=lambda: (ours.sendall(data), ours.close()), daemon=True).start()
    return BufferedSocketReader(theirs, 1 << 16), theirs


@given(_SIZES)
def test_varints_match_the_drivers(value: int) -> None:
    theirs = _written_by_driver(lambda out: reference_varint.write_varint(value, out))
    assert wire.varint(value) == theirs
    assert BytesReader(theirs).varint() == value


@pytest.mark.parametrize("value", ["", "a", "直播", "x" * 300])
def test_strings_match_the_drivers(value: str) -> None:
    theirs = _written_by_driver(lambda out: write_binary_str(value, out))
    assert wire.string(value) == theirs
    assert BytesReader(theirs).string() == value


def test_a_varint_that_never_ends_is_refused() -> None:
    with pytest.raises(ServerError, match="varint"):
        BytesReader(b"\xff" * 11).varint()


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_the_driver_reads_our_frames(size: int) -> None:
    raw = bytes(range(256)) * (size // 256 + 1)
    reader, sock = _driver_reader(wire.compress(raw[:size]))
    with sock:
        checksum = read_binary_uint128(reader)
        method = read_binary_uint8(reader)
        assert Decompressor(reader).get_decompressed_data(method, checksum, 1) == raw[:size]


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_we_read_the_drivers_frames(size: int) -> None:
    raw = bytes(range(256)) * (size // 256 + 1)
    compressor = Compressor()
    compressor.write(raw[:size])
    body = bytes([wire.METHOD_LZ4]) + compressor.get_compressed_data(1)
    reader = FrameReader(BytesReader(wire.frame_hash(body) + body))
    assert reader.read(size) == raw[:size]
    assert reader.at_end()


def test_large_data_is_cut_into_frames() -> None:
    raw = b"ab" * (wire.FRAME_RAW_BYTES + 7)
    frames = wire.compress(raw)
    assert FrameReader(BytesReader(frames)).read(len(raw)) == raw
    assert wire.frame_sizes(frames[16:25])[2] == wire.FRAME_RAW_BYTES


def test_a_damaged_frame_is_refused() -> None:
    frame = bytearray(wire.compress(b"hello" * 100))
    frame[-1] ^= 1
    with pytest.raises(ServerError) as caught:
        FrameReader(BytesReader(bytes(frame))).read(1)
    assert caught.value.code == 40


@pytest.mark.parametrize("header", [b"\x82\x00\0\0\0\1\0\0\0", b"\x82\xff\xff\xff\xff\1\0\0\0"])
def test_impossible_sizes_are_refused(header: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        wire.frame_sizes(header)
    assert caught.value.code == 131


def test_an_unknown_method_is_refused() -> None:
    body = b"\x55\x0a\0\0\0\x01\0\0\0x"
    with pytest.raises(ServerError) as caught:
        wire.decompress(wire.frame_hash(body), body[:9], body[9:])
    assert caught.value.code == 89


@given(st.lists(st.binary(max_size=400)), st.binary(max_size=20))
def test_strings_are_stepped_over(values: list[bytes], rest: bytes) -> None:
    data = b"".join(wire.string(value) for value in values)
    assert wire.skip_strings(data + rest, 0, len(values)) == (len(data), 0)


@given(st.lists(st.binary(max_size=300), min_size=1), st.data())
def test_strings_cut_short_are_counted(values: list[bytes], choice: st.DataObject) -> None:
    parts = [wire.string(value) for value in values]
    data = b"".join(parts)
    cut = choice.draw(st.integers(0, len(data) - 1))
    position, left = wire.skip_strings(data[:cut], 0, len(values))
    assert position == sum(len(part) for part in parts[: len(values) - left])
    assert left > 0


@pytest.mark.parametrize("length", [0, 1, 36, 127, 128])
def test_strings_of_one_length_are_stepped_over(length: int) -> None:
    data = wire.string(b"x" * length) * 1000
    assert wire.skip_strings(data + b"\x05", 0, 1000) == (len(data), 0)
    assert wire.skip_strings(data[:-1], 0, 1000)[1] == 1


def test_a_copy_of_what_is_stepped_over() -> None:
    """In pieces of any size, the copy has the bytes between its begin and its end only."""
    ours, theirs = socket.socketpair()
    payload = wire.string(b"head") + b"".join(wire.string(b"s" * n) for n in range(500)) + b"tail"

    def send() -> None:
        for start in range(0, len(payload), 997):
            ours.sendall(payload[start : start + 997])
        ours.close()

    with theirs:
        threading.Thread(target=send, daemon=True).start()
        reader, copy = SocketReader(theirs), io.BytesIO()
        assert reader.string() == "head"
        reader.copy_to(copy)
        reader.skip_strings(500)
        reader.copy_to(None)
        assert reader.read(4) == b"tail"
        assert copy.getvalue() == payload[5:-4]
        with pytest.raises(EOFError):
            reader.uint8()
