"""`merpati probe`: walk the way that mail to a domain takes, step by step, and send nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati import settings
from merpati.cli.actor import now
from merpati.cli.doctor import COLOURS
from merpati.cli.output import Command, common_options, printable, say, show, style
from merpati.runtime.setup import setup
from merpati.settings import Settings

if TYPE_CHECKING:
    from merpati.delivery.destinations import Destinations
    from merpati.runtime.paths import DataFolder
    from merpati.upkeep.doctor.scene import Ip
    from merpati.upkeep.probe.step import Step


def _ip(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address") from None


@click.command(
    cls=Command,
    examples=(
        "merpati probe example.org --from 192.0.2.10",
        "merpati probe gmail.com --from 192.0.2.10 --rcpt sari@gmail.com",
        "merpati probe example.org --from 192.0.2.10 --sender halo@kirim.example --json",
    ),
)
@click.argument("domain", metavar="DOMAIN")
@click.option("--from", "source", metavar="IP", required=True, callback=_ip, help="Sending IP.")
@click.option(
    "--sender",
    metavar="A",
    help="Envelope sender [default: probe@ our bounce domain]; '' for none.",
)
@click.option("--rcpt", metavar="R", help="Ask for this recipient too.")
@common_options
def probe(
    *, domain: str, source: str, sender: str | None, rcpt: str | None, data: Path, as_json: bool
) -> int:
    """Walk the way that mail to a domain takes, and send nothing.

    From a sending IP: MX or static route, provider, connection, banner, EHLO, STARTTLS with the
    certificate, MAIL FROM and, if asked, RCPT TO; looked up and read as delivery does, each step
    with what it means and what to do. Works while Merpati runs and while it is stopped. Ends with 1
    when a step is FAIL.
    """
    current = settings.load(data)
    folder = setup(data)
    from merpati.delivery.protocol import is_writable  # noqa: PLC0415 - needs Django set up
    from merpati.sending.domain_names import checked_domain  # noqa: PLC0415
    from merpati.upkeep.probe.trial import Wanted, probe  # noqa: PLC0415

    if sender is None:
        sender = f"probe@{current.mail.bounce_domain}"
    for address in (sender, rcpt or ""):
        if address and not ("@" in address and is_writable(address)):
            raise click.UsageError(f"{address!r} is no email address")
    ip = _sending_ip(source, current)
    wanted = Wanted(
        domain=checked_domain(domain),
        ip=ip,
        sender=sender,
        recipient=rcpt,
        now=now(),
        dns_servers=tuple(current.dns.servers),
    )
    steps: list[Step] = []

    def tell(step: Step) -> None:
        steps.append(step)
        if not as_json:
            click.echo("\n".join(_lines(step)))

    async def walk() -> None:
        await probe(wanted, _destinations(folder, current), tell)

    asyncio.run(walk())
    failed = any(step.level == "FAIL" for step in steps)
    if as_json:
        document = {
            "domain": wanted.domain,
            "sending_ip": ip.address,
            "helo": ip.hostname,
            "sender": sender,
            "recipient": rcpt,
            "steps": [dataclasses.asdict(step) for step in steps],
        }
        show(document, "", as_json)
    say("it goes no further" if failed else "nothing was sent")
    return 1 if failed else 0


def _sending_ip(address: str, current: Settings) -> Ip:
    """Return the sending IP with its HELO name; a stranger says this host's name."""
    from merpati.sending.models import SendingIp  # noqa: PLC0415 - needs Django set up
    from merpati.upkeep.doctor.scene import Ip  # noqa: PLC0415

    known = SendingIp.objects.filter(address=address).values_list("hostname", flat=True).first()
    if known is None:
        say(f"{address} is no sending IP of an account; it says {current.mail.hostname} in EHLO")
    return Ip(address, known or current.mail.hostname)


def _destinations(folder: DataFolder, current: Settings) -> Destinations:
    """Return look-ups as delivery makes them, with the routes of the policy in use."""
    from merpati.adapters.dns import Resolver  # noqa: PLC0415 - loads dnspython
    from merpati.delivery.destinations import Destinations  # noqa: PLC0415
    from merpati.runtime.deliver import options_of  # noqa: PLC0415
    from merpati.sending.policy import published_policy  # noqa: PLC0415

    options = options_of(current)
    destinations = Destinations(
        Resolver(options.dns_servers),
        time.monotonic,
        port=options.port,
        allow_private=options.allow_private,
    )
    policy = published_policy(folder.root)
    destinations.use_routes(policy.routes if policy else ())
    return destinations


def _lines(step: Step) -> list[str]:
    level = style(f"{step.level:<4}", fg=COLOURS[step.level], bold=True)
    took = f"{step.seconds * 1000:,.0f} ms" if step.seconds else ""
    lines = [f"{level}  {step.name:<11} {took:>9}  {printable(step.text)}"]
    lines += [f"{'':29}{printable(text)}" for text in (step.meaning,) if text]
    lines += [f"{'':27}→ {printable(text)}" for text in (step.remedy,) if text]
    return lines
