"""Whether an old provider's relay would take mail: connect, secure, log in, and send nothing.

Each trouble is a kind of its own, since each has another remedy: a host that is gone, a certificate
that is not valid, a refused password, an answer that does not come. It goes where delivery would
go: to public addresses, and to those the operator allows; the address that was judged is the one
that is connected to, whatever the name says a moment later.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from merpati.adapters.addresses import Network, is_allowed
from merpati.adapters.clock import SystemClock
from merpati.contracts.sending_policy import TlsMode
from merpati.sending.smtp_dialogue import Answer, Dialogue, DialogueFailed, bounded, connect
from merpati.settings import HostPort

T = TypeVar("T")

_SECONDS = 20.0  # for each stage; delivery waits longer, a person does not
_STAGES = 3  # that may take so long, all stages together
_MOST_ADDRESSES = 3
SLOW = timedelta(seconds=3)  # mail of a whole day cannot go by a relay that thinks so long
_FULL = 235  # RFC 4954: authentication succeeded
_REFUSED = 535  # RFC 4954: credentials invalid
_UNVERIFIED = (TlsMode.REQUIRED, TlsMode.OPPORTUNISTIC)
_DETAIL = 200  # characters of what the relay said


class Trouble(StrEnum):
    """What can be wrong. Each has its words here, in English, and on the console."""

    INTERNAL = "internal"
    NO_CONNECTION = "no_connection"  # detail: why
    SILENT = "silent"  # detail: seconds
    BROKEN = "broken"  # detail: how
    ANSWER = "answer"  # detail: what it answered
    NO_STARTTLS = "no_starttls"
    TLS = "tls"  # detail: why
    NO_LOGIN_OFFERED = "no_login_offered"  # detail: what it offers
    LOGIN_REFUSED = "login_refused"  # detail: what it answered
    LOGIN_FAILED = "login_failed"  # detail: what it answered


_CONNECT = "see whether host and port are right, and whether a firewall lets this host out to them"
_BUSY = "try again later; ask the provider if it stays so"
_TLS = "see what TLS mode and port the provider documents, and change it: --tls"
_LOGIN = "see user and password at the provider, and change them: merpati egress change"
_WORDS = {
    Trouble.INTERNAL: (
        "it has no public address, so no mail goes there",
        "allow its network with safety.allow_private",
    ),
    Trouble.NO_CONNECTION: ("{}", _CONNECT),
    Trouble.SILENT: ("no answer within {} s", _BUSY),
    Trouble.BROKEN: ("{}", _BUSY),
    Trouble.ANSWER: ("it answered {}", _BUSY),
    Trouble.NO_STARTTLS: ("it offers no STARTTLS", _TLS),
    Trouble.TLS: ("{}", _TLS),
    Trouble.NO_LOGIN_OFFERED: ("it offers neither AUTH PLAIN nor LOGIN ({})", _TLS),
    Trouble.LOGIN_REFUSED: ("it refused the user or password: {}", _LOGIN),
    Trouble.LOGIN_FAILED: ("no login: {}", _LOGIN),
}


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
    """What came of it. stage: how far it came; kind: None when mail can go.

    detail: what the relay said, so untrusted; slowest: the longest that an answer took.
    """

    stage: str
    kind: Trouble | None = None
    detail: str = ""
    slowest: timedelta = timedelta()

    @property
    def is_well(self) -> bool:
        """Return whether the relay lets us in."""
        return self.kind is None

    @property
    def is_slow(self) -> bool:
        """Return whether an answer took longer than mail of a whole day allows."""
        return self.slowest >= SLOW

    @property
    def trouble(self) -> str:
        """Return what is wrong, in English; "" when mail can go."""
        return _WORDS[self.kind][0].format(self.detail) if self.kind else ""

    @property
    def remedy(self) -> str:
        """Return what to do about it, in English."""
        return _WORDS[self.kind][1] if self.kind else ""


class _Stopped(Exception):
    def __init__(self, stage: str, kind: Trouble, detail: str = "") -> None:
        super().__init__(stage, kind, detail)
        self.stage, self.kind, self.detail = stage, kind, detail


async def check(
    relay: Relay, hostname: str, allow_private: Sequence[Network] = (), seconds: float = _SECONDS
) -> Found:
    """Return whether the relay lets us in.

    hostname: what we say in EHLO; allow_private: networks where delivery connects although they are
    not public; seconds: of a stage.
    """
    visit = _Visit(relay, hostname, allow_private, seconds)
    try:
        async with asyncio.timeout(_STAGES * seconds):
            await visit.go()
    except _Stopped as stopped:
        return Found(stopped.stage, stopped.kind, stopped.detail[:_DETAIL], visit.slowest)
    except TimeoutError:  # each answer in time, all of them not
        return Found(visit.stage, Trouble.SILENT, f"{_STAGES * seconds:.0f}", visit.slowest)
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
        self.stage = "address"

    async def go(self) -> None:
        relay = self._relay
        talk = await self._connect(await self._addresses())
        try:
            await self._expect("banner", talk.answer(), 220)
            offers = await self._hello(talk)
            if relay.tls not in (TlsMode.NONE, TlsMode.IMPLICIT):
                offers = await self._secure(talk, offers)
            if relay.username:
                await self._log_in(talk, offers)
            await self._wait("quit", talk.ask("QUIT"))
        finally:
            talk.close()

    async def _addresses(self) -> list[str]:
        """Return where delivery would connect, or stop where it would."""
        loop, at = asyncio.get_running_loop(), self._relay.at
        asked = loop.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
        found = await self._wait("address", asked, Trouble.NO_CONNECTION)
        every = dict.fromkeys(str(one[4][0]) for one in found)
        if not (usable := [one for one in every if is_allowed(one, self._allow_private)]):
            raise _Stopped("address", Trouble.INTERNAL)
        return usable[:_MOST_ADDRESSES]

    async def _connect(self, addresses: Sequence[str]) -> Dialogue:
        at = self._relay.at
        tls = _context(self._relay.tls) if self._relay.tls is TlsMode.IMPLICIT else None
        kind = Trouble.TLS if tls else Trouble.NO_CONNECTION
        for number, address in enumerate(addresses, 1):
            asked = connect(HostPort(address, at.port), tls=tls, name=at.host)
            try:
                return await self._wait("connect", asked, kind)
            except _Stopped:
                if number == len(addresses):
                    raise
        raise AssertionError("there is one address at least")

    async def _hello(self, talk: Dialogue) -> list[str]:
        answer = await self._expect("greeting", talk.ask(f"EHLO {self._hostname}"), 250)
        return [line.upper() for line in answer.lines[1:]]

    async def _secure(self, talk: Dialogue, offers: list[str]) -> list[str]:
        if "STARTTLS" not in offers:
            if self._relay.tls is TlsMode.OPPORTUNISTIC:
                return offers
            raise _Stopped("tls", Trouble.NO_STARTTLS)
        await self._expect("tls", talk.ask("STARTTLS"), 220)
        securing = talk.secure(_context(self._relay.tls), self._relay.at.host)
        await self._wait("tls", securing, Trouble.TLS)
        return await self._hello(talk)

    async def _log_in(self, talk: Dialogue, offers: list[str]) -> None:
        ways = {way for offer in offers if offer.startswith("AUTH ") for way in offer.split()[1:]}
        user, password = self._relay.username, self._relay.password
        if "PLAIN" in ways:
            credentials = _coded(f"\0{user}\0{password}")
            answer = await self._wait("login", talk.ask(f"AUTH PLAIN {credentials}"))
        elif "LOGIN" in ways:
            await self._expect("login", talk.ask("AUTH LOGIN"), 334)
            await self._expect("login", talk.ask(_coded(user)), 334)
            answer = await self._wait("login", talk.ask(_coded(password)))
        else:
            known = ", ".join(sorted(ways)) or "none"
            raise _Stopped("login", Trouble.NO_LOGIN_OFFERED, known)
        if answer.code != _FULL:
            is_refused = answer.code == _REFUSED
            kind = Trouble.LOGIN_REFUSED if is_refused else Trouble.LOGIN_FAILED
            raise _Stopped("login", kind, str(answer))

    async def _expect(self, stage: str, asked: Awaitable[Answer], code: int) -> Answer:
        answer = await self._wait(stage, asked)
        if answer.code != code:
            raise _Stopped(stage, Trouble.ANSWER, str(answer))
        return answer

    async def _wait(self, stage: str, asked: Awaitable[T], kind: Trouble = Trouble.BROKEN) -> T:
        self.stage = stage
        began = self._clock.elapsed()
        try:
            async with bounded(self._seconds):
                answered = await asked
        except DialogueFailed as failed:
            if failed.is_silent:
                raise _Stopped(stage, Trouble.SILENT, f"{self._seconds:.0f}") from None
            raise _Stopped(stage, kind, failed.reason) from None
        self.slowest = max(self.slowest, timedelta(seconds=self._clock.elapsed() - began))
        return answered


def _context(mode: TlsMode) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if mode in _UNVERIFIED:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
