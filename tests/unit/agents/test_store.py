"""The checkpoint's table on the real embedded store: one key in every partition is many entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.agents.app import make_app, state_table
from pipelines.agents.store import (
    AcknowledgedTable,
    IncompleteCopyError,
    Key,
    StateStore,
    event_context,
)
from pipelines.core.blob import MAX_PIECE
from pipelines.core.upgrade import STATE_VERSION
from pipelines.settings import Settings

FENCE = 1 << 40


class Event(SimpleNamespace):
    """What table access looks at of an event; one that can be weakly referred to."""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AcknowledgedTable:
    made = state_table(make_app(Settings(), "t", tmp_path, 18_101), "t", 2)
    monkeypatch.setattr(made, "send_changelog", lambda *_, **__: _Sent())
    return made


class _Sent:
    """A changelog write that nobody waits for."""

    message = SimpleNamespace(partition=0)


def event(partition: int) -> Any:
    return Event(message=SimpleNamespace(partition=partition, topic="t"))


def written(table: AcknowledgedTable, partition: int, names: list[str]) -> Any:
    """A checkpoint of these entries; the event of its partition."""
    at = event(partition)
    with event_context(at):
        store = StateStore(table)
        for name in names:
            store.write(name, FENCE, name.encode())
        head = {"state_version": STATE_VERSION, "names": names, "closed_through": 100}
        store.write("head", FENCE, json.dumps(head).encode())
    return at


def test_an_entry_that_one_partition_forgets_stays_with_the_others(
    table: AcknowledgedTable,
) -> None:
    events = [written(table, n, ["minute/99", "minute/100"]) for n in (0, 1)]
    with event_context(events[0]):
        assert StateStore(table).checkpoint() is not None  # the store saw the keys here last
    with event_context(events[1]):
        StateStore(table).remove_others(FENCE + 1)
        assert table.keys_here() == []
    with event_context(events[0]):
        found = StateStore(table).checkpoint()
    assert found is not None
    assert found[1] == {"minute/99": b"minute/99", "minute/100": b"minute/100"}


def test_a_copy_without_what_its_head_names_is_not_gone_on_with(table: AcknowledgedTable) -> None:
    at = written(table, 0, ["minute/99", "minute/100", "book"])
    with event_context(at):
        StateStore(table).remove({"minute/99"}, FENCE)
        with pytest.raises(IncompleteCopyError, match="minute/99"):
            StateStore(table).checkpoint()


def test_what_no_window_reaches_may_be_gone(table: AcknowledgedTable) -> None:
    at = written(table, 0, ["minute/1", "book"])
    with event_context(at):
        StateStore(table).remove({"minute/1"}, FENCE)
        found = StateStore(table).checkpoint()
    assert found is not None
    assert found[1] == {"book": b"book"}


BIG = 2 * MAX_PIECE + 5


def test_a_write_that_is_cut_off_leaves_what_was_there(table: AcknowledgedTable) -> None:
    """The entry has three pieces; the process dies after each number of them."""
    at = event(0)
    with event_context(at):
        store = StateStore(table)
        for serial in range(3):  # the second place and then the first again
            was = bytes([serial]) * BIG
            store.write("big", FENCE, was)
            for pieces in (1, 2):
                dying = copy(store)
                with cut_off(table, pieces), pytest.raises(DiedError):
                    dying.write("big", FENCE, b"x" * BIG)
                assert StateStore(table).read("big", FENCE) == was


def test_an_entry_may_grow_and_shrink_and_goes_altogether(table: AcknowledgedTable) -> None:
    at = event(0)
    with event_context(at):
        store = StateStore(table)
        for size in (1, BIG, BIG - 5, 1, BIG, 1, 1, BIG):
            store.write("big", FENCE, b"y" * size)
            assert StateStore(table).read("big", FENCE) == b"y" * size
        store.remove({"big"}, FENCE)
        assert table.keys_here() == []


def test_an_entry_in_part_is_no_checkpoint_to_go_on_with(table: AcknowledgedTable) -> None:
    at = written(table, 0, ["minute/99"])
    with event_context(at):
        store = StateStore(table)
        store.write("big", FENCE, b"z" * BIG)
        head = {"state_version": STATE_VERSION, "names": ["big"], "closed_through": 100}
        store.write("head", FENCE, json.dumps(head).encode())
        del table[Key("big", FENCE, 1).encode()]
        with pytest.raises(IncompleteCopyError, match="big"):
            StateStore(table).checkpoint()


class DiedError(Exception):
    """The process died."""


def copy(store: StateStore) -> StateStore:
    """The store of a process that dies: what it learns dies with it."""
    made = StateStore(store._table)
    made._serial, made._places = store._serial, dict(store._places)
    return made


@contextmanager
def cut_off(table: AcknowledgedTable, after: int) -> Iterator[None]:
    """Each write beyond so many dies."""
    left, put = after, AcknowledgedTable.__setitem__

    def dying(self: AcknowledgedTable, key: bytes, value: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise DiedError
        put(self, key, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcknowledgedTable, "__setitem__", dying)
        yield
