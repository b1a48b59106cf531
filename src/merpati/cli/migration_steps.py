"""`merpati migration steps` and what ticks them off: what has to be done before the first day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, show, table
from merpati.cli.which_migration import find
from merpati.runtime.setup import setup
from merpati.settings import load

if TYPE_CHECKING:
    from merpati.plans.models import Migration

_NAMES = {
    "right": "its PTR record and host name lead to each other",
    "not_public": "not a public address: see to the PTR record of the public one, then tick it off",
    "not_asked": "DNS gave no answer: see that dns.servers answer",
    "no_ptr": "no PTR record: ask who owns the address block to set it to the host name",
    "astray": "its PTR record does not lead back to it: publish an address record for that name",
    "helo_astray": "the host name does not lead to it: publish an address record for it",
}


@click.command("steps", cls=Command, examples=("merpati migration steps 1",))
@click.argument("number", type=int)
@common_options
def steps(number: int, data: Path, as_json: bool) -> None:
    """List what has to be done by hand before the first day, and what is done."""
    setup(data)
    _show_steps(find(number), as_json)


@click.command(
    "tick",
    cls=Command,
    examples=(
        "merpati migration tick 1 register:t-online --note 'confirmed by their postmaster'",
        "merpati migration tick 1 ptr --note 'set by the hosting company'",
        "merpati migration tick 1 ptr --open",
    ),
)
@click.argument("number", type=int)
@click.argument("key", metavar="STEP")
@click.option("--note", default="", help="How it was done, or why it is gone without.")
@click.option("--open", "is_open", is_flag=True, help="It is not done after all.")
@common_options
def tick(number: int, key: str, *, note: str, is_open: bool, data: Path, as_json: bool) -> None:
    """Tick a step off; mail that waited for it moves from the next day on."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    found = find(number)
    if is_open:
        actions.untick(found, key, by=actor(), now=now())
    else:
        actions.tick(found, key, note, by=actor(), now=now())
    _show_steps(found, as_json)


@click.command("check-ptr", cls=Command, examples=("merpati migration check-ptr 1",))
@click.argument("number", type=int)
@common_options
def check_ptr(number: int, data: Path, as_json: bool) -> int:
    """Ask DNS for the sending IPs' PTR records; all right, that step is done. Else ends with 1."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up
    from merpati.sending.ip_names import Verdict  # noqa: PLC0415
    from merpati.sending.outside import Outside  # noqa: PLC0415

    found = actions.check_names(find(number), Outside.of(load(data)), by=actor(), now=now())
    rows = [(ip.address, ip.hostname, verdict.value) for ip, verdict in found]
    document = [dict(zip(("external_ip", "hostname", "verdict"), row, strict=True)) for row in rows]
    text = table(
        ("sending IP", "host name", "finding"),
        [(address, name, _NAMES[verdict]) for address, name, verdict in rows],
    )
    show({"sending_ips": document}, text, as_json)
    return 0 if all(verdict is Verdict.RIGHT for _, verdict in found) else 1


def _show_steps(found: Migration, as_json: bool) -> None:
    from merpati.plans.migration.steps import (  # noqa: PLC0415 - needs Django set up
        StepState,
        states_of,
        steps_document,
    )
    from merpati.plans.migration.stored_plan import steps_now  # noqa: PLC0415
    from merpati.reputation.milestones import step_words  # noqa: PLC0415

    def state(one: StepState) -> str:
        if one.done is None:
            return "OPEN, mail waits for it" if one.holds_back else "open"
        note = f": {one.done.note}" if one.done.note else ""
        return f"done {one.done.done_at:%Y-%m-%d} by {one.done.done_by}{note}"

    states = states_of(found, steps_now(found))
    rows = [
        (one.step.key, one.step.due_on, state(one), step_words(one.step, "en")) for one in states
    ]
    show({"steps": steps_document(states)}, table(("step", "due", "state", "what"), rows), as_json)
