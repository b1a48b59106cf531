"""A probe: the way to a domain walked as delivery would walk it, up to RCPT, told step by step.

The dialogue ends before DATA, so a probe never sends anything, whatever it finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, TypeVar

from merpati.delivery.destinations import Destination, Destinations
from merpati.delivery.outcome import Stage
from merpati.delivery.protocol import Capabilities, mail_command, rcpt_command
from merpati.providers.directory import directory
from merpati.sending.smtp_dialogue import (
    Answer,
    Dialogue,
    DialogueFailed,
    bounded,
    connect,
    dialogue,
)
from merpati.settings import HostPort
from merpati.upkeep.doctor.addresses import present
from merpati.upkeep.doctor.finding import Level
from merpati.upkeep.doctor.scene import Ip
from merpati.upkeep.probe.certificate import describe
from merpati.upkeep.probe.meaning import refusal
from merpati.upkeep.probe.step import Step
from merpati.upkeep.probe.way import look_up, transport_policy

CONNECT_SECONDS = 30.0  # as delivery waits
ANSWER_SECONDS = 60.0  # delivery waits up to five minutes; a person does not
QUIT_SECONDS = 5.0
_PORT_25 = "see with merpati doctor --smtp-domain DOMAIN whether port 25 is open out of this host"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is tried. sender: "" for the null sender; recipient: None to stop after MAIL FROM."""

    domain: str
    ip: Ip
    sender: str
    recipient: str | None
    now: datetime
    dns_servers: tuple[str, ...] = ()
    answer_seconds: float = ANSWER_SECONDS


async def probe(wanted: Wanted, destinations: Destinations, tell: Callable[[Step], None]) -> None:
    """Walk; `tell` hears of each step as it is done."""
    local = present(wanted.ip)
    helo = f", HELO name {wanted.ip.hostname}"
    tell(Step(local.level, "sending-ip", wanted.ip.address + helo, local.text, local.remedy))
    whereto, steps = await look_up(destinations, wanted.domain)
    for step in steps:
        tell(step)
    if not isinstance(whereto, Destination):
        return
    tell(await transport_policy(wanted.domain, wanted.dns_servers))
    if local.level is Level.FAIL:
        return
    walk = _Walk(wanted, whereto, tell)
    with contextlib.suppress(_Ended):
        await walk.walk()


class _Ended(Exception):
    """The walk cannot go on; the last step told why."""


