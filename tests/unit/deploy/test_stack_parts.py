"""Ports, homes, stale pids and arguments: the small parts of the stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.errors import StackError, UsageError
from deploy.stack import ports, statefile
from deploy.stack.cli import arguments_of
from deploy.stack.clickhouse import USERS, ensure_users, read_password
from deploy.stack.home import MARKER, Home
from deploy.stack.process import ProcessId, describe_exit, last_lines
from deploy.stack.settings import Ports, StackSettings
from deploy.stack.statefile import Phase, State
from deploy.stack.status import duration


def test_a_port_in_use_is_named_with_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port != 18080)
    monkeypatch.setattr(ports, "_by_whom", lambda port: " by nginx (pid 12)")
    with pytest.raises(StackError) as caught:
        ports.check(Ports().named(2))
    expected = "port 18080 is in use by nginx (pid 12); choose another with --screen-port"
    assert str(caught.value) == expected


def test_a_worker_port_in_use_names_the_base_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port != 18102)
    monkeypatch.setattr(ports, "_by_whom", lambda port: "")
    with pytest.raises(StackError, match="port 18102 is in use; choose another with --worker-port"):
        ports.check(Ports().named(2))


def test_a_port_given_twice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    with pytest.raises(UsageError, match="19000 is given twice: --kafka-port and --clickhouse-"):
        ports.check(Ports(kafka=19000).named(1))


def test_a_stale_pid_is_not_mistaken_for_its_successor() -> None:
    me = ProcessId.of(os.getpid())
    assert me is not None
    assert me.alive()
    assert not ProcessId(me.pid, me.start + "0").alive()
    assert ProcessId.of(2**22 + 1) is None


def _state(supervisor: ProcessId | None, phase: Phase = Phase.READY) -> State:
    return State(
        phase=phase, supervisor=supervisor, workers=2, partitions=8, screen=True,
        database="livewatch", ports=vars(Ports()),
    )  # fmt: skip


def test_a_state_file_of_a_dead_supervisor_means_down(tmp_path: Path) -> None:
    me = ProcessId.of(os.getpid())
    assert _state(me).running()
    assert not _state(me, Phase.STOPPED).running()
    assert not _state(ProcessId(os.getpid(), "1")).running()
    path = tmp_path / "state.json"
    statefile.write(path, _state(me))
    read = statefile.read(path)
    assert read == _state(me)
    path.write_text('{"version": 1')
    assert statefile.read(path) is None


def test_a_strangers_directory_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty and not a livewatch home"):
        Home(tmp_path).prepare()
    with pytest.raises(UsageError, match="--fresh refused"):
        Home(tmp_path).wipe()
    assert (tmp_path / "thesis.txt").exists()


def test_fresh_removes_only_what_a_stack_wrote(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    (home.data / "rows").write_text("x")
    (tmp_path / "kafka").mkdir()
    home.wipe()
    assert not home.data.exists()
    assert (tmp_path / "kafka").exists()
    assert (tmp_path / MARKER).exists()


def test_fresh_does_not_follow_a_link(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home.data.rmdir()
    home.data.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="symbolic link"):
        home.wipe()


def test_one_supervisor_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    with home.locked(), pytest.raises(StackError, match="already running"), home.locked():
        pass
    with home.locked():
        pass


def test_passwords_are_random_private_and_kept(tmp_path: Path) -> None:
    users = ensure_users(tmp_path)
    passwords = {name: read_password(tmp_path, name) for name in USERS}
    assert len(set(passwords.values())) == len(USERS)
    assert not any(password in users.read_text() for password in passwords.values())
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    ensure_users(tmp_path)
    assert {name: read_password(tmp_path, name) for name in USERS} == passwords


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--workers must be from 0 to"):
        StackSettings(tmp_path, workers=-1)
    with pytest.raises(UsageError, match="--partitions must be"):
        StackSettings(tmp_path, partitions=0)
    with pytest.raises(UsageError, match="70000 is not a port"):
        StackSettings(tmp_path, Ports(kafka=70000))


def test_settings_survive_the_way_to_a_detached_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = StackSettings(tmp_path, Ports(1, 2, 3, 4, 5, 6, 9, 10), 3, 4, screen=False)
    seen: list[StackSettings] = []

    class Recorder:
        def __init__(self, settings: StackSettings, *_: object) -> None:
            seen.append(settings)

        def run(self, *, fresh: bool) -> bool:
            return fresh

    monkeypatch.setattr("deploy.stack.cli.Supervisor", Recorder)
    result = CliRunner().invoke(app, ["up", *arguments_of(chosen, fresh=True)])
    assert result.exit_code == 0, result.output
    assert seen == [chosen]


@pytest.mark.parametrize("arguments", [["up", "--kafka-port", "70000"], ["logs", "-n", "-1"]])
def test_a_wrong_argument_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_words_for_codes_and_times() -> None:
    assert [describe_exit(c) for c in (0, 75, -9)] == [
        "exit code 0", "exit code 75", "killed by SIGKILL",
    ]  # fmt: skip
    assert [duration(s) for s in (5, 75, 3725)] == ["5s", "1m15s", "1h02m"]


def test_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_lines(log) == []
    log.write_text("one\ntwo\n\n")
    assert last_lines(log, 1) == ["two"]
