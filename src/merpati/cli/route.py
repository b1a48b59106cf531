"""`merpati route`: send a recipient domain's mail through a smart host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.login import login_of
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup
from merpati.settings import HostPort

if TYPE_CHECKING:
    from merpati.sending.models import StaticRoute


@click.group(
    cls=Group,
    examples=(
        "merpati route add '*' 127.0.0.1:2526",
        "merpati route add '*.corp.example' relay.corp.example:25 --connections 4 --rate 300/min",
        "merpati route list",
        "merpati route remove '*'",
    ),
)
def route() -> None:
    """Send a recipient domain's mail through a smart host."""


@route.command(
    "add",
    examples=(
        "merpati route add '*' 127.0.0.1:2526",
        "merpati route add corp.example [2001:db8::25]:25",
        "merpati route add '*.corp.example' relay.corp.example:25 --connections 4 --rate 300/min",
        "merpati route add '*' 127.0.0.1:2527 --replace",
        "merpati route add '*' smtp.relay.example:587 --user kirim --password-file relay.password",
        "merpati route add '*' smtp.relay.example:465 --tls implicit --user kirim",
    ),
)
@click.argument("pattern")
@click.argument("target", metavar="HOST:PORT")
@click.option("--connections", type=int, metavar="N", help="At most so many per sending IP.")
@click.option("--rate", metavar="N/min", help="At most so many messages a minute per sending IP.")
@click.option(
    "--tls",
    type=click.Choice(["none", "opportunistic", "required", "verify", "implicit"]),
    help="none; opportunistic: if offered (default); required: never without, any certificate; "
    "verify: with a valid certificate (default with --user); implicit: the same, from the "
    "first byte.",
)
@click.option("--user", metavar="U", help="Log in there as U; the password is asked for.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="F",
    help="Read the password from a file's first line.",
)
@click.option("--unsigned", is_flag=True, help="The host signs the mail (DKIM), not we.")
@click.option("--replace", is_flag=True, help="Take the place of the pattern's route, in one step.")
@common_options
def add(
    pattern: str,
    target: str,
    *,
    connections: int | None,
    rate: str | None,
    tls: str | None,
    user: str | None,
    password_file: Path | None,
    unsigned: bool,
    replace: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Route mail to DOMAIN, *.DOMAIN (its subdomains) or * (all else) to a host of yours."""
    folder = setup(data)
    from merpati.sending.routes import (  # noqa: PLC0415 - needs Django set up
        add_route,
        parse_rate,
        parse_target,
    )

    host, port = parse_target(target)
    added = add_route(
        pattern,
        host,
        port,
        connections=connections,
        messages_per_minute=parse_rate(rate) if rate is not None else None,
        tls=tls,
        login=login_of(user, password_file, folder),
        is_signed=not unsigned,
        replace=replace,
        by=actor(),
        now=now(),
    )
    document = _document(added)
    show(document, f"Mail to {added.pattern} goes to {document['target']}.", as_json)


@route.command("list", examples=("merpati route list", "merpati route list --json"))
@common_options
def list_routes(data: Path, as_json: bool) -> None:
    """List static routes; the most specific pattern wins."""
    setup(data)
    from merpati.sending.models import StaticRoute  # noqa: PLC0415 - needs Django set up

    rows = [_document(row) for row in StaticRoute.objects.order_by("pattern")]
    head = (
        "pattern",
        "target",
        "tls",
        "user",
        "password",
        "signed",
        "connections",
        "messages_per_minute",
    )
    empty = "no routes: all mail goes by MX; add one: merpati route add PATTERN HOST:PORT"
    text = table(head, [[row[name] for name in head] for row in rows], empty)
    show({"routes": rows}, text, as_json)


@route.command("remove", examples=("merpati route remove '*'",))
@click.argument("pattern")
@common_options
def remove(pattern: str, data: Path, as_json: bool) -> None:
    """Remove a route; what waits for it goes by the next that matches, or by MX."""
    setup(data)
    from merpati.sending.routes import (  # noqa: PLC0415 - needs Django set up
        checked_pattern,
        remove_route,
    )

    remove_route(pattern, by=actor(), now=now())
    gone = checked_pattern(pattern)
    show({"pattern": gone}, f"The route for {gone} is removed.", as_json)


def _document(row: StaticRoute) -> dict[str, Any]:
    return {
        "pattern": row.pattern,
        "target": str(HostPort(row.host, row.port)),
        "connections": row.connections,
        "messages_per_minute": row.messages_per_minute,
        "tls": row.tls,
        "signed": row.is_signed,
        "user": row.username or None,
        "password": "set" if row.username else None,
    }
