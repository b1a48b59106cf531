"""Several sites of one provider share the connections of its lane, and none is left waiting."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from merpati.sandbox.dns_server import DnsServer
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import QUICK, policy, worker

SITES = 6


@pytest.mark.parametrize("connections", [1, 2])
async def test_more_sites_than_connections_are_all_served(tmp_path: Path, connections: int) -> None:
    """A line that finds no free connection is next when one is free: nothing else would wake it."""
    recipients = [f"u{n}@d{n % SITES}.example" for n in range(SITES * 20)]
    with DnsServer() as dns:
        for site in range(SITES):
            dns.add(f"d{site}.example", "MX", f"10 mx{site}.hosts.example.")
            dns.add(f"mx{site}.hosts.example", "A", "127.0.0.1")
        async with SmtpSink().running() as sink:
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                port=sink.port,
                allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
                connections=connections,
            )
            async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
                await w.inject(*recipients)
                events = await w.settled(len(recipients))
    assert Counter(received.rcpt for received in sink.received) == Counter(recipients)
    assert {event.provider for event in events} == {"hosts.example"}
    assert sink.most_open <= connections
