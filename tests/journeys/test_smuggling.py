"""SMTP smuggling against the real service: one message or a refusal, in and out.

The bytes go over a real TLS connection, as a customer's program that passes on what strangers wrote
would send them. Source: CVE-2023-51764 to 51766; test cases S1, S3, S5, S6, S7.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.customer import sign_up
from harness.service import Merpati, wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import send, transmission
from tests.support.postfix import missing, postfix
from tests.support.prepared import prepared

HEADER = b"From: halo@kirim.example\r\nSubject: Halo\r\n\r\n"
SMUGGLED = (
    b"MAIL FROM:<halo@kirim.example>\r\nRCPT TO:<smuggled@example.net>\r\n"
    b"DATA\r\nFrom: halo@kirim.example\r\n\r\nsmuggled\r\n.\r\n"
)
NO_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\n.\r", b"\r\n.\r"]


class Client:
    """A TLS connection that has authenticated and says what it is told, byte for byte."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._replies = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def send_chunk(self, data: bytes) -> None:
        self.send(b"BDAT %d LAST\r\n" % len(data) + data)

    def reply(self) -> bytes:
        """Return the next reply's last line; b"" when the server hung up."""
        while (line := self._replies.readline())[3:4] == b"-":
            pass
        return line

    def say(self, *lines: bytes) -> list[bytes]:
        """Send lines at once; return the code of each one's reply."""
        self.send(b"".join(line + b"\r\n" for line in lines))
        return [self.reply()[:3] for _ in lines]

    def begin(self, to: bytes) -> None:
        codes = self.say(b"RSET", b"MAIL FROM:<halo@kirim.example>", b"RCPT TO:<%s>" % to)
        assert codes == [b"250"] * 3


@contextlib.contextmanager
def client_of(journey: Journey) -> Iterator[Client]:
    tls = ssl.create_default_context(cafile=str(journey.merpati.data / "tls" / "ca.pem"))
    host, _, port = journey.merpati.addresses["submission"].rpartition(":")
    with socket.create_connection((host, int(port)), 20) as plain:
        plain.sendall(b"EHLO a\r\n")
        read = b""
        while b"250 " not in read:
            read += plain.recv(4096)
        plain.sendall(b"STARTTLS\r\n")
        assert plain.recv(4096).startswith(b"220")
        with tls.wrap_socket(plain, server_hostname="localhost") as secure:
            client = Client(secure)
            password = f"\0SMTP_Injection\0{journey.customer.api_key}".encode()
            codes = client.say(b"EHLO a", b"AUTH PLAIN " + base64.b64encode(password))
            assert codes == [b"250", b"235"]
            yield client


def test_nothing_is_smuggled_in(journey: Journey) -> None:
    """S1, S3, S5, S7: each try comes to one refusal, and the injected message never exists."""
    with client_of(journey) as client:
        for end in NO_ENDS:
            client.begin(b"s1@example.net")
            assert client.say(b"DATA") == [b"354"]
            client.send(HEADER + b"body" + end + SMUGGLED)
            assert client.reply().startswith(b"550 5.6.0 Bare CR or LF"), end
            assert client.say(b"NOOP") == [b"250"], end
            client.begin(b"s7@example.net")
            client.send_chunk(HEADER + b"body" + end + SMUGGLED)
            assert client.reply().startswith(b"550 5.6.0 Bare CR or LF"), end
            client.begin(b"kept@example.net")  # a chunk may hold what ends DATA: it is one message
            client.send_chunk(HEADER + b"body\r\n.\r\n" + SMUGGLED)
            assert client.reply()[:3] == b"250", end
    with client_of(journey) as client:
        client.begin(b"s5@example.net")
        client.send(b"DATA\r\n" + HEADER + b"x\r\n.\r\n" + SMUGGLED)
        assert client.reply()[:3] == b"554"
        assert client.reply() == b""
    for size in (b"4", b"1 FIRST", b"99999999999", b"-1"):
        with client_of(journey) as client:
            client.begin(b"s7@example.net")
            client.send(b"BDAT " + size + b"\r\n" + SMUGGLED)
            assert client.reply()[:1] in {b"2", b"5"}
            client.send(b"QUIT\r\n")
            while (line := client.reply()) != b"":
                assert line[:3] != b"354", size
    wait_until(lambda: journey.balance()["delivered"] == len(NO_ENDS), "those that were whole")
    assert journey.sink.recipients() == ["kept@example.net"] * len(NO_ENDS)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_postfix_receives_one_message_for_each_that_we_sent(tmp_path: Path) -> None:
    """S6: lines of dots arrive as they were, stray line ends become line ends."""
    merpati = Merpati(prepared(tmp_path / "data"), "--workers", "1")
    merpati.start()
    try:
        customer = sign_up(merpati)
        with postfix("receiver.example", {}) as receiver:
            merpati.command("route", "add", "*", f"127.0.0.1:{receiver.port}")
            stray = "one\n.\nMAIL FROM:<x@y>\r.\r\n.\r\nRCPT TO:<z@y>\n\r.\r\rDATA\r\n..\r\n.\r\n"
            body = transmission("api@receiver.example", text=stray)
            assert send(merpati.addresses["http"], customer.api_key, body)[0] == 200
            dots = ".\r\n..\r\n...\r\n.MAIL FROM:<x@y>\r\n.\r\nQUIT\r\n.\r\n"
            host, _, port = merpati.addresses["submission"].rpartition(":")
            with smtplib.SMTP(host, int(port), timeout=20) as client:
                client.starttls()
                client.login("SMTP_Injection", customer.api_key)
                client.sendmail("x@y", ["smtp@receiver.example"], HEADER.decode() + dots)
            wait_until(lambda: len(receiver.messages()) >= 2, receiver.log)
            arrived = {str(one["Delivered-To"]): one for one in receiver.messages()}
            log = receiver.log()
    finally:
        merpati.stop()
    assert set(arrived) == {"api@receiver.example", "smtp@receiver.example"}
    smtp = arrived["smtp@receiver.example"].get_payload(decode=True)
    assert isinstance(smtp, bytes)
    assert smtp.replace(b"\n", b"\r\n") == dots.encode()
    api = arrived["api@receiver.example"].get_payload(decode=True)
    assert isinstance(api, bytes)
    assert api.split() == stray.encode().split()
    assert "smuggl" not in log
    assert "improper command pipelining" not in log
