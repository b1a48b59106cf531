"""`merpati sandbox`: mailbox providers on this machine, to rehearse against."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.output import Command, line, printable, style
from merpati.runtime.process import stop_event
from merpati.settings import HostPort, TlsSettings, parse_host_port

if TYPE_CHECKING:
    import ssl

    from rich.console import RenderableType

    from merpati.sandbox.play import Playing
    from merpati.sandbox.seen import Tally, Try
    from merpati.sandbox.world import World

COLOURS = {"accepted": "green", "deferred": "yellow", "refused": "red", "dropped": "magenta"}
REFRESHES = 4  # of the live figures, a second


def _address(_: click.Context, __: click.Parameter, text: str) -> HostPort:
    try:
        address = parse_host_port(text)
        ipaddress.ip_address(address.host)
    except ValueError as error:
        raise click.BadParameter(f"{error}; give an address of this machine and a port") from None
    return address


@click.command(
    cls=Command,
    examples=(
        "merpati sandbox",
        "merpati sandbox --smtp 127.0.0.20:2525 --dns 127.0.0.1:5300 --keep received",
        "merpati sandbox --zone rehearsal.toml --no-starttls --json",
        "merpati sandbox --example > providers.toml",
        "merpati sandbox --providers providers.toml",
        "",
        "Point Merpati at it, in a data folder of its own:",
        "  MERPATI_DNS__SERVERS=127.0.0.1:5300 MERPATI_DELIVERY__PORT=2525 \\",
        "  MERPATI_SAFETY__ALLOW_PRIVATE=127.0.0.0/8 merpati run --data rehearsal",
    ),
)
@click.option(
    "--smtp",
    metavar="IP:PORT",
    default="127.0.0.20:2525",
    show_default=True,
    callback=_address,
    help="The first mail host; each further one has the next address.",
)
@click.option(
    "--dns",
    metavar="IP:PORT",
    default="127.0.0.1:5300",
    show_default=True,
    callback=_address,
    help="The DNS server that leads there.",
)
@click.option(
    "--zone",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    help="Domains, sending IPs and DNS records to play besides.",
)
@click.option(
    "--providers",
    "providers_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    help="Mailbox providers to play: what they bear, whom they block, what their people do.",
)
@click.option("--example", is_flag=True, help="Print such a file to begin with, and end.")
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Of all that is left to chance with --providers.",
)
@click.option(
    "--starttls/--no-starttls",
    default=True,
    show_default=True,
    help="Offer STARTTLS, with a certificate made here; some providers get no mail without.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each accepted message to this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line (NDJSON).")
def sandbox(
    *,
    smtp: HostPort,
    dns: HostPort,
    zone: Path | None,
    providers_path: Path | None,
    example: bool,
    seed: int,
    starttls: bool,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Play mailbox providers here, to rehearse against.

    Each provider has a mail host on an address of its own and a domain in the sandbox's DNS, such
    as gmail-like.test. The recipient's name says what becomes of the mail: accept@, defer-2@
    (twice, then accepted), reject@, full@, greylist@, slow@, drop@, drop-message@, drop-dot@, and
    in the provider's own words rate@, block@, spam@, tempfail@. What follows a + only tells
    recipients apart. With --providers each bears only so much mail of a sending IP, defers what
    is more, then blocks; people open, click and complain. Prints what it received until Ctrl-C.
    """
    from merpati.sandbox import providers_file as providers  # noqa: PLC0415
    from merpati.sandbox.play import playing  # noqa: PLC0415 - loads dnspython
    from merpati.sandbox.seen import Tally  # noqa: PLC0415
    from merpati.sandbox.world import make_world  # noqa: PLC0415
    from merpati.sandbox.zone_file import read_zone_file  # noqa: PLC0415

    if example:
        click.echo(providers.example(), nl=False)
        return
    file = providers.read_providers_file(providers_path) if providers_path else None
    world = make_world(smtp.host, read_zone_file(zone) if zone else None, file)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    tls = _certificate(world) if starttls else None
    tally = Tally()
    is_live = not as_json and sys.stdout.isatty()

    def tell(seen: Try) -> None:
        tally.add(seen)
        if not is_live:
            click.echo(line(_document(seen)) if as_json else _for_people(seen))

    async def play() -> None:
        stop = stop_event()
        async with playing(
            world,
            tell,
            smtp_port=smtp.port,
            dns_host=dns.host,
            dns_port=dns.port,
            tls=tls,
            keep=keep,
            providers_file=file,
            seed=seed,
        ) as it:
            click.echo(line(_ready(it)) if as_json else _ready_line(it))
            if is_live:
                await _show_live(it, tally, stop)
            else:
                await stop.wait()

    asyncio.run(play())


def _certificate(world: World) -> ssl.SSLContext:
    from merpati.runtime.tls import ensure_certificate  # noqa: PLC0415 - loads cryptography

    names = [host.name for host in world.hosts]
    with tempfile.TemporaryDirectory(prefix="merpati-sandbox-") as folder:
        made = ensure_certificate(Path(folder), TlsSettings(), names, datetime.now(UTC))
        return made.context()


async def _show_live(it: Playing, tally: Tally, stop: asyncio.Event) -> None:
    from rich.live import Live  # noqa: PLC0415 - slow to load

    with Live(auto_refresh=False) as live:
        while not stop.is_set():
            live.update(_screen(it, tally), refresh=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1 / REFRESHES):
                    await stop.wait()


def _screen(it: Playing, tally: Tally) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from merpati.sandbox.seen import Outcome  # noqa: PLC0415

    figures = Table("mail to", "is taken by", title="Received", title_justify="left")
    for outcome in Outcome:
        figures.add_column(outcome, justify="right")
    for host in it.world.hosts:
        domains = ", ".join(name for name, at in it.world.domains.items() if at == host)
        counts = (tally.counts[host.provider, outcome] for outcome in Outcome)
        figures.add_row(domains, f"{host.name} {host.address}", *(f"{n:,}" for n in counts))
    newest = (Text.from_ansi(_for_people(seen)) for seen in tally.last)
    return Group(figures, *newest)


def _ready_line(it: Playing) -> str:
    smtp = HostPort(it.world.hosts[0].address, it.smtp_port)
    return f"merpati sandbox ready smtp={smtp} dns={it.dns.address}"


def _ready(it: Playing) -> dict[str, Any]:
    hosts = {
        domain: {"host": host.name, "address": host.address, "provider": host.provider}
        for domain, host in it.world.domains.items()
    }
    return {
        "type": "ready",
        "smtp_port": it.smtp_port,
        "dns": it.dns.address,
        "domains": hosts,
    }


def _document(seen: Try) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415

    return {"type": "try", **msgspec.structs.asdict(seen)}


def _for_people(seen: Try) -> str:
    words = [
        style(f"{seen.outcome:<8}", fg=COLOURS[seen.outcome]),
        seen.rcpt_to,
        f"from={seen.from_ip}",
        f"helo={seen.helo}",
        f"host={seen.host}",
        f"tls={'yes' if seen.is_tls else 'no'}",
        f"{seen.size_bytes:,} bytes" if seen.size_bytes else "",
        seen.reply.replace("\n", " "),
    ]
    return " ".join(filter(None, (words[0], *map(printable, words[1:]))))
