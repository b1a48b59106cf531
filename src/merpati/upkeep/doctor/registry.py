"""All families of checks, and the one way to run them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from merpati.upkeep.doctor import (
    addresses,
    books,
    certificate,
    database,
    desk_mail,
    domains,
    folder,
    host,
    hours,
    names,
    outbound,
    ports,
    resolving,
)
from merpati.upkeep.doctor.finding import Finding, warn
from merpati.upkeep.doctor.scene import Scene

log = logging.getLogger(__name__)

FAMILY_SECONDS = 60.0

Check = Callable[[Scene], Awaitable[list[Finding]]]

FAMILIES: Mapping[str, Check] = {
    "folder": folder.check,
    "host": host.check,
    "database": database.check,
    "addresses": addresses.check,
    "dns": resolving.check,
    "names": names.check,
    "domains": domains.check,
    "outbound": outbound.check,
    "certificate": certificate.check,
    "ports": ports.check,
    "books": books.check,
    "hours": hours.check,
    "desk": desk_mail.check,
}


async def examine(scene: Scene, families: Mapping[str, Check] = FAMILIES) -> list[Finding]:
    """Return all findings, family by family; a family that fails says so and spoils no other."""
    found = await asyncio.gather(*(_run(name, check, scene) for name, check in families.items()))
    return [finding for findings in found for finding in findings]


async def _run(name: str, check: Check, scene: Scene) -> list[Finding]:
    try:
        async with asyncio.timeout(FAMILY_SECONDS):
            return await check(scene)
    except TimeoutError:
        text = f"this took longer than {FAMILY_SECONDS:.0f} s and was given up"
    except Exception as error:
        log.exception("check_failed family=%s", name)
        text = f"this could not be looked at: {type(error).__name__}: {error}"
    return [warn(f"{name}.unknown", "", text, "look again; if it stays so, report it")]
