"""Whether an old provider's relay would take mail: connect, secure, log in, and send nothing.

Each stage has its own words, since each has another remedy: a host that is gone, a certificate that
is not valid, a refused password, an answer that does not come.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from merpati.adapters.addresses import Network, is_allowed
from merpati.adapters.clock import SystemClock
from merpati.contracts.sending_policy import TlsMode
from merpati.settings import HostPort
from merpati.upkeep.dialogue import Answer, Dialogue, DialogueFailed, bounded, connect

T = TypeVar("T")

_SECONDS = 20.0  # for each stage; delivery waits longer, a person does not
SLOW = timedelta(seconds=3)  # mail of a whole day cannot go by a relay that thinks so long
_FULL = 235  # RFC 4954: authentication succeeded
_UNVERIFIED = (TlsMode.REQUIRED, TlsMode.OPPORTUNISTIC)


@dataclass(frozen=True, slots=True)
class Relay:
    """Where to log in, and as whom. username: "" for a relay that asks for none."""

    at: HostPort
    tls: TlsMode
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Relay({self.at}, {self.tls}, {self.username!r}, …)"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it. trouble: "" when mail can go; stage, remedy: where it failed, what to do."""

    stage: str
    trouble: str = ""
    remedy: str = ""
    slowest: timedelta = timedelta()

    @property
    def is_well(self) -> bool:
        """Return whether the relay lets us in."""
        return not self.trouble

    @property
    def is_slow(self) -> bool:
        """Return whether an answer took longer than mail of a whole day allows."""
        return self.slowest >= SLOW


class _Stopped(Exception):
    def __init__(self, stage: str, trouble: str, remedy: str) -> None:
        super().__init__(trouble)
        self.stage, self.trouble, self.remedy = stage, trouble, remedy


async def check(
    relay: Relay, hostname: str, allow_private: Sequence[Network] = (), seconds: float = _SECONDS
) -> Found:
    """Return whether the relay lets us in.

    hostname: what we say in EHLO; allow_private: networks where delivery connects although they are
    not public; seconds: of a stage.
    """
    visit = _Visit(relay, hostname, allow_private, seconds)
    try:
        await visit.go()
    except _Stopped as stopped:
        return Found(stopped.stage, stopped.trouble, stopped.remedy, visit.slowest)
    return Found("login" if relay.username else "greeting", slowest=visit.slowest)


class _Visit:
    """One connection, stage by stage."""

    def __init__(
        self, relay: Relay, hostname: str, allow_private: Sequence[Network], seconds: float
    ) -> None:
        self._relay, self._hostname, self._seconds = relay, hostname, seconds
        self._allow_private = allow_private
        self._clock = SystemClock()
        self.slowest = timedelta()

    async def go(self) -> None:
        relay = self._relay
        await self._look_up()
        tls = _context(relay.tls) if relay.tls is TlsMode.IMPLICIT else None
        talk = await self._wait("connect", _CONNECT, connect(relay.at, tls=tls))
        try:
            await self._expect("banner", _BUSY, talk.answer(), 220)
            offers = await self._hello(talk)
            if relay.tls not in (TlsMode.NONE, TlsMode.IMPLICIT):
                offers = await self._secure(talk, offers)
            if relay.username:
                await self._log_in(talk, offers)
            await self._wait("quit", _BUSY, talk.ask("QUIT"))
        finally:
            talk.close()

    async def _look_up(self) -> None:
        """Stop where delivery would: it connects to public addresses, and to those allowed."""
        loop, at = asyncio.get_running_loop(), self._relay.at
        asked = loop.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
        found = sorted({str(one[4][0]) for one in await self._wait("address", _CONNECT, asked)})
        if not any(is_allowed(address, self._allow_private) for address in found):
            trouble = f"it has no public address ({', '.join(found)}), so no mail goes there"
            raise _Stopped("address", trouble, "allow its network with safety.allow_private")

    async def _hello(self, talk: Dialogue) -> list[str]:
        answer = await self._expect("greeting", _BUSY, talk.ask(f"EHLO {self._hostname}"), 250)
        return [line.upper() for line in answer.lines[1:]]

    async def _secure(self, talk: Dialogue, offers: list[str]) -> list[str]:
        if "STARTTLS" not in offers:
            if self._relay.tls is TlsMode.OPPORTUNISTIC:
                return offers
            raise _Stopped("tls", "it offers no STARTTLS", _TLS)
        await self._expect("tls", _TLS, talk.ask("STARTTLS"), 220)
        await self._wait("tls", _TLS, talk.secure(_context(self._relay.tls), self._relay.at.host))
        return await self._hello(talk)

    async def _log_in(self, talk: Dialogue, offers: list[str]) -> None:
        ways = {way for offer in offers if offer.startswith("AUTH ") for way in offer.split()[1:]}
        user, password = self._relay.username, self._relay.password
        if "PLAIN" in ways:
            credentials = _coded(f"\0{user}\0{password}")
            answer = await self._wait("login", _LOGIN, talk.ask(f"AUTH PLAIN {credentials}"))
        elif "LOGIN" in ways:
            await self._expect("login", _LOGIN, talk.ask("AUTH LOGIN"), 334)
            await self._expect("login", _LOGIN, talk.ask(_coded(user)), 334)
            answer = await self._wait("login", _LOGIN, talk.ask(_coded(password)))
        else:
            known = ", ".join(sorted(ways)) or "none"
            raise _Stopped("login", f"it offers neither AUTH PLAIN nor LOGIN ({known})", _TLS)
        if answer.code != _FULL:
            words = "it refused the user or password" if answer.code == 535 else "no login"
            raise _Stopped("login", f"{words}: {answer}", _LOGIN)

    async def _expect(self, stage: str, remedy: str, asked: Awaitable[Answer], code: int) -> Answer:
        answer = await self._wait(stage, remedy, asked)
        if answer.code != code:
            raise _Stopped(stage, f"it answered {answer}", remedy)
        return answer

    async def _wait(self, stage: str, remedy: str, asked: Awaitable[T]) -> T:
        began = self._clock.elapsed()
        try:
            async with bounded(self._seconds):
                answered = await asked
        except DialogueFailed as failed:
            raise _Stopped(stage, failed.reason, remedy) from None
        self.slowest = max(self.slowest, timedelta(seconds=self._clock.elapsed() - began))
        return answered


_CONNECT = "see whether host and port are right, and whether a firewall lets this host out to them"
_BUSY = "try again later; ask the provider if it stays so"
_TLS = "see what TLS mode and port the provider documents: merpati egress add --tls"
_LOGIN = "see user and password at the provider; then remove the egress and add it again"


def _context(mode: TlsMode) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if mode in _UNVERIFIED:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
