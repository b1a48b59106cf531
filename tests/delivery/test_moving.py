"""A move in small, by real SMTP: two warming IPs, three providers by DNS, an old provider."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec

from merpati.contracts.event import EventType
from merpati.contracts.sending_policy import (
    Egress,
    Migration,
    ProviderAllowance,
    SendingIp,
    Share,
    TlsMode,
)
from merpati.delivery.allowance import DAY_MS
from merpati.sandbox.dns_server import DnsServer
from merpati.sending.buckets import bucket_of
from tests.support.smtp_sink import Connection, SmtpSink
from tests.support.worker import ACCOUNT, NOON, POOL, QUICK, policy, worker

HOSTS = {
    "yahoo.com": "mta5.am0.yahoodns.net",
    "mail.ru": "mxs.mail.ru",
    "x.example": "mx.x.example",
}
PROVIDERS = {"yahoo.com": "yahoo", "mail.ru": "mailru", "x.example": "x.example"}
SHARES = {"yahoo": 5_000, "mailru": 2_000, "x.example": 10_000}
ALLOWANCES = {
    "yahoo": 60,
    "mailru": 100,
    "x.example": 100,
}  # of each IP: together less, and more
BLOCKED_IP, OTHER_IP = "127.0.0.2", "127.0.0.3"
EACH = 400


def sender(address: str) -> SendingIp:
    rows = [
        ProviderAllowance(provider, NOON // DAY_MS, messages, 1_000_000)
        for provider, messages in ALLOWANCES.items()
    ]
    return SendingIp(address, f"mta-{address[-1]}.kirim.example", 500, rows, 10)


async def test_shares_are_kept_allowances_never_passed_and_a_block_stays_where_it_is(
    tmp_path: Path,
) -> None:
    """M1, M3, M4: a day of a migration that is blocked at one provider from one IP."""
    people = {domain: [f"user{number}@{domain}" for number in range(EACH)] for domain in HOSTS}
    share_of = {
        domain: {a for a in people[domain] if bucket_of(ACCOUNT, a) < SHARES[provider]}
        for domain, provider in PROVIDERS.items()
    }
    ours_at_yahoo = share_of["yahoo.com"]
    theirs, old = SmtpSink(), SmtpSink()

    def blocks(c: Connection, line: str) -> str:
        blocked = "yahoo.com" in line and c.peer == BLOCKED_IP and c.messages >= 3
        return "451 4.7.0 [TSS04] Messages temporarily deferred" if blocked else "250 ok"

    theirs.on_rcpt = blocks
    async with theirs.running(), old.running():
        relay = Egress(7, ACCOUNT, "SparkPost", "127.0.0.1", old.port, tls=TlsMode.NONE)
        shares = [Share(provider, share) for provider, share in SHARES.items()]
        first = msgspec.structs.replace(
            policy(0, routes=[], ips=(sender(BLOCKED_IP), sender(OTHER_IP))),
            egresses=[relay],
            migrations=[Migration(ACCOUNT, POOL, 7, shares)],
        )
        with DnsServer() as dns:
            for domain, host in HOSTS.items():
                dns.add(domain, "MX", f"10 {host}.")
                dns.add(host, "A", "127.0.0.1")
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                port=theirs.port,
                allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
            )
            async with worker(tmp_path, first, options) as w:
                for addresses in people.values():
                    buckets = [bucket_of(ACCOUNT, address) for address in addresses]
                    await w.inject(*addresses, buckets=buckets)
                unhurt = {a for addresses in people.values() for a in addresses} - ours_at_yahoo
                await w.until(lambda: unhurt <= {e.rcpt_to for e in w.events()}, 40)
                await w.until_said("Yahoo refuses mail from 127.0.0.2")
                events = w.events()

    attempts = Counter((e.sending_ip, e.provider) for e in events if e.sending_ip and e.code)
    assert all(count <= ALLOWANCES[provider] for (_, provider), count in attempts.items())
    deferred = [e for e in events if e.type is EventType.DELAY]
    assert {(e.sending_ip, e.provider) for e in deferred} == {(BLOCKED_IP, "yahoo")}
    assert attempts[OTHER_IP, "yahoo"] == ALLOWANCES["yahoo"], "the other IP went on"
    by_old = {e.rcpt_to for e in events if e.egress}
    assert not by_old & {e.rcpt_to for e in deferred}, "what was refused waits"
    ours = {e.rcpt_to for e in events} - by_old
    assert ours & set(people["mail.ru"]) == share_of["mail.ru"], "to the recipient"
    assert ours & set(people["yahoo.com"]) <= ours_at_yahoo, "nobody moved who was not to"
    at_x = ours & set(people["x.example"])
    assert len(at_x) == 2 * ALLOWANCES["x.example"], "above it mail goes by the old provider"
