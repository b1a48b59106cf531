"""The SMTP ports before they are in service: callers keep their mail and come back."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from merpati.runtime.tls import ensure_certificate
from merpati.settings import HostPort, TlsSettings
from merpati.smtp.closed import serve_closed

ANY_PORT = HostPort("127.0.0.1", 0)
LINE = b"421 4.3.2 mta.example: submission is not in service yet\r\n"


def address_of(server: asyncio.Server) -> tuple[str, int]:
    host, port = server.sockets[0].getsockname()[:2]
    return host, port


def read_all(address: tuple[str, int], tls: ssl.SSLContext | None = None) -> bytes:
    with socket.create_connection(address, 10) as plain:
        if tls is None:
            return plain.makefile("rb").read()
        with tls.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.makefile("rb").read()


async def test_a_caller_is_told_to_come_back_and_is_hung_up() -> None:
    async with await serve_closed(ANY_PORT, "mta.example", "submission") as server:
        assert await asyncio.to_thread(read_all, address_of(server)) == LINE


async def test_tls_comes_first_where_a_context_is_given(tmp_path: Path) -> None:
    certificate = ensure_certificate(tmp_path, TlsSettings(), [], datetime.now(UTC))
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    tls = certificate.context()
    async with await serve_closed(ANY_PORT, "mta.example", "submission", tls) as server:
        assert await asyncio.to_thread(read_all, address_of(server), trusting) == LINE


async def test_an_smtp_client_sees_a_temporary_refusal() -> None:
    async with await serve_closed(ANY_PORT, "mta.example", "submission") as server:
        host, port = address_of(server)
        with pytest.raises(smtplib.SMTPConnectError) as refusal:
            await asyncio.to_thread(smtplib.SMTP, host, port)
    assert refusal.value.smtp_code == 421
