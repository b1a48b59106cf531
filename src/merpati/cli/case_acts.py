"""What the desk does to a case by command; each prints the case as it stands then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, show
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.desk.models import Case
    from merpati.desk.parties import Party

TOPICS = ("templates", "internal_projects", "deliverability_strategy", "tier_2_mediation")
KINDS = ("platform_problem", "configuration_request", "information_request")
SEVERITIES = ("urgent", "high", "normal", "low")

Function = TypeVar("Function", bound=Callable[..., Any])


def _act(name: str, *examples: str) -> Callable[[Function], click.Command]:
    """Make a command on a case: its number first, `--as` for who acts."""

    def made(function: Function) -> click.Command:
        given = click.option(
            "--as", "email", metavar="EMAIL", help="Who acts [default: who is responsible]."
        )(common_options(function))
        numbered = click.argument("number", type=click.IntRange(1))(given)
        return click.command(
            name, cls=Command, examples=tuple(f"merpati case {name} {e}" for e in examples)
        )(numbered)

    return made


def _who(data: Path, number: int, email: str | None) -> Party:
    """Set Django up and return who acts: by address, else who is responsible for the case."""
    setup(data)
    from merpati.desk.case_errors import NoRepresentative  # noqa: PLC0415 - needs Django set up
    from merpati.desk.case_search import any_case  # noqa: PLC0415
    from merpati.desk.parties import desk_party  # noqa: PLC0415
    from merpati.desk.people import find_person  # noqa: PLC0415

    person = find_person(email) if email else any_case(number).representative
    if person is None:
        raise NoRepresentative(number)
    return desk_party(person, actor())


def _show(case: Case, as_json: bool) -> None:
    from merpati.desk.case_document import for_desk  # noqa: PLC0415 - needs Django set up

    due = f", next due {case.due_at:%a %d %b %H:%M} UTC" if case.due_at else ""
    text = f"#{case.pk} is {case.status.replace('_', ' ')}{due}."
    show(for_desk(case, now()), text, as_json)


@_act("answer", "7 'We look at it.'", "7 --out-of-scope templates --as budi@desk.example")
@click.argument("text", default="")
@click.option(
    "--out-of-scope",
    "topic",
    type=click.Choice(TOPICS),
    help="Answer with what the service plan excludes, in the case's language.",
)
def answer(
    number: int, text: str, *, topic: str | None, email: str | None, data: Path, as_json: bool
) -> None:
    """Write to the customer."""
    by = _who(data, number, email)
    from merpati.desk.case_actions import answer_out_of_scope, write  # noqa: PLC0415 - Django
    from merpati.desk.scope import OutOfScope  # noqa: PLC0415

    if topic is None:
        done = write(number, text, by=by, now=now())
    else:
        done = answer_out_of_scope(number, OutOfScope(topic), text, by=by, now=now())
    _show(done, as_json)


@_act("ask", "7 'Which recipients did not get it?'")
@click.argument("text")
def ask(number: int, text: str, email: str | None, data: Path, as_json: bool) -> None:
    """Say what is needed from the customer; clocks stand until they write."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.ask(number, text, by=by, now=now()), as_json)


@_act("update", "7 'The provider has our form.'")
@click.argument("text")
def update(number: int, text: str, email: str | None, data: Path, as_json: bool) -> None:
    """Tell the customer how far the desk is; the next update's clock starts anew."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.report_progress(number, text, by=by, now=now()), as_json)


@_act("note", "7 'Penerima lists the IP.'")
@click.argument("text")
def note(number: int, text: str, email: str | None, data: Path, as_json: bool) -> None:
    """Write a note that only the desk reads."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.note(number, text, by=by, now=now()), as_json)


@_act("assign", "7 budi@desk.example", "7 budi@desk.example --as tari@desk.example")
@click.argument("assignee", metavar="PERSON")
def assign(number: int, assignee: str, email: str | None, data: Path, as_json: bool) -> None:
    """Make a person the one who is responsible; without --as they take the case themselves."""
    by = _who(data, number, email or assignee)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up
    from merpati.desk.people import find_person  # noqa: PLC0415

    done = case_actions.assign(number, find_person(assignee), by=by, now=now())
    _show(done, as_json)