class _Walk:
    """One connection to the first host that takes it."""

    def __init__(
        self, wanted: Wanted, destination: Destination, tell: Callable[[Step], None]
    ) -> None:
        self._wanted = wanted
        self._destination = destination
        self._provider = destination.provider
        self._tell = tell
        self._host = ""
        self._at = HostPort("", 0)
        self._offers: tuple[str, ...] = ()
        self._seconds = 0.0  # that the last wait took

    async def walk(self) -> None:
        """Go as far as it goes. Raises _Ended."""
        talk = await self._connect()
        try:
            await self._greeting(talk)
            await self._hello(talk, "ehlo")
            await self._secure(talk)
            await self._envelope(talk)
        finally:
            talk.close()

    # Stages.

    async def _connect(self) -> Dialogue:
        is_v6 = ":" in self._wanted.ip.address
        ways = [
            (host.name, HostPort(address, self._destination.port))
            for host in self._destination.hosts
            for address in host.addresses
            if (":" in address) is is_v6
        ]
        if not ways:
            text = f"none of the hosts has an IPv{6 if is_v6 else 4} address, as the sending IP is"
            self._end(Level.FAIL, "connect", text, "mail waits", "probe from another sending IP")
        for left, (host, at) in zip(reversed(range(len(ways))), ways, strict=True):
            try:
                talk = await self._timed(connect(at, self._wanted.ip.address), CONNECT_SECONDS)
            except DialogueFailed as failed:
                text = f"{host} {at}: {failed.reason}"
                if not left:
                    self._end(Level.FAIL, "connect", text, "mail waits", _PORT_25)
                self._say(Level.WARN, "connect", text, "delivery goes on to the next address")
                continue
            self._host, self._at = host, at
            self._say(Level.OK, "connect", f"{host} {at}")
            return talk
        raise AssertionError

    async def _greeting(self, talk: Dialogue) -> None:
        answer = await self._asked("banner", talk.answer())
        await self._check(talk, "banner", answer, Stage.BANNER)

    async def _hello(self, talk: Dialogue, name: str) -> None:
        answer = await self._asked(name, talk.ask(f"EHLO {self._wanted.ip.hostname}"))
        await self._check(talk, name, answer, Stage.EHLO)
        self._offers = answer.lines[1:]

    async def _secure(self, talk: Dialogue) -> None:
        known = directory().get(self._provider)
        is_required = bool(known and known.limits and known.limits.tls.startswith("required"))
        if "STARTTLS" not in map(str.upper, self._offers):
            level = Level.FAIL if is_required else Level.WARN
            meaning = "mail would go unencrypted" + (", which it refuses" if is_required else "")
            self._say(level, "starttls", "the host does not offer it", meaning)
            return
        answer = await self._asked("starttls", talk.ask("STARTTLS"))
        if answer.code != 220:
            self._end(Level.WARN, "starttls", str(answer), "it offers TLS and does not begin it")
        shown = await self._asked("starttls", talk.secure(_context(False), self._host))
        cipher = shown.cipher()
        self._say(
            Level.OK, "starttls", f"{shown.version()}, {cipher[0] if cipher else 'no cipher'}"
        )
        self._tell(
            describe(
                shown.getpeercert(binary_form=True) or b"",
                await self._unverified(),
                self._wanted.now,
            )
        )
        await self._hello(talk, "ehlo again")

    async def _unverified(self) -> str:
        """Return why the certificate proves nothing, "" when it does: asked on another connection.

        A handshake that verifies ends at the first fault, so it cannot be the one we go on with.
        """
        try:
            async with dialogue(
                self._at, self._wanted.answer_seconds, self._wanted.ip.address
            ) as talk:
                await talk.answer()
                await talk.ask(f"EHLO {self._wanted.ip.hostname}")
                await talk.ask("STARTTLS")
                await talk.secure(_context(True), self._host)
                await talk.ask("QUIT")
        except DialogueFailed as failed:
            return failed.reason
        return ""

    async def _envelope(self, talk: Dialogue) -> None:
        sender, recipient = self._wanted.sender, self._wanted.recipient
        is_utf8 = not (sender + (recipient or "")).isascii()
        command = mail_command(sender, 0, Capabilities(), is_utf8).decode().rstrip()
        answer = await self._asked("mail from", talk.ask(command))
        await self._check(talk, "mail from", answer, Stage.MAIL, f"<{sender}> ")
        if recipient is not None:
            answer = await self._asked(
                "rcpt to", talk.ask(rcpt_command(recipient).decode().rstrip())
            )
            await self._check(talk, "rcpt to", answer, Stage.RCPT, f"<{recipient}> ")
        answer = await self._asked("rset", talk.ask("RSET"))
        self._say(Level.OK, "rset", str(answer), "nothing was sent")
        await self._quit(talk)

    # Saying.

    async def _check(
        self, talk: Dialogue, name: str, answer: Answer, stage: Stage, about: str = ""
    ) -> None:
        """Tell of an answer; end the walk unless it lets us go on."""
        if answer.code // 100 == 2:
            text = ", ".join(answer.lines) if stage is Stage.EHLO else about + str(answer)
            self._say(Level.OK, name, text)
            return
        why = refusal(answer, stage, self._provider)
        self._say(why.level, name, about + str(answer), why.meaning, why.remedy)
        await self._quit(talk)
        raise _Ended

    async def _quit(self, talk: Dialogue) -> None:
        with contextlib.suppress(DialogueFailed):  # many hang up after a refusal
            await self._timed(talk.ask("QUIT"), QUIT_SECONDS)

    async def _asked(self, name: str, work: Awaitable[T]) -> T:
        try:
            return await self._timed(work, self._wanted.answer_seconds)
        except DialogueFailed as failed:
            self._end(Level.FAIL, name, failed.reason, "mail waits for another attempt")

    async def _timed(self, work: Awaitable[T], seconds: float) -> T:
        """Wait for something, and remember how long it took. Raises DialogueFailed."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with bounded(seconds):
                return await work
        finally:
            self._seconds = loop.time() - began

    def _say(self, level: Level, name: str, text: str, meaning: str = "", remedy: str = "") -> None:
        self._tell(Step(level, name, text, meaning, remedy, self._seconds))

    def _end(
        self, level: Level, name: str, text: str, meaning: str = "", remedy: str = ""
    ) -> NoReturn:
        self._say(level, name, text, meaning, remedy)
        raise _Ended


def _context(verifies: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verifies:  # as delivery encrypts: whom it speaks to is not known
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
