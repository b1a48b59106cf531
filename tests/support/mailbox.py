"""A customer's mail server: takes all mail and keeps it whole, and sends as its people do."""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from harness.service import wait_until
from tests.support.smtp_sink import SmtpSink


@dataclass
class Mailbox:
    """What came to `port`, by recipient, and a way out to the desk's inbound port."""

    sink: SmtpSink
    read: set[int] = field(default_factory=set)

    @property
    def port(self) -> int:
        return self.sink.port

    def unread(self, recipient: str) -> list[bytes]:
        """Return what came to a recipient and was not returned before, without dot-stuffing."""
        found = []
        for number, received in enumerate(list(self.sink.received)):
            if number not in self.read and recipient in received.rcpt.lower():
                self.read.add(number)
                found.append(received.data.replace(b"\r\n..", b"\r\n."))
        return found

    def next(self, recipient: str) -> tuple[EmailMessage, bytes]:
        """Wait for the next mail to a recipient; return it parsed, and as it came."""
        (raw,) = wait_until(lambda: self.unread(recipient), f"a mail to {recipient}")
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed, raw


@contextmanager
def mailbox(host: str = "127.0.0.1") -> Iterator[Mailbox]:
    """Run it in a thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sink = SmtpSink()
    running = sink.running(host)
    asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(10)
    try:
        yield Mailbox(sink)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def send(inbound: str, mail: EmailMessage, to: str, source: str = "127.0.0.1") -> None:
    """Send a mail to the desk as its author's server does."""
    host, _, port = inbound.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=20, source_address=(source, 0)) as client:
        client.sendmail(
            str(mail["From"].addresses[0].addr_spec), [to], mail.as_bytes(policy=email.policy.SMTP)
        )
