from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network
from typing import Any

import pytest

from merpati.contracts.sending_policy import TlsMode
from merpati.sending.egress_check import Found, Relay, check
from merpati.settings import HostPort
from tests.support.certificates import server_tls
from tests.support.smtp_sink import CLOSE, Connection, SmtpSink

LOOPBACK = [ip_network("127.0.0.0/8")]


async def _check(sink: SmtpSink, tls: TlsMode = TlsMode.NONE, user: str = "kirim") -> Found:
    relay = Relay(HostPort("127.0.0.1", sink.port), tls, user, "rahasia" if user else "")
    return await check(relay, "mta.kirim.example", LOOPBACK, seconds=1.0)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_relay_that_lets_us_in_is_well_and_gets_no_mail(mechanism: str) -> None:
    sink = SmtpSink()
    sink.users, sink.mechanism = {"kirim": "rahasia"}, mechanism
    async with sink.running():
        found = await _check(sink)
    assert (found.is_well, found.stage, found.is_slow) == (True, "login", False)
    (connection,) = sink.connections
    assert connection.lines[-1] == "QUIT"
    assert not any(line.startswith("MAIL") for line in connection.lines)


async def test_a_refused_password_is_named_as_such() -> None:
    sink = SmtpSink()
    sink.users = {"kirim": "another"}
    async with sink.running():
        found = await _check(sink)
    assert found.stage == "login"
    assert found.trouble.startswith("it refused the user or password: 535")
    assert "rahasia" not in found.trouble + found.remedy


async def test_a_relay_that_offers_no_login_is_named_as_such() -> None:
    async with SmtpSink().running() as sink:
        found = await _check(sink)
    assert (found.stage, found.is_well) == ("login", False)
    assert "neither AUTH PLAIN nor LOGIN (none)" in found.trouble


async def test_a_relay_without_login_is_asked_for_its_greeting() -> None:
    async with SmtpSink().running() as sink:
        found = await _check(sink, user="")
    assert (found.is_well, found.stage) == (True, "greeting")


@pytest.mark.parametrize(
    ("banner", "trouble"),
    [("421 busy", "it answered 421 busy"), (CLOSE, "it hung up"), ("hello", "no SMTP there")],
)
async def test_a_relay_that_does_not_greet_is_named_as_such(banner: str, trouble: str) -> None:
    sink = SmtpSink()
    sink.banner = lambda c, line: banner
    async with sink.running():
        found = await _check(sink)
    assert found.stage == "banner"
    assert trouble in found.trouble


async def test_a_relay_that_delivery_would_not_connect_to_is_named_as_such() -> None:
    async with SmtpSink().running() as sink:
        relay = Relay(HostPort("127.0.0.1", sink.port), TlsMode.NONE, "", "")
        found = await check(relay, "mta.kirim.example")
    assert (found.stage, "safety.allow_private" in found.remedy) == ("address", True)
    assert not sink.connections


async def test_of_a_name_s_addresses_only_those_that_are_allowed_are_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the name says: it is asked once, and the address that was judged is used."""
    asked: list[str] = []

    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

    async with SmtpSink().running(["127.0.0.1", "127.0.0.2"]) as sink:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        relay = Relay(HostPort("old.example", sink.port), TlsMode.NONE, "", "")
        found = await check(relay, "mta.kirim.example", [ip_network("127.0.0.2/32")], seconds=1.0)
    assert found.is_well
    (connection,) = sink.connections
    assert connection.writer.get_extra_info("sockname")[0] == "127.0.0.2"
    assert asked == ["old.example"]


async def test_a_relay_that_vanished_is_named_as_such() -> None:
    async with SmtpSink().running() as sink:
        pass
    found = await _check(sink)
    assert (found.stage, found.trouble) == ("connect", "connection refused")
    assert "firewall" in found.remedy


async def test_a_relay_that_never_answers_is_given_up() -> None:
    silent = asyncio.Event()

    async def say_nothing(c: Connection) -> None:
        await silent.wait()

    sink = SmtpSink()
    sink.converse = say_nothing
    async with sink.running():
        found = await _check(sink)
        silent.set()
    assert (found.stage, found.trouble) == ("banner", "no answer within 1 s")


async def test_tls_that_is_wanted_and_not_offered_is_named_as_such() -> None:
    async with SmtpSink().running() as sink:
        found = await _check(sink, TlsMode.REQUIRED)
    assert (found.stage, found.trouble) == ("tls", "it offers no STARTTLS")


async def test_a_certificate_that_nobody_signed_is_refused_unless_any_will_do() -> None:
    sink = SmtpSink()
    sink.users = {"kirim": "rahasia"}
    sink.tls = server_tls("old.example")
    async with sink.running():
        strict, lenient = await _check(sink, TlsMode.VERIFY), await _check(sink, TlsMode.REQUIRED)
    assert strict.stage == "tls"
    assert "certificate" in strict.trouble
    assert lenient.is_well
