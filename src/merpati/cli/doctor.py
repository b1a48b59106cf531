"""`merpati doctor`: what is not well on this host and in DNS, and what to do about it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati import settings
from merpati.cli.actor import now
from merpati.cli.output import Command, common_options, printable, say, show, style
from merpati.runtime.setup import setup
from merpati.settings import HostPort, parse_host_port
from merpati.upkeep.running import running

if TYPE_CHECKING:
    from merpati.upkeep.doctor.finding import Finding
    from merpati.upkeep.doctor.scene import Scene

COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}


def _address(
    default_port: int,
) -> Callable[[click.Context, click.Parameter, str | None], HostPort | None]:
    def read(_ctx: click.Context, _param: click.Parameter, text: str | None) -> HostPort | None:
        try:
            return parse_host_port(text, default_port) if text else None
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


@click.command(
    cls=Command,
    examples=(
        "merpati doctor",
        "merpati doctor --smtp-domain gmail.com --ntp pool.ntp.org",
        "merpati doctor --smtp-target mx.example.net:25 --json",
    ),
)
@common_options
@click.option(
    "--smtp-target",
    metavar="HOST[:PORT]",
    callback=_address(25),
    help="Test port 25 out with this mail server.",
)
@click.option("--smtp-domain", metavar="DOMAIN", default="", help="Or with this domain's first MX.")
@click.option(
    "--ntp",
    metavar="HOST[:PORT]",
    callback=_address(123),
    help="Compare the clock with this time server.",
)
def doctor(
    data: Path, as_json: bool, smtp_target: HostPort | None, smtp_domain: str, ntp: HostPort | None
) -> int:
    """Find what keeps mail from flowing, and the remedy.

    Looks at data folder, database, disk, limits, clock, sending IPs, DNS and their names in it,
    DKIM records, port 25 out, certificate, our own ports (also as an open relay), the balance, the
    desk's bank holidays and its mail. Each line is OK, WARN or FAIL, with what to do. Nothing is
    changed and no mail is sent. Ends with 1 when something is FAIL.
    """
    scene = _scene(data)
    from merpati.upkeep.doctor.registry import examine  # noqa: PLC0415 - needs Django set up

    scene = dataclasses.replace(scene, smtp_target=smtp_target, smtp_domain=smtp_domain, ntp=ntp)
    findings = asyncio.run(examine(scene))
    counts = Counter(str(finding.level) for finding in findings)
    document = {
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "counts": {level: counts[level] for level in COLOURS},
    }
    show(document, "\n".join(_lines(findings)), as_json)
    say(f"{counts['FAIL']} FAIL, {counts['WARN']} WARN, {counts['OK']} OK")
    return 1 if counts["FAIL"] else 0


def _scene(data: Path) -> Scene:
    current = settings.load(data)
    folder = setup(data)
    from merpati.accounts.trusted_networks import trusted_networks  # noqa: PLC0415 - needs Django
    from merpati.adapters.clock import SystemClock  # noqa: PLC0415
    from merpati.desk.calendars import unconfirmed_ahead  # noqa: PLC0415
    from merpati.sending.directory import Directory  # noqa: PLC0415
    from merpati.sending.models import DkimKey, KeyState, SendingIp  # noqa: PLC0415
    from merpati.sending.outbox import outbox_state  # noqa: PLC0415
    from merpati.upkeep.doctor.scene import Ip, Scene  # noqa: PLC0415

    ips = SendingIp.objects.order_by("account_id", "slot").values_list("address", "hostname")
    return Scene(
        folder=folder,
        settings=current,
        now=now(),
        running=running(folder),
        ips=tuple(Ip(address, hostname) for address, hostname in ips),
        dkim_keys=tuple(
            DkimKey.objects.exclude(state=KeyState.RETIRING)
            .select_related("domain")
            .defer("private_key")
            .order_by("domain__domain", "selector")
        ),
        trusted=trusted_networks(),
        unconfirmed=tuple(unconfirmed_ahead(now().date())),
        outbox=outbox_state(current.desk, Directory(SystemClock()), now()),
    )


def _lines(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        level = style(f"{finding.level:<4}", fg=COLOURS[finding.level], bold=True)
        about = f"{finding.subject}: " if finding.subject else ""
        lines.append(f"{level}  {finding.check:<21} {printable(about + finding.text)}")
        if finding.remedy:
            lines.append(f"      {'':21} → {printable(finding.remedy)}")
    return lines