@_act("sort", "7 --kind configuration_request", "7 --severity urgent --as budi@desk.example")
@click.option("--kind", type=click.Choice(KINDS), help="What it is [default: as it is].")
@click.option("--severity", type=click.Choice(SEVERITIES), help="How severe [default: as it is].")
def sort(
    number: int,
    *,
    kind: str | None,
    severity: str | None,
    email: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Say what a case is and how severe; its clock follows the severity from its start."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    case = case_actions.find_case(number)
    wanted = kind or case.kind, severity or case.severity
    _show(case_actions.sort(number, *wanted, by=by, now=now()), as_json)


@_act("propose", "7 'The block at the provider is lifted.'")
@click.argument("text")
def propose(number: int, text: str, email: str | None, data: Path, as_json: bool) -> None:
    """Propose that the case is resolved, and say how; the customer agrees or disputes."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.propose(number, text, by=by, now=now()), as_json)


@_act("withdraw", "7")
def withdraw(number: int, email: str | None, data: Path, as_json: bool) -> None:
    """Take the desk's own proposal back."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.withdraw(number, by=by, now=now()), as_json)


@_act("agree", "7", "7 'Glad that it works.' --as budi@desk.example")
@click.argument("text", default="")
def agree(number: int, text: str, email: str | None, data: Path, as_json: bool) -> None:
    """Agree that the case is resolved, as the customer proposed; this signs the record."""
    by = _who(data, number, email)
    from merpati.cli.record_signer import record_signer  # noqa: PLC0415 - loads cryptography
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    signer = record_signer(data)
    _show(case_actions.agree(number, text, by=by, signer=signer, now=now()), as_json)


@_act("dispute", "7 'The last messages still wait.'")
@click.argument("reason")
def dispute(number: int, reason: str, email: str | None, data: Path, as_json: bool) -> None:
    """Refuse the customer's proposal with a reason; the case goes on."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.dispute(number, reason, by=by, now=now()), as_json)


@_act("merge", "7 5", "7 5 --as tari@desk.example")
@click.argument("into", type=click.IntRange(1), metavar="OTHER")
def merge(number: int, into: int, email: str | None, data: Path, as_json: bool) -> None:
    """Let the case go on in another one of its account; shows that other one."""
    by = _who(data, number, email)
    from merpati.desk import case_relations  # noqa: PLC0415 - needs Django set up

    _show(case_relations.merge(number, into, by=by, now=now()), as_json)


@_act("link", "7 5")
@click.argument("other", type=click.IntRange(1))
def link(number: int, other: int, email: str | None, data: Path, as_json: bool) -> None:
    """Note in both of two cases that they are related; between accounts, internally."""
    by = _who(data, number, email)
    from merpati.desk import case_relations  # noqa: PLC0415 - needs Django set up

    _show(case_relations.link(number, other, by=by, now=now()), as_json)


@_act("split", "7 31 'The invoice is wrong'")
@click.argument("entry", type=click.IntRange(1))
@click.argument("subject", default="")
def split(
    number: int, entry: int, subject: str, *, email: str | None, data: Path, as_json: bool
) -> None:
    """Start a new case with an entry that the customer wrote; `case show --json` has its id."""
    by = _who(data, number, email)
    from merpati.desk import case_relations  # noqa: PLC0415 - needs Django set up

    _show(case_relations.split(number, entry, subject, by=by, now=now()), as_json)


@_act("escalate", "7 'Blocked for two days.'")
@click.argument("reason")
def escalate(number: int, reason: str, email: str | None, data: Path, as_json: bool) -> None:
    """Take the case to the account's TAM; the customer sees who, when and why."""
    by = _who(data, number, email)
    from merpati.desk import case_actions  # noqa: PLC0415 - needs Django set up

    _show(case_actions.escalate(number, reason, by=by, now=now()), as_json)
