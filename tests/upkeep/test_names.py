"""PTR, its way back and the HELO name: what is said of each combination."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from merpati.runtime.paths import DataFolder
from merpati.sandbox.dns_server import DnsServer
from merpati.sending.ip_names import Looked
from merpati.settings import load
from merpati.upkeep.doctor import names
from merpati.upkeep.doctor.finding import Finding
from merpati.upkeep.doctor.names import judge
from merpati.upkeep.doctor.scene import Ip, Scene
from tests.upkeep.scenes import MOMENT

IP, HELO = "8.8.4.4", "mta.kirim.example"
BACK = {HELO: (IP,)}


def levels(findings: list[Finding]) -> dict[str, str]:
    """The worst level of each check."""
    order = ["OK", "WARN", "FAIL"]
    found: dict[str, str] = {}
    for finding in findings:
        topic = finding.check.partition(".")[2]
        found[topic] = max(found.get(topic, "OK"), str(finding.level), key=order.index)
    return found


@pytest.mark.parametrize(
    ("looked", "said"),
    [
        pytest.param(
            Looked((HELO,), back=BACK),
            {"reverse": "OK", "confirmed": "OK", "helo": "OK"},
            id="all agree",
        ),
        pytest.param(Looked((), back=BACK), {"reverse": "FAIL"}, id="no PTR"),
        pytest.param(
            Looked((), failure="timed out", back=BACK),
            {"reverse": "WARN"},
            id="no answer is no verdict",
        ),
        pytest.param(
            Looked(("ip-4.isp.example",), back={**BACK, "ip-4.isp.example": ("192.0.2.9",)}),
            {"reverse": "OK", "confirmed": "FAIL", "helo": "WARN"},
            id="PTR leads elsewhere",
        ),
        pytest.param(
            Looked(("ip-4.isp.example",), back={**BACK, "ip-4.isp.example": (IP,)}),
            {"reverse": "OK", "confirmed": "OK", "helo": "WARN"},
            id="PTR is another name",
        ),
        pytest.param(
            Looked(("other.example", HELO), back={**BACK, "other.example": ()}),
            {"reverse": "OK", "confirmed": "OK", "helo": "OK"},
            id="one of two PTR names is right",
        ),
        pytest.param(
            Looked((HELO,), back={}, back_failures={HELO: "timed out"}),
            {"reverse": "OK", "confirmed": "WARN", "helo": "WARN"},
            id="the way back cannot be asked",
        ),
        pytest.param(
            Looked((HELO,), back={HELO: ()}),
            {"reverse": "OK", "confirmed": "FAIL", "helo": "FAIL"},
            id="HELO leads nowhere",
        ),
    ],
)
def test_names_of_a_global_address(looked: Looked, said: dict[str, str]) -> None:
    assert levels(judge(Ip(IP, HELO), looked)) == said


def test_an_address_behind_a_translation_only_warns() -> None:
    assert levels(judge(Ip("10.0.0.5", HELO), Looked())) == {"reverse": "WARN", "helo": "WARN"}


def test_what_to_publish_is_written_out() -> None:
    v4 = judge(Ip(IP, "MTA.kirim.example"), Looked((HELO,), back={HELO: ()}))
    assert f"publish: {HELO}. IN A {IP}" in [finding.remedy for finding in v4]
    v6 = judge(Ip("2001:4860::1", HELO), Looked())
    assert f"publish: {HELO}. IN AAAA 2001:4860::1" in [finding.remedy for finding in v6]
    assert all(finding.remedy for finding in v6)


async def test_names_are_asked_of_the_servers_in_the_settings(tmp_path: Path) -> None:
    with DnsServer() as dns:
        dns.add("4.4.8.8.in-addr.arpa", "PTR", f"{HELO}.")
        dns.add(HELO, "A", IP)
        scene = Scene(
            folder=DataFolder(tmp_path),
            settings=load(tmp_path, {}, {"dns.servers": [dns.address]}),
            now=MOMENT,
            ips=(Ip(IP, HELO),),
        )
        everything = {"reverse": "OK", "confirmed": "OK", "helo": "OK"}
        assert levels(await names.check(scene)) == everything
        dns.broken.add("4.4.8.8.in-addr.arpa")
        assert levels(await names.check(scene))["reverse"] == "WARN"
        dns.broken.clear()
        dns.remove("4.4.8.8.in-addr.arpa")
        assert levels(await names.check(scene))["reverse"] == "FAIL"
        lonely = dataclasses.replace(scene, ips=())
        assert await names.check(lonely) == []
