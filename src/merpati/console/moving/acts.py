"""What the forms of a migration's page do, by their names; each calls one action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from merpati.console.moving.checklist import names_in_words
from merpati.console.services import services
from merpati.plans.migration import actions
from merpati.plans.models import Migration

Form = Mapping[str, str]
Act = Callable[[Migration, Form, dict[str, Any]], list[str] | None]


def _start(migration: Migration, _: Form, by: dict[str, Any]) -> None:
    actions.start(migration, **by)


def _remove(migration: Migration, _: Form, by: dict[str, Any]) -> None:
    actions.remove_draft(migration, **by)


def _pause(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.pause(migration, form.get("reason", ""), **by)


def _resume(migration: Migration, _: Form, by: dict[str, Any]) -> None:
    actions.resume(migration, **by)


def _roll_back(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.roll_back(migration, form.get("reason", ""), provider=form.get("provider", ""), **by)


def _cut_over(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.cut_over(migration, even_if_not_all=form.get("sure") == "on", **by)


def _tick(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.tick(migration, form.get("step", ""), form.get("note", ""), **by)


def _untick(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.untick(migration, form.get("step", ""), **by)


def _check_ptr(migration: Migration, _: Form, by: dict[str, Any]) -> list[str]:
    return names_in_words(actions.check_names(migration, services().outside, **by))


def _hold(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.hold(migration, form.get("provider", ""), form.get("reason", ""), **by)


def _release(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    actions.release(migration, form.get("provider", ""), form.get("reason", ""), **by)


def _raise(migration: Migration, form: Form, by: dict[str, Any]) -> None:
    share = _share(form.get("share", ""))
    actions.raise_share(migration, form.get("provider", ""), share, form.get("reason", ""), **by)


def _share(text: str) -> int:
    try:
        return round(100 * float(text.strip().removesuffix("%").replace(",", ".")))
    except (ValueError, OverflowError):
        return -1  # which the action refuses


# By hand, at one provider: the desk's.
DECISIONS: dict[str, Act] = {"hold": _hold, "release": _release, "raise": _raise}
# Each returns what is not right after all, a sentence each, or nothing.
ACTS: dict[str, Act] = {
    "start": _start,
    "remove": _remove,
    "pause": _pause,
    "resume": _resume,
    "roll-back": _roll_back,
    "cut-over": _cut_over,
    "tick": _tick,
    "untick": _untick,
    "check-ptr": _check_ptr,
    **DECISIONS,
}
