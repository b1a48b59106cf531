"""One message, looked at before the clock starts: figures of unsigned mail are no figures."""

from __future__ import annotations

import json
from dataclasses import dataclass

import dkim

from bench import message
from bench.load import send_one_by_smtp
from bench.merpati_server import MerpatiServer
from bench.peers import PostfixOpenDkim
from bench.sink import ReadableSink

_PATIENCE = 30.0  # seconds


class ProbeFailed(Exception):
    """The system under test does not send the mail it should; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one message looked like at the sink, in bytes with its headers, and who brought it."""

    size_bytes: int
    address: str
    helo: str


def probe_merpati(server: MerpatiServer, reader: ReadableSink) -> Probe:
    """Send one newsletter through the API and check what arrives. Raises ProbeFailed."""
    client = server.client()
    client.submit(json.dumps(message.transmission([0], domain=message.PROBE_DOMAIN)).encode(), 1)
    client.close()
    return _arrived(reader, server.dkim_record)


def probe_peer(peer: PostfixOpenDkim, reader: ReadableSink) -> Probe:
    """Send one newsletter through the peer and check what arrives. Raises ProbeFailed."""
    send_one_by_smtp(peer.port, message.PROBE_DOMAIN)
    return _arrived(reader, peer.dkim_record)


def _arrived(reader: ReadableSink, dkim_record: str) -> Probe:
    arrived = reader.wait_for_one(_PATIENCE)
    if arrived is None:
        raise ProbeFailed(f"no message arrived within {_PATIENCE:.0f} s")
    session, data = arrived
    if not dkim.verify(data, dnsfunc=lambda *_, **__: dkim_record.encode()):
        raise ProbeFailed("the message's DKIM signature is missing or wrong")
    for part in (b"text/plain", b"text/html", message.personal_data(0)["code"].encode()):
        if part not in data:
            raise ProbeFailed(f"the message lacks {part.decode()}")
    return Probe(len(data), session.get("x-client-addr", ""), session.get("x-helo-args", ""))
