"""The recipient's name decides what becomes of its mail."""

from __future__ import annotations

import pytest

from merpati.sandbox.behaviour import (
    DEFERRAL,
    NAMES,
    Greylist,
    HangUp,
    Refuse,
    Slow,
    Step,
    steps,
)
from merpati.sandbox.texts import EVERYBODY, Moment, all_texts

TEXTS, GOOGLE = all_texts()[EVERYBODY], all_texts()["google"]


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ("accept@x.test", []),
        ("sari@x.test", []),
        ("défer@x.test", []),
        ("defer@x.test", [Refuse(Moment.RCPT, DEFERRAL)]),
        ("defer-2@x.test", [Refuse(Moment.RCPT, DEFERRAL, 2)]),
        ("DEFER-2+sari@x.test", [Refuse(Moment.RCPT, DEFERRAL, 2)]),
        ("reject@x.test", [Refuse(Moment.RCPT, TEXTS.reject.reply)]),
        ("spam-1@x.test", [Refuse(Moment.DOT, TEXTS.spam.reply, 1)]),
        ("greylist@x.test", [Greylist(TEXTS.greylist.reply, 60)]),
        ("greylist-300@x.test", [Greylist(TEXTS.greylist.reply, 300)]),
        ("slow-60@x.test", [Slow(60)]),
        ("drop@x.test", [HangUp(Moment.DATA)]),
        ("drop-message@x.test", [HangUp(Moment.MESSAGE)]),
        ("drop-dot-1@x.test", [HangUp(Moment.DOT, 1)]),
    ],
)
def test_a_name_gives_its_steps(recipient: str, expected: list[Step]) -> None:
    assert steps(recipient, TEXTS) == expected


def test_refusals_are_in_the_providers_own_words() -> None:
    assert steps("rate@x.test", GOOGLE) == [Refuse(Moment.DOT, GOOGLE.rate.reply)]
    assert "4.7.28" in GOOGLE.rate.reply


@pytest.mark.parametrize("name", NAMES)
def test_each_name_told_to_people_does_something(name: str) -> None:
    assert bool(steps(f"{name}@x.test", TEXTS)) is (name != "accept")
