"""Each family of checks against something that is well and something that is not."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import shutil
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from merpati.accounts.keys import KeyIdentity
from merpati.accounts.trusted_networks import TrustedNetworks
from merpati.runtime.tls import ensure_certificate
from merpati.sandbox.dns_server import DnsServer
from merpati.sending.dns_records import dkim_value
from merpati.sending.models import DkimKey, KeyState, SendingDomain
from merpati.sending.outbox import OutboxState
from merpati.settings import HostPort
from merpati.upkeep.doctor import (
    addresses,
    certificate,
    database,
    desk_mail,
    domains,
    folder,
    host,
    hours,
    outbound,
    ports,
    resolving,
)
from merpati.upkeep.doctor.finding import Finding, Level, ok
from merpati.upkeep.doctor.registry import FAMILIES, examine
from merpati.upkeep.doctor.scene import Ip, Scene
from merpati.upkeep.running import Running
from tests.support.postgres import Server
from tests.support.smtp_sink import SmtpSink
from tests.upkeep.scenes import MOMENT, of, scene

HERE, ELSEWHERE = Ip("127.0.0.2", "mta.example"), Ip("192.0.2.1", "mta.example")


async def test_a_private_folder_is_well(tmp_path: Path) -> None:
    it = scene(tmp_path)
    assert of(await folder.check(it), "folder.permissions") == [("OK", str(it.folder.root))]


@pytest.mark.parametrize("name", [".", "secret.key", "tls/key.pem"])
async def test_what_others_can_read_is_named_with_its_remedy(tmp_path: Path, name: str) -> None:
    it = scene(tmp_path)
    path = it.folder.root / name
    if name != ".":
        path.touch()
    path.chmod(0o755 if name == "." else 0o640)
    (found,) = [f for f in await folder.check(it) if f.level is Level.FAIL]
    assert found.subject == str(path)
    assert found.remedy == f"chmod {'0700' if name == '.' else '0600'} {path}"
    path.chmod(0o700 if name == "." else 0o600)
    assert not [f for f in await folder.check(it) if f.level is Level.FAIL]


@pytest.mark.parametrize(("reserve_mb", "level"), [(1 << 40, "FAIL"), (0, "OK")])
async def test_disk_space_is_held_against_the_reserve(
    tmp_path: Path, reserve_mb: int, level: str
) -> None:
    it = scene(tmp_path, {"spool.reserve_mb": reserve_mb})
    assert of(await folder.check(it), "folder.disk")[0] == (level, str(it.folder.root))


async def test_a_disk_that_is_nearly_at_the_reserve_warns(tmp_path: Path) -> None:
    free_mb = shutil.disk_usage(tmp_path).free >> 20
    it = scene(tmp_path, {"spool.reserve_mb": free_mb // 2})
    assert of(await folder.check(it), "folder.disk")[0][0] == "WARN"


async def test_each_sending_ip_is_bound_to(tmp_path: Path) -> None:
    found = await addresses.check(scene(tmp_path, ips=(HERE, ELSEWHERE)))
    assert of(found, "addresses.present") == [("OK", "127.0.0.2"), ("FAIL", "192.0.2.1")]
    assert "cannot assign requested address" in found[1].text
    assert of(found, "addresses.translated") == [("WARN", "127.0.0.2"), ("WARN", "192.0.2.1")]


async def test_no_sending_ip_is_worth_a_word(tmp_path: Path) -> None:
    assert of(await addresses.check(scene(tmp_path)), "addresses.present") == [("WARN", "")]


# DNS.


async def test_dns_servers_that_do_not_answer_fail(tmp_path: Path) -> None:
    with DnsServer() as dns:
        it = scene(tmp_path, {"dns.servers": [dns.address]})
        assert of(await resolving.check(it), "dns.answers") == [("OK", dns.address)]
        dns.broken.add(".")
        (found,) = await resolving.check(it)
    assert (found.level, found.subject) == (Level.FAIL, dns.address)
    assert "dns.servers" in found.remedy


def dkim_key(name: str) -> DkimKey:
    domain = SendingDomain(domain=name)
    return DkimKey(
        domain=domain, algorithm="rsa", selector="s1", public_key="AAAA", state=KeyState.NEW
    )


async def test_dkim_records_are_held_against_our_keys(tmp_path: Path) -> None:
    names = ("good.example", "bare.example", "wrong.example", "mute.example", "turning.example")
    rows = tuple(map(dkim_key, names))
    rows[4].domain.verified_at = datetime.now(UTC)  # another key of it signs
    with DnsServer() as dns:
        dns.add_txt("s1._domainkey.good.example", dkim_value(rows[0]))
        dns.add_txt("s1._domainkey.wrong.example", "v=DKIM1; k=rsa; p=BBBB")
        dns.broken.add("s1._domainkey.mute.example")
        found = await domains.check(scene(tmp_path, {"dns.servers": [dns.address]}, dkim_keys=rows))
    assert of(found, "domains.dkim") == [
        ("OK", "good.example"),
        ("FAIL", "bare.example"),
        ("FAIL", "wrong.example"),
        ("WARN", "mute.example"),
        ("WARN", "turning.example"),
    ]
    assert found[1].remedy == f"publish: s1._domainkey.bare.example. IN TXT {dkim_value(rows[1])}"


# Port 25 out.


async def test_port_25_is_tried_from_each_sending_ip(tmp_path: Path) -> None:
    sink = SmtpSink()
    async with sink.running():
        target = HostPort("127.0.0.1", sink.port)
        found = await outbound.check(scene(tmp_path, ips=(HERE, ELSEWHERE), smtp_target=target))
        assert of(found, "outbound.port25") == [("OK", "127.0.0.2"), ("FAIL", "192.0.2.1")]
        assert [c.peer for c in sink.connections] == ["127.0.0.2"]
        assert not any(connection.mail for connection in sink.connections)
        sink.banner = lambda c, line: "554 5.7.1 you are on a list"
        (found_now,) = await outbound.check(scene(tmp_path, ips=(HERE,), smtp_target=target))
    assert found_now.level is Level.WARN
    assert "554 5.7.1 you are on a list" in found_now.text


async def test_the_test_target_may_be_a_domains_first_mx(tmp_path: Path) -> None:
    sink = SmtpSink()
    with DnsServer() as dns:
        dns.add("far.example", "MX", "20 later.far.example.", "10 mx.far.example.")
        dns.add("mx.far.example", "A", "127.0.0.1")
        async with sink.running():
            overrides = {"dns.servers": [dns.address], "delivery.port": sink.port}
            it = scene(tmp_path, overrides, ips=(HERE,), smtp_domain="far.example")
            assert of(await outbound.check(it), "outbound.port25") == [("OK", "127.0.0.2")]
        nowhere = dataclasses.replace(it, smtp_domain="nowhere.example")
        assert of(await outbound.check(nowhere), "outbound.port25") == [("WARN", "127.0.0.2")]


async def test_a_shut_port_25_is_a_failure_within_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it connects and says nothing
        target = HostPort("127.0.0.1", silent.getsockname()[1])
        (found,) = await outbound.check(scene(tmp_path, ips=(HERE,), smtp_target=target))
    assert found.level is Level.FAIL
    assert "no answer within" in found.text
    assert "hosting company" in found.remedy


async def test_a_port_25_nobody_asked_to_test_is_no_failure(tmp_path: Path) -> None:
    assert of(await outbound.check(scene(tmp_path, ips=(HERE,))), "outbound.port25") == [
        ("WARN", "")
    ]


# Certificate.


@pytest.mark.parametrize(
    ("days", "level"), [(0, "OK"), (390, "WARN"), (400, "FAIL")], ids=["new", "old", "ended"]
)
async def test_a_certificate_is_judged_by_what_is_left(
    tmp_path: Path, days: int, level: str
) -> None:
    it = scene(tmp_path, {"listen.https": "127.0.0.1:8443"})
    made = datetime.now(UTC)
    ensure_certificate(it.folder.tls, it.settings.tls, ["mta.example"], made)
    found = await certificate.check(dataclasses.replace(it, now=made + timedelta(days=days)))
    assert of(found, "certificate.life")[0][0] == level


async def test_a_certificate_for_another_name_warns(tmp_path: Path) -> None:
    it = scene(tmp_path, {"listen.https": "127.0.0.1:8443"})
    ensure_certificate(it.folder.tls, it.settings.tls, ["other.example"], it.now)
    assert [level for level, _ in of(await certificate.check(it), "certificate.names")] == ["WARN"]


async def test_a_missing_certificate_fails_only_where_a_port_needs_it(tmp_path: Path) -> None:
    assert of(await certificate.check(scene(tmp_path)), "certificate.life") == [("OK", "")]
    needy = scene(tmp_path, {"listen.submission_tls": "127.0.0.1:465"})
    assert of(await certificate.check(needy), "certificate.life")[0][0] == "FAIL"


# Our own ports.


def with_port(it: Scene, name: str, port: int) -> Scene:
    running = Running(0, {name: HostPort("127.0.0.1", port)}, {})
    return dataclasses.replace(it, running=running)


@contextlib.asynccontextmanager
async def relaying(sink: SmtpSink, it: Scene) -> AsyncIterator[Scene]:
    async with sink.running():
        yield with_port(it, "inbound", sink.port)


async def test_an_open_relay_is_found_and_nothing_is_sent(tmp_path: Path) -> None:
    sink = SmtpSink()
    async with relaying(sink, scene(tmp_path)) as it:
        found = await ports.check(it)
    assert of(found, "ports.relay") == [("FAIL", "inbound")]
    assert sink.received == []


async def test_a_host_that_is_trusted_cannot_tell_whether_strangers_are(tmp_path: Path) -> None:
    """It may submit without a password: that was said to be an open relay."""
    sink = SmtpSink()
    us = KeyIdentity(7, "ab12", 1, frozenset(), is_suspended=False)
    trusted = TrustedNetworks([(ipaddress.ip_network("127.0.0.0/8"), us)])
    async with sink.running():
        it = with_port(scene(tmp_path, trusted=trusted), "submission", sink.port)
        found = await ports.check(it)
        assert of(found, "ports.relay") == [("WARN", "submission")]
        assert "key 7 trusts" in found[-1].text
        it = with_port(scene(tmp_path, trusted=trusted), "inbound", sink.port)
        assert of(await ports.check(it), "ports.relay") == [("FAIL", "inbound")]


@pytest.mark.parametrize("form", ["%elsewhere.example@", "<@mta.example:", '<"'])
async def test_the_old_ways_to_ask_for_relaying_are_tried(tmp_path: Path, form: str) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "250 ok" if form in line else "550 5.7.1 no"
    async with relaying(sink, scene(tmp_path)) as it:
        assert of(await ports.check(it), "ports.relay") == [("FAIL", "inbound")]


async def test_ports_that_refuse_strangers_are_well(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "550 5.7.1 no relaying"
    async with relaying(sink, scene(tmp_path)) as it:
        assert of(await ports.check(it), "ports.relay") == [("OK", "inbound")]

    async def closed(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 mta.example: come back later\r\n")
        writer.close()

    server = await asyncio.start_server(closed, "127.0.0.1", 0)
    async with server:
        shut = with_port(scene(tmp_path), "submission", server.sockets[0].getsockname()[1])
        found = await ports.check(shut)
    assert of(found, "ports.relay") == [("OK", "submission")]
    assert of(found, "ports.listening") == [("OK", "submission")]


async def test_a_port_and_a_worker_that_take_nothing_fail(tmp_path: Path) -> None:
    it = scene(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    running = Running(1, {"http": HostPort("127.0.0.1", port)}, {})
    found = await ports.check(dataclasses.replace(it, running=running))
    assert of(found, "ports.listening") == [("FAIL", "http"), ("FAIL", "deliver-0")]


async def test_ports_of_a_stopped_merpati_are_not_tested(tmp_path: Path) -> None:
    assert of(await ports.check(scene(tmp_path)), "ports.listening") == [("WARN", "")]


# Limits and clock.


@pytest.fixture
def time_server() -> Iterator[tuple[HostPort, list[float]]]:
    """An SNTP server, and by how many seconds it is behind."""
    behind = [0.0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                query, client = server.recvfrom(512)
                if query == b"end":
                    return
                moment = time.time() + 2_208_988_800 - behind[0]
                whole = int(moment)
                stamp = struct.pack("!II", whole, int((moment - whole) * 2**32))
                server.sendto(b"\x24" + bytes(39) + stamp, client)

        thread = threading.Thread(target=serve)
        thread.start()
        at = HostPort(*server.getsockname())
        yield at, behind
        server.sendto(b"end", at)
        thread.join()


@pytest.mark.parametrize(("behind_by", "level"), [(0.0, "OK"), (2.0, "WARN"), (90.0, "FAIL")])
async def test_the_clock_is_compared_with_a_time_server(
    tmp_path: Path,
    time_server: tuple[HostPort, list[float]],
    behind_by: float,
    level: str,
) -> None:
    at, behind = time_server
    behind[0] = behind_by
    found = await host.check(scene(tmp_path, ntp=at))
    assert (level, "time server") in of(found, "host.clock")


async def test_a_time_server_that_cannot_be_asked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "NTP_SECONDS", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        found = await host.check(scene(tmp_path, ntp=HostPort(*mute.getsockname())))
    assert ("WARN", "time server") in of(found, "host.clock")


async def test_data_from_the_future_says_that_the_clock_went_back(tmp_path: Path) -> None:
    it = scene(tmp_path)
    it.folder.policy.touch()
    assert ("FAIL", "data") not in of(await host.check(it), "host.clock")
    back = dataclasses.replace(it, now=it.now - timedelta(hours=1))
    assert ("FAIL", "data") in of(await host.check(back), "host.clock")


@pytest.mark.parametrize(("limit", "level"), [(256, "FAIL"), (2_048, "WARN"), (65_536, "OK")])
async def test_the_file_limit_of_this_process_counts_while_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, level: str
) -> None:
    monkeypatch.setattr(host.resource, "getrlimit", lambda _: (limit, limit))
    assert of(await host.check(scene(tmp_path)), "host.files") == [(level, "this shell")]


# All together.


async def test_a_family_that_fails_or_hangs_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Scene) -> list[Finding]:
        raise KeyError("x")

    async def hanging(_: Scene) -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def well(_: Scene) -> list[Finding]:
        return [ok("well.done", "", "fine")]

    monkeypatch.setattr("merpati.upkeep.doctor.registry.FAMILY_SECONDS", 0.05)
    families = {"broken": broken, "hanging": hanging, "well": well}
    found = await examine(scene(tmp_path), families)
    assert [(str(f.level), f.check) for f in found] == [
        ("WARN", "broken.unknown"),
        ("WARN", "hanging.unknown"),
        ("OK", "well.done"),
    ]


async def test_bank_holidays_that_nobody_confirmed_warn(tmp_path: Path) -> None:
    assert of(await hours.check(scene(tmp_path)), "hours.holidays") == [("OK", "")]
    (found,) = await hours.check(scene(tmp_path, unconfirmed=(("uk", 2027),)))
    assert (found.level, found.subject) == (Level.WARN, "uk 2027")
    assert "--zone uk --year 2027" in found.remedy


@pytest.mark.parametrize(
    ("outbox", "expected"),
    [
        pytest.param(OutboxState("", 0, None, 0), [("desk.sender", "OK")], id="well"),
        pytest.param(OutboxState("no account", 3, MOMENT, 0), [("desk.sender", "FAIL")], id="held"),
        pytest.param(
            OutboxState("", 3, MOMENT - timedelta(minutes=11), 2),
            [("desk.sender", "OK"), ("desk.outbox", "WARN"), ("desk.outbox", "WARN")],
            id="stuck",
        ),
    ],
)
async def test_the_desks_mail_is_looked_at(
    tmp_path: Path, outbox: OutboxState, expected: list[tuple[str, str]]
) -> None:
    with DnsServer() as dns:
        dns.add("desk.example", "MX", "10 mta.example.")
        it = scene(
            tmp_path,
            {
                "dns.servers": [dns.address],
                "desk.account": "1",
                "desk.support_address": "support@desk.example",
            },
            now=MOMENT,
            outbox=outbox,
        )
        found = await desk_mail.check(it)
    if not outbox.held:
        expected = [*expected, ("desk.mx", "OK")]
    assert [(f.check, str(f.level)) for f in found] == expected


async def test_mail_that_cannot_come_here_is_named(tmp_path: Path) -> None:
    with DnsServer() as dns:
        dns.add("other.example", "MX", "10 mx.elsewhere.example.")
        dns.add("d.example", "A", "192.0.2.1")
        for domain, said in (("other.example", "mx.elsewhere.example"), ("d.example", "no MX")):
            settings = {"desk.account": "1", "desk.support_address": f"support@{domain}"}
            it = scene(
                tmp_path,
                {"dns.servers": [dns.address], **settings},
                outbox=OutboxState("", 0, None, 0),
            )
            (found,) = (f for f in await desk_mail.check(it) if f.check == "desk.mx")
            assert (found.level, said in found.text) == (Level.WARN, True)
            assert f"{domain}. IN MX 10 mta.example." in found.remedy


async def test_a_desk_without_mail_is_well(tmp_path: Path) -> None:
    (found,) = await desk_mail.check(scene(tmp_path, outbox=OutboxState("unset", 0, None, 0)))
    assert found.level is Level.OK


async def test_whatever_is_not_well_comes_with_its_remedy(tmp_path: Path) -> None:
    """X2: a host that nothing was prepared on."""
    with DnsServer() as dns:
        it = scene(
            tmp_path,
            {"dns.servers": [dns.address], "listen.https": "127.0.0.1:8443"},
            ips=(HERE, ELSEWHERE, Ip("2001:db8::1", "mta.example")),
            dkim_keys=(dkim_key("kirim.example"),),
            smtp_target=HostPort("127.0.0.1", 1),
        )
        it.folder.root.chmod(0o755)
        found = await examine(it)
    bad = {f.check for f in found if f.level is not Level.OK}
    assert bad >= {
        *("folder.permissions", "addresses.present", "addresses.translated", "names.reverse"),
        *("names.helo", "domains.dkim", "outbound.port25", "certificate.life", "ports.listening"),
    }
    assert [f for f in found if bool(f.remedy) is (f.level is Level.OK)] == []
    assert {f.check.partition(".")[0] for f in found} == set(FAMILIES)


async def test_a_database_that_takes_too_few_connections_is_named(
    tmp_path: Path, postgres: Server
) -> None:
    own = await database.check(scene(tmp_path))
    assert of(own, "database.place") == [("OK", "")]
    url = {"database.url": postgres.url("postgres"), "delivery.workers": 2}
    found = await database.check(scene(tmp_path, url))
    assert [str(f.level) for f in found] == ["OK", "OK"]
    found = await database.check(scene(tmp_path, {**url, "listen.https": "127.0.0.1:8443"}))
    assert [str(f.level) for f in found] == ["OK", "WARN"]
    assert "takes 97 connections; all our threads at once use 116" in found[1].text


async def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    (found,) = await database.check(
        scene(tmp_path, {"database.url": "postgresql://ani:s3cret@127.0.0.1:1/m"})
    )
    assert found.level is Level.FAIL
    assert "s3cret" not in found.text
