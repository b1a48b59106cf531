"""The SMTP ports over real sockets: TLS, limits, brakes, stops, and clients that vanish."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.keys import KeyIdentity
from merpati.adapters.clock import SystemClock
from merpati.message import return_path
from merpati.runtime.tls import ensure_certificate
from merpati.settings import HostPort, TlsSettings
from merpati.smtp.brakes import FAILURES_TO_CUT, Brakes, Rate
from merpati.smtp.inbound import RECIPIENTS, Inbound
from merpati.smtp.server import Limits, Port, Services
from merpati.smtp.session import Door, Envelope
from merpati.smtp.submission import recipient_refusal
from merpati.smtp.takers import Incoming
from merpati.spool.client import LoopSpoolClient
from tests.smtp.conftest import IDENTITY, KEY, b64

LOG_IN = f"EHLO a\r\nAUTH PLAIN {b64(chr(0) + 'SMTP_Injection' + chr(0) + KEY)}\r\n".encode()
ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<a@example.net>\r\nDATA\r\n"
BOUNCES = "bounces.mta.example"
FREELY = Rate(time.monotonic, 1_000, 60)


class Served:
    """A submission port whose messages gather in `taken`; `gate` holds them back while cleared."""

    def __init__(self, folder: Path, limits: Limits, door: Door) -> None:
        self.taken: list[Envelope] = []
        self.waiting = 0
        self.gate = threading.Event()
        self.gate.set()
        certificate = ensure_certificate(folder, TlsSettings(), [], datetime.now(UTC))
        self.context = certificate.context()
        self.trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.threads = ThreadPoolExecutor(4)
        self.port = Port(
            "submission",
            door,
            self.threads,
            Brakes(time.monotonic, first_delay_seconds=0),
            Services(self, self.authenticate),
            starttls=self.context,
            limits=limits,
        )
        self.address = HostPort("127.0.0.1", 0)

    def authenticate(self, user: str, password: str) -> KeyIdentity | str:
        return IDENTITY if password == KEY else "535 5.7.8 Sorry."

    def judge(self, messages: Sequence[Incoming]) -> list[Envelope]:
        self.waiting += len(messages)
        assert self.gate.wait(10)
        assert {message.peer for message in messages} == {"127.0.0.1"}
        return [message.envelope for message in messages]

    async def store(self, judged: Sequence[Envelope]) -> list[str]:
        self.taken += judged
        return ["250 2.0.0 OK"] * len(judged)

    async def connect(self, tls: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = self.trusting if tls else None
        name = "localhost" if tls else None
        return await asyncio.open_connection(*self.address, ssl=context, server_hostname=name)


@contextlib.asynccontextmanager
async def served(
    folder: Path, tls: bool = True, door: Door | None = None, **limits: Any
) -> AsyncIterator[Served]:
    own = door or Door("mta.example", True, True, lambda address: None)
    service = Served(folder, Limits(**limits), own)
    server = await service.port.listen(service.address, service.context if tls else None)
    service.address = HostPort(*server.sockets[0].getsockname()[:2])
    try:
        yield service
    finally:
        service.gate.set()
        server.close()
        await service.port.stop()
        service.threads.shutdown()


async def until(reader: asyncio.StreamReader, code: bytes) -> bytes:
    """Read to the reply that begins with a code and a blank."""
    read = b""
    async with asyncio.timeout(10):
        while not read.rpartition(b"\r\n")[0].rpartition(b"\r\n")[2].startswith(code + b" "):
            line = await reader.readline()
            assert line, read
            read += line
    return read


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - polls what has no event
            await asyncio.sleep(0.01)


async def test_smtplib_submits_over_starttls(tmp_path: Path) -> None:
    async with served(tmp_path, tls=False) as service:

        def submit() -> None:
            with smtplib.SMTP(*service.address, timeout=10) as client:
                client.starttls(context=service.trusting)
                client.login("SMTP_Injection", KEY)
                client.sendmail("a@b.example", ["a@x.example", "b@x.example"], "Subject: x\n\nHi.")

        await asyncio.to_thread(submit)
        (envelope,) = service.taken
    assert envelope.recipients == ("a@x.example", "b@x.example")
    assert envelope.data == b"Subject: x\r\n\r\nHi.\r\n"
    assert envelope.protocol == "ESMTPSA"


async def test_commands_sent_along_with_starttls_are_not_run(tmp_path: Path) -> None:
    """CVE-2011-0411 on the wire: they are dropped, and what comes later breaks the handshake."""
    async with served(tmp_path, tls=False) as service:
        reader, writer = await service.connect(tls=False)
        writer.write(b"EHLO a\r\nSTARTTLS\r\n" + LOG_IN + ENVELOPE)
        read = await reader.readuntil(b"220 2.0.0 Ready to start TLS\r\n")
        writer.write(b"NOOP\r\n")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                read += await reader.read()
        assert b"235" not in read
        assert b"354" not in read
        writer.close()
        assert service.taken == []


async def test_wrong_passwords_are_slowed_and_cut(tmp_path: Path) -> None:
    """S11, over connections."""
    async with served(tmp_path) as service:
        wrong = LOG_IN.replace(b64("\0SMTP_Injection\0" + KEY).encode(), b64("\0u\0no").encode())
        answers = b""
        for _ in range(FAILURES_TO_CUT):
            reader, writer = await service.connect()
            writer.write(wrong)
            answer = (await reader.readuntil(b"AUTH PLAIN LOGIN\r\n")) and await reader.readline()
            answers += answer[:4]
            writer.close()
        reader, writer = await service.connect()
        writer.write(LOG_IN)  # even the right one, for a while
        assert (await until(reader, b"421")).endswith(b"Too many failures\r\n")
        writer.close()
    assert answers == b"535 " * FAILURES_TO_CUT


async def test_a_silent_client_is_hung_up_on(tmp_path: Path) -> None:
    async with served(tmp_path, idle=0.1) as service:
        reader, _ = await service.connect()
        assert b"421 4.4.2" in await asyncio.wait_for(reader.read(), 10)
        await eventually(lambda: not service.port.connections)


async def test_connections_of_one_address_have_a_limit(tmp_path: Path) -> None:
    async with served(tmp_path, connections_of_network=1) as service:
        first, writer = await service.connect()
        await until(first, b"220")
        second, other = await service.connect()
        assert b"421 4.7.0" in await asyncio.wait_for(second.read(), 10)
        writer.close()
        other.close()
        await eventually(lambda: not service.port.connections)
        assert not service.port.by_network


async def test_too_much_mail_at_once_is_refused_for_now(tmp_path: Path) -> None:
    async with served(tmp_path, memory_bytes=100_000) as service:
        reader, writer = await service.connect()
        writer.write(LOG_IN + ENVELOPE)
        await until(reader, b"354")
        writer.write(b"x\r\n" * 100_000 + b".\r\nNOOP\r\n")
        assert b"452 4.3.1" in await until(reader, b"250")
        writer.close()
        await eventually(lambda: service.port.held_bytes == 0)
        assert service.taken == []


@pytest.mark.parametrize(
    "sent", [b"", LOG_IN, LOG_IN + ENVELOPE[:30], LOG_IN + ENVELOPE + b"half a mess"]
)
async def test_a_client_that_vanishes_leaves_nothing(tmp_path: Path, sent: bytes) -> None:
    """S9."""
    async with served(tmp_path) as service:
        reader, writer = await service.connect()
        head, data, rest = sent.partition(b"DATA\r\n")
        writer.write(head + data)
        await until(reader, b"354" if data else b"220")
        writer.write(rest)
        await writer.drain()
        writer.transport.abort()
        await eventually(lambda: not service.port.connections)
        assert service.taken == []
        assert service.port.held_bytes == 0


async def test_a_stop_answers_the_message_that_is_being_stored(tmp_path: Path) -> None:
    """S9, D16: and a client that vanished before its 250 does not undo the message."""
    async with served(tmp_path) as service:
        service.gate.clear()
        reader, writer = await service.connect()
        gone_reader, gone = await service.connect()
        for each, write in ((reader, writer), (gone_reader, gone)):
            write.write(LOG_IN + ENVELOPE)
            await until(each, b"354")
            write.write(b"Subject: x\r\n\r\n.\r\n")
            await write.drain()
        lanes = service.port.takers._lanes
        await eventually(lambda: service.waiting == 1 and lanes and len(lanes[7]) == 1)
        gone.transport.abort()
        stopping = asyncio.create_task(service.port.stop())
        await asyncio.sleep(0)
        service.gate.set()
        said = await asyncio.wait_for(reader.read(), 10)
        await stopping
        assert said.startswith(b"250 2.0.0 OK\r\n421 4.3.2")
        await eventually(lambda: len(service.taken) == 2)


async def test_inbound_takes_one_return_path_a_message_and_nothing_from_strangers(
    tmp_path: Path,
) -> None:
    """R1."""
    spool = LoopSpoolClient(tmp_path, 1)
    inbound = Inbound(spool, SystemClock(), "mta.example", BOUNCES, b"k", FREELY)
    ours = return_path.make(b"k", 1, 2, 3, BOUNCES)
    door = Door("mta.example", False, True, inbound.recipient_refusal, recipients=RECIPIENTS)
    async with served(tmp_path, tls=False, door=door) as service:
        reader, writer = await service.connect(tls=False)
        writer.write(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\n")
        assert b"550 5.7.1" in await until(reader, b"554")
        writer.write(f"RCPT TO:<{ours}>\r\nRCPT TO:<{ours}>\r\nDATA\r\n".encode())
        assert b"250 2.1.5 Recipient ok\r\n452 4.5.3" in await until(reader, b"354")
        writer.write(b"Subject: failed\r\n\r\n.\r\n")
        await until(reader, b"250")
        writer.close()
        (envelope,) = service.taken
        assert (envelope.msg_from, envelope.recipients) == ("", (ours,))
        assert envelope.identity is None


def own_addresses() -> list[str]:
    """Return addresses of this host: loopback's, and those it has on the network."""
    found = ["127.0.0.1", "127.0.0.9"]
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect((far, 25))  # sends nothing; the kernel chooses the address
            found.append(probe.getsockname()[0])
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        found.append("::1")
    return found


