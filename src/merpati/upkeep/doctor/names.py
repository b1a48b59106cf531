"""The names of the sending IPs: PTR, its way back, and the HELO name.

Large providers refuse mail from addresses without a PTR record that leads back to the address.
Source: RFC 1912 2.1 (PTR and A match); Google and Yahoo sender requirements (2024-02).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from merpati.sending.ip_names import Looked, look
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Ip, Scene

REVERSE, CONFIRMED, HELO = "names.reverse", "names.confirmed", "names.helo"


async def check(scene: Scene) -> list[Finding]:
    """Ask for the names of each sending IP, and where they lead."""
    resolver = scene.resolver()
    looks = await asyncio.gather(*(look(resolver, ip.address, ip.hostname) for ip in scene.ips))
    return [f for ip, looked in zip(scene.ips, looks, strict=True) for f in judge(ip, looked)]


def judge(ip: Ip, looked: Looked) -> list[Finding]:
    """Return what is to be said of an address. An address that is not global only warns."""
    return list(_judged(ip, looked))


def _judged(ip: Ip, looked: Looked) -> Iterator[Finding]:
    bad = fail if ip.is_global else warn
    helo, address = ip.hostname.lower(), ip.address
    set_ptr = f"ask who owns the address block to set its PTR record to {helo}"
    if looked.failure:
        text = f"its PTR record could not be asked: {looked.failure}"
        yield warn(REVERSE, address, text, "see that dns.servers answer, then look again")
    elif not looked.pointers:
        yield bad(REVERSE, address, "it has no PTR record", set_ptr)
    else:
        named = ", ".join(looked.pointers)
        yield ok(REVERSE, address, f"its PTR record is {named}")
        yield from _confirmed(ip, looked, named)
        if helo in looked.pointers:
            yield ok(HELO, address, f"the HELO name {helo} is its PTR record")
        else:
            text = f"the HELO name {helo} is not its PTR record ({named})"
            yield warn(HELO, address, text, f"{set_ptr}, or give the IP that HELO name")
    if helo in looked.back_failures:
        text = f"the HELO name {helo} could not be asked: {looked.back_failures[helo]}"
        yield warn(HELO, address, text, "see that dns.servers answer, then look again")
    elif not looked.leads_back(address, helo):
        kind = "AAAA" if ":" in address else "A"
        text = f"the HELO name {helo} does not lead to it"
        yield bad(HELO, address, text, f"publish: {helo}. IN {kind} {address}")


def _confirmed(ip: Ip, looked: Looked, named: str) -> Iterator[Finding]:
    if looked.leads_back(ip.address, *looked.pointers):
        yield ok(CONFIRMED, ip.address, "its PTR record leads back to it")
        return
    failures = [looked.back_failures[n] for n in looked.pointers if n in looked.back_failures]
    if failures:
        text = f"where its PTR record leads could not be asked: {failures[0]}"
        yield warn(CONFIRMED, ip.address, text, "see that dns.servers answer, then look again")
        return
    kind = "AAAA" if ":" in ip.address else "A"
    text = f"its PTR record {named} does not lead back to it"
    level = fail if ip.is_global else warn
    yield level(
        CONFIRMED, ip.address, text, f"publish: {looked.pointers[0]}. IN {kind} {ip.address}"
    )
