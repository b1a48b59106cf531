"""The sending IPs: whether this host has them, and whether the world sees them as they are."""

from __future__ import annotations

import os
import socket

from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Ip, Scene

PRESENT, TRANSLATED = "addresses.present", "addresses.translated"


async def check(scene: Scene) -> list[Finding]:
    """Bind to each sending IP, as delivery will."""
    if not scene.ips:
        remedy = "merpati ip add ADDRESS --account A --hostname NAME"
        return [warn(PRESENT, "", "there is no sending IP yet: mail would wait", remedy)]
    return [*map(present, scene.ips), *(_translated(ip) for ip in scene.ips if not ip.is_global)]


def _translated(ip: Ip) -> Finding:
    return warn(
        TRANSLATED,
        ip.address,
        "this address is not global: receivers see another one, behind a translation",
        "see that each sending IP leaves through a public address of its own, and that its PTR "
        "record is the HELO name",
    )


def present(ip: Ip) -> Finding:
    """Return whether connections can leave from an address."""
    family = socket.AF_INET6 if ":" in ip.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((ip.address, 0))
    except OSError as error:
        return fail(
            PRESENT,
            ip.address,
            f"this host cannot send from it: {os.strerror(error.errno or 0).lower()}",
            f"add it to the host (ip address add {ip.address} dev eth0), or take it from the "
            f"account (merpati ip remove {ip.address})",
        )
    return ok(PRESENT, ip.address, "this host has it")
