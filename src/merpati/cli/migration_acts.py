"""What changes a migration by command; each prints how it stands then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, say, show
from merpati.cli.which_migration import find, show_done
from merpati.runtime.setup import setup


class _PerCent(click.ParamType[Any]):
    name = "per cent"

    def convert(self, value: Any, _: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%?", str(value).strip())
        if match is None or float(match[1]) > 100:
            self.fail(f"{value!r} is no share: write 0 to 100 per cent, 12.5%", None, ctx)
        return round(100 * float(match[1]))


@click.command("start", cls=Command, examples=("merpati migration start 1",))
@click.argument("number", type=int)
@common_options
def start(number: int, data: Path, as_json: bool) -> None:
    """Begin a draft: its pools' mail goes by the old provider, and moves day by day.

    The pools' sending IPs begin to warm up by provider.
    """
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.steps import holding_steps  # noqa: PLC0415

    begun = actions.start(find(number), by=actor(), now=now())
    show_done(begun, "has begun", as_json)
    if holding := holding_steps(begun):
        say(f"Mail waits for steps that are open: {', '.join(step.key for step in holding)}.")
        say(f"See merpati migration steps {number}.")


@click.command("pause", cls=Command, examples=("merpati migration pause 1 --reason 'sale week'",))
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; it is kept and shown.")
@common_options
def pause(number: int, *, reason: str, data: Path, as_json: bool) -> None:
    """Let nobody move any more, for now; who has moved stays moved."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    show_done(actions.pause(find(number), reason, by=actor(), now=now()), "is paused", as_json)


@click.command("resume", cls=Command, examples=("merpati migration resume 1",))
@click.argument("number", type=int)
@common_options
def resume(number: int, data: Path, as_json: bool) -> None:
    """Go on after a pause."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    show_done(actions.resume(find(number), by=actor(), now=now()), "goes on", as_json)


@click.command(
    "override",
    cls=Command,
    examples=(
        "merpati migration override 1 --provider google --hold --reason 'complaints in a campaign'",
        "merpati migration override 1 --provider google --release --reason 'it was fixed'",
        "merpati migration override 1 --provider yahoo --share 40% --reason 'warm before'",
    ),
)
@click.argument("number", type=int)
@click.option("--provider", required=True, metavar="P", help="As the plan names it.")
@click.option("--pool", default="", metavar="POOL", help="Only in this pool.")
@click.option("--hold", "does", flag_value="hold", help="Keep the share where it is.")
@click.option("--release", "does", flag_value="release", help="End a hold.")
@click.option("--share", type=_PerCent(), metavar="P%", help="Raise the share to this, at once.")
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@common_options
def override(
    number: int,
    *,
    provider: str,
    pool: str,
    does: str | None,
    share: int | None,
    reason: str,
    data: Path,
    as_json: bool,
) -> None:
    """Decide by hand at a provider: hold its share, release it, or raise it."""
    if (does is None) is (share is None):
        raise click.UsageError("give one of --hold, --release and --share")
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    found, by, at = find(number), actor(), now()
    if share is not None:
        cells = actions.raise_share(found, provider, share, reason, pool=pool, by=by, now=at)
    elif does == "hold":
        cells = actions.hold(found, provider, reason, pool=pool, by=by, now=at)
    else:
        cells = actions.release(found, provider, reason, pool=pool, by=by, now=at)
    document = [
        {
            "pool": cell.pool,
            "provider": cell.provider,
            "share_percent": cell.share / 100,
            "held_because": cell.held_because or None,
        }
        for cell in cells
    ]
    held = {"hold": ", held there", "release": ", no longer held"}.get(does or "", "")
    text = "\n".join(f"{cell}: {cell.share / 100:g} % have moved{held}." for cell in cells)
    show({"providers": document}, text, as_json)


@click.command(
    "roll-back",
    cls=Command,
    examples=(
        "merpati migration roll-back 1 --provider google --share 10% --reason 'blocked for a day'",
        "merpati migration roll-back 1 --reason 'we stay with the old provider'",
    ),
)
@click.argument("number", type=int)
@click.option("--provider", default="", metavar="P", help="Only of this provider [default: all].")
@click.option("--pool", default="", metavar="POOL", help="Only in this pool.")
@click.option("--share", type=_PerCent(), default="0", metavar="P%", help="Down to this.")
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@common_options
def roll_back(
    number: int, *, provider: str, pool: str, share: int, reason: str, data: Path, as_json: bool
) -> None:
    """Send recipients by the old provider again; the only way a share falls.

    All of them, to 0 %, ends the migration: everything goes by the old provider.
    """
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    done = actions.roll_back(
        find(number), reason, provider=provider, pool=pool, share=share, by=actor(), now=now()
    )
    show_done(done, f"is rolled back{f' at {provider}' if provider else ''}", as_json)


@click.command(
    "cut-over",
    cls=Command,
    examples=("merpati migration cut-over 1", "merpati migration cut-over 1 --now"),
)
@click.argument("number", type=int)
@click.option("--now", "at_once", is_flag=True, help="Even if not all recipients have moved.")
@common_options
def cut_over(number: int, *, at_once: bool, data: Path, as_json: bool) -> None:
    """End the split: all mail goes from here, within what the sending IPs may."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    done = actions.cut_over(find(number), even_if_not_all=at_once, by=actor(), now=now())
    show_done(done, "is done: all mail goes from here", as_json)


@click.command("remove", cls=Command, examples=("merpati migration remove 1",))
@click.argument("number", type=int)
@common_options
def remove(number: int, data: Path, as_json: bool) -> None:
    """Remove a draft."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    actions.remove_draft(find(number), by=actor(), now=now())
    show({"id": number}, f"The draft {number} is removed.", as_json)