@pytest.mark.parametrize("name", ["submission", "inbound"])
async def test_nothing_is_relayed_for_strangers_at_any_address(tmp_path: Path, name: str) -> None:
    """R1: by no interface, IPv4 or IPv6, and by no way to write a recipient."""
    spool = LoopSpoolClient(tmp_path, 1)
    inbound = Inbound(spool, SystemClock(), "mta.example", BOUNCES, b"k", FREELY)
    door = Door("mta.example", True, True, recipient_refusal)
    if name == "inbound":
        door = Door("mta.example", False, True, inbound.recipient_refusal)
    recipients = ["victim@example.net", f"<@{BOUNCES}:victim@example.net>"]
    recipients += [f"victim%example.net@{BOUNCES}", f"victim@example.net@{BOUNCES}"]
    recipients += [f'"victim@example.net"@{BOUNCES}', f"example.net!victim@{BOUNCES}"]
    said = ["EHLO a", f"MAIL FROM:<a@{BOUNCES}>"]
    said += [f"RCPT TO:<{address.strip('<>')}>" for address in recipients]
    said += ["DATA", "QUIT"]
    async with served(tmp_path, tls=False, door=door) as service:
        for address in own_addresses():
            server = await service.port.listen(HostPort(address, 0))
            _, port = server.sockets[0].getsockname()[:2]
            reader, writer = await asyncio.open_connection(address, port, local_addr=(address, 0))
            writer.write("".join(f"{line}\r\n" for line in said).encode())
            read = await asyncio.wait_for(reader.read(), 10)
            replies = [line for line in read.decode().splitlines() if line[3:4] == " "]
            to = replies[3 : 3 + len(recipients)]
            assert {reply[:3] for reply in to} <= {"550", "553", "503"}, (address, replies)
            assert replies[-2][:3] in {"503", "554"}, (address, replies)
            writer.close()
            server.close()
        assert service.taken == []


async def test_who_sends_too_many_messages_a_minute_waits_for_the_next(tmp_path: Path) -> None:
    """The last one is not stored, and a new connection is not even greeted."""
    door = Door("mta.example", False, True, lambda address: None)
    async with served(tmp_path, tls=False, door=door) as service:
        minute = 0.0
        service.port.rate = Rate(lambda: minute, 2, 60)
        for number in range(2):
            reader, writer = await service.connect(tls=False)
            writer.write(b"EHLO a\r\n" + ENVELOPE)
            await until(reader, b"354")
            writer.write(b".\r\n")
            await until(reader, b"250")
            if not number:
                writer.close()
        writer.write(ENVELOPE)
        await until(reader, b"354")
        writer.write(b".\r\n")
        assert b"421 4.7.0" in await asyncio.wait_for(reader.read(), 10)
        refused, other = await service.connect(tls=False)
        assert (await asyncio.wait_for(refused.read(), 10)).startswith(b"421 4.7.0")
        other.close()
        minute = 60.0
        reader, writer = await service.connect(tls=False)
        await until(reader, b"220")
        writer.close()
        assert len(service.taken) == 2
