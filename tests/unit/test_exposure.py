"""Who may be let in without sign-in: nobody from other machines, unless somebody said so."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import anyio
import pytest

from etl.api import Threshold
from etl.errors import SettingsError
from etl.exposure import is_loopback, listening, require_allowed
from etl.settings import Settings, read_settings

ALL = "0.0.0.0"  # noqa: S104 - compared, not bound
HERE = ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"]
ELSEWHERE = [ALL, "::", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1", "example.org", ""]


def unasked() -> Settings:
    raise AssertionError("On this machine alone nothing depends on the settings.")


@pytest.fixture
def settings() -> Settings:
    return read_settings({})


@pytest.mark.parametrize("host", HERE)
def test_an_address_of_this_machine_alone_needs_no_permission(host: str) -> None:
    assert is_loopback(host)
    assert require_allowed([host], unasked) == []


@pytest.mark.parametrize("host", ELSEWHERE)
def test_an_address_that_others_reach_is_refused_and_the_message_says_what_to_set(
    host: str, settings: Settings
) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match="METALAYER_ALLOW_ANONYMOUS=1") as refused:
        require_allowed(["127.0.0.1", host], lambda: settings)
    assert refused.value.message.startswith(f"{host} can be reached from other machines")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("host", ELSEWHERE)
def test_somebody_can_allow_it_and_is_told_where_anyone_may_come_in(host: str, settings: Settings) -> None:
    allowed = replace(settings, allow_anonymous=True)
    assert require_allowed(["127.0.0.1", host], lambda: allowed) == [host]


def test_a_process_knows_where_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert "127.0.0.1" in listening()


# -- the threshold of a server that was not started by `up` -----------------------------------------------------


class Knock:
    """One request for the server at an address, and what came back."""

    def __init__(self, kind: str = "http", came_by: str = "192.0.2.1") -> None:
        self.scope = {"type": kind, "server": (came_by, 8501), "method": "GET", "path": "/", "headers": []}
        self.sent: list[Any] = []
        self.let_in = False

    async def _app(self, *_: Any) -> None:
        self.let_in = True

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    async def _receive(self) -> Any:
        raise AssertionError("Nothing of a stranger's request is read.")

    def at(self, process: ModuleType) -> Knock:
        anyio.run(Threshold(self._app, process), self.scope, self._receive, self._send)
        return self


@pytest.fixture
def process() -> ModuleType:
    return ModuleType("process")


@pytest.fixture
def with_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(allow_anonymous: str) -> None:
        monkeypatch.setenv("METALAYER_ALLOW_ANONYMOUS", allow_anonymous)
        monkeypatch.setattr("etl.api.listening", list)

    return install


def test_a_request_from_elsewhere_is_answered_with_the_reason_alone(
    with_settings: Callable[[str], None], process: ModuleType
) -> None:
    with_settings("0")
    knock = Knock().at(process)
    assert not knock.let_in
    assert knock.sent[0]["status"] == 403
    assert b"METALAYER_ALLOW_ANONYMOUS=1" in knock.sent[1]["body"]


def test_a_websocket_from_elsewhere_is_closed(
    with_settings: Callable[[str], None], process: ModuleType
) -> None:
    with_settings("0")
    knock = Knock("websocket").at(process)
    assert not knock.let_in
    assert knock.sent == [{"type": "websocket.close", "code": 1008}]


def test_a_request_from_here_is_refused_too_while_others_could_come(
    with_settings: Callable[[str], None], process: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_settings("0")
    monkeypatch.setattr("etl.api.listening", lambda: [ALL])
    assert not Knock(came_by="127.0.0.1").at(process).let_in


@pytest.mark.parametrize(("came_by", "open_to_anyone"), [("192.0.2.1", True), ("127.0.0.1", False)])
def test_who_is_let_in_is_told_whether_anyone_is(
    with_settings: Callable[[str], None], process: ModuleType, came_by: str, open_to_anyone: bool
) -> None:
    with_settings("1")
    assert Knock(came_by=came_by).at(process).let_in
    assert process.open_to_anyone is open_to_anyone


def test_settings_that_cannot_be_read_let_nobody_in_from_elsewhere(
    with_settings: Callable[[str], None], process: ModuleType
) -> None:
    with_settings("perhaps")
    assert not Knock().at(process).let_in
    assert Knock(came_by="127.0.0.1").at(process).let_in
