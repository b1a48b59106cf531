"""`merpati egress`: an account's old provider, by which mail goes that has not moved here yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.login import login_of
from merpati.cli.output import Group, common_options, printable, show, table
from merpati.runtime.setup import setup
from merpati.settings import load

_PATIENCE = 20.0  # seconds of a stage: nobody else waits for this process
_LOGIN = (
    click.option("--user", metavar="U", help="Log in there as U; the password is asked for."),
    click.option(
        "--password-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="F",
        help="Read the password from a file's first line.",
    ),
    click.option(
        "--tls",
        type=click.Choice(["none", "opportunistic", "required", "verify", "implicit"]),
        help="As for merpati route add; verify is the default with --user.",
    ),
)


def _with_login(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_LOGIN):
        command = option(command)
    return command


@click.group(
    cls=Group,
    examples=(
        "merpati egress add 1 old smtp.old.example:587 --user kirim --password-file old.password",
        "merpati egress check 1 old",
        "merpati egress list 1",
        "merpati egress change 1 old --user kirim --password-file new.password",
        "merpati egress remove 1 old",
    ),
)
def egress() -> None:
    """Name an account's old provider, for mail that has not moved here yet."""


@egress.command(
    "add",
    examples=(
        "merpati egress add 1 old smtp.old.example:587 --user kirim --password-file old.password",
        "merpati egress add 'Toko Kirim' old smtp.old.example:465 --tls implicit --user kirim",
        "merpati egress add 1 old smtp.old.example:587 --user kirim --rate 1200/min",
    ),
)
@click.argument("account")
@click.argument("name")
@click.argument("target", metavar="HOST:PORT")
@_with_login
@click.option(
    "--connections",
    type=int,
    metavar="N",
    default=5,
    show_default=True,
    help="At most so many at once, of each worker.",
)
@click.option("--rate", metavar="N/min", help="At most so many messages a minute.")
@common_options
def add(
    account: str,
    name: str,
    target: str,
    *,
    user: str | None,
    password_file: Path | None,
    tls: str | None,
    connections: int,
    rate: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Add an old provider's SMTP relay to an account. No mail goes there before a migration."""
    folder = setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.egress_document import egress_document  # noqa: PLC0415
    from merpati.sending.egresses import add_egress  # noqa: PLC0415
    from merpati.sending.routes import parse_rate, parse_target  # noqa: PLC0415

    host, port = parse_target(target)
    added = add_egress(
        find_account(account).pk,
        name,
        host,
        port,
        tls=tls,
        login=login_of(user, password_file, folder),
        connections=connections,
        messages_per_minute=parse_rate(rate) if rate is not None else None,
        by=actor(),
        now=now(),
    )
    text = f"{added.name} is {added.host}:{added.port}. Now: merpati egress check {account} {name}"
    show(egress_document(added), text, as_json)


@egress.command(
    "change",
    examples=(
        "merpati egress change 1 old --user kirim --password-file new.password",
        "merpati egress change 1 old --target smtp.old.example:465 --tls implicit --user kirim",
        "merpati egress change 1 old --rate 600/min",
    ),
)
@click.argument("account")
@click.argument("name")
@click.option("--target", metavar="HOST:PORT", help="Where it is now.")
@_with_login
@click.option("--no-login", is_flag=True, help="Log in no longer.")
@click.option("--connections", type=int, metavar="N", help="At most so many at once, of a worker.")
@click.option("--rate", metavar="N/min", help="At most so many messages a minute.")
@common_options
def change(
    account: str,
    name: str,
    *,
    target: str | None,
    user: str | None,
    password_file: Path | None,
    tls: str | None,
    no_login: bool,
    connections: int | None,
    rate: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Change an old provider, also while mail goes by it; what is left out stays as it is."""
    folder = setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.egress_document import egress_document  # noqa: PLC0415
    from merpati.sending.egresses import change_egress, find_egress  # noqa: PLC0415
    from merpati.sending.routes import parse_rate, parse_target  # noqa: PLC0415

    if no_login and user is not None:
        raise click.UsageError("give one of --user and --no-login")
    owner = find_account(account).pk
    row = find_egress(owner, name)
    host, port = parse_target(target) if target else (row.host, row.port)
    login = login_of(user, password_file, folder)
    had_login = row.username != ""
    has_login = login is not None or (had_login and not no_login)
    changed = change_egress(
        owner,
        name,
        host,
        port,
        tls=tls or (row.tls if has_login == had_login else None),
        login=login or (None if no_login else "kept"),
        connections=row.connections if connections is None else connections,
        messages_per_minute=row.messages_per_minute if rate is None else parse_rate(rate),
        by=actor(),
        now=now(),
    )
    text = f"{changed.name} is changed. Now: merpati egress check {account} {changed.name}"
    show(egress_document(changed), text, as_json)


@egress.command("list", examples=("merpati egress list 1", "merpati egress list 1 --json"))
@click.argument("account")
@common_options
def list_egresses(account: str, data: Path, as_json: bool) -> None:
    """List an account's old providers."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.egress_document import egress_document  # noqa: PLC0415
    from merpati.sending.egresses import egresses_of  # noqa: PLC0415

    rows = [egress_document(row) for row in egresses_of(find_account(account).pk)]
    head = ("name", "target", "tls", "user", "password", "connections", "messages_per_minute")
    empty = "no egress; add one: merpati egress add ACCOUNT NAME HOST:PORT"
    show(
        {"egresses": rows}, table(head, [[r[name] for name in head] for r in rows], empty), as_json
    )


@egress.command(
    "check", examples=("merpati egress check 1 old", "merpati egress check 1 old --json")
)
@click.argument("account")
@click.argument("name")
@common_options
def check(account: str, name: str, data: Path, as_json: bool) -> int:
    """Connect and log in as mail would, and send nothing. Ends with 1 when mail could not go."""
    folder = setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415
    from merpati.sending.egress_document import found_document  # noqa: PLC0415
    from merpati.sending.egresses import find_egress, note_check  # noqa: PLC0415
    from merpati.sending.outside import Outside  # noqa: PLC0415

    row = find_egress(find_account(account).pk, name)
    outside = replace(Outside.of(load(data)), seconds=_PATIENCE)
    found = outside.check(row, SecretBox(folder.secret_key))
    note_check(row, found, now=now())
    seconds = round(found.slowest.total_seconds(), 1)
    document = found_document(row, found)
    if found.trouble:
        text = f"FAIL at {found.stage}: {printable(found.trouble)}\nWhat to do: {found.remedy}"
    elif found.is_slow:
        text = f"{row.name} lets us in, but took {seconds} s to answer: mail by it will be slow."
    else:
        text = f"{row.name} lets us in ({found.stage}; slowest answer {seconds} s)."
    show(document, text, as_json)
    return 0 if found.is_well else 1


@egress.command("remove", examples=("merpati egress remove 1 old",))
@click.argument("account")
@click.argument("name")
@common_options
def remove(account: str, name: str, data: Path, as_json: bool) -> None:
    """Remove an old provider by which no migration sends any more."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.egresses import remove_egress  # noqa: PLC0415

    remove_egress(find_account(account).pk, name, by=actor(), now=now())
    show({"name": name}, f"The egress {name} is removed.", as_json)
