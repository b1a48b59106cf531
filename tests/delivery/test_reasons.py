"""Reasons as a person would say them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from merpati.contracts.sending_policy import Order
from merpati.delivery.reasons import (
    BacksOff,
    NextAttempt,
    NoSendingIp,
    Ordered,
    Paused,
    Reason,
    Said,
    Slowed,
    Spent,
    Withheld,
    kind,
    moment,
    ordered,
    sentence,
    span,
)

NOW = int(datetime(2026, 3, 2, 13, 13, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
GMAIL = ("google", "192.0.2.10", "ip_reputation", "421 4.7.0 very low reputation", NOW)
REFUSED = (
    "Gmail refuses mail from 192.0.2.10 as of low reputation (421 4.7.0 very low reputation): "
)


@pytest.mark.parametrize(
    ("reason", "word", "said"),
    [
        (
            Paused(*GMAIL, NOW + 52 * MINUTE, 1, None),
            "paused",
            f"{REFUSED}paused until 14:05 UTC (52 min), then one connection",
        ),
        (
            Slowed(*GMAIL, NOW + 52 * MINUTE, 3, 1),
            "slowed",
            f"{REFUSED}3 connections, 1 message a minute until 14:05 UTC (52 min)",
        ),
        (
            Ordered("paused", "mail to Gmail", "cli:ops", "", NOW, NOW + 52 * MINUTE),
            "ordered",
            "mail to Gmail is paused by cli:ops until 14:05 UTC (52 min)",
        ),
        (BacksOff("connecting failed", NOW), "backs_off", "connecting failed"),
        (
            Spent(("192.0.2.10",), "", 100, 50, NOW),
            "allowance_spent",
            "waits for tomorrow's allowance: 100 of 100 used (50 % of it, after a refusal) "
            "(192.0.2.10)",
        ),
        (
            Spent(("192.0.2.10", "192.0.2.11"), "google", 1_000, 100, NOW),
            "allowance_spent",
            "waits for tomorrow's allowance at Gmail: 1,000 of 1,000 used (192.0.2.10, 192.0.2.11)",
        ),
        (
            Withheld("google", "192.0.2.10", "14 of 20 were refused", NOW + 52 * MINUTE),
            "allowance_paused",
            "mail from 192.0.2.10 to Gmail is paused until 14:05 UTC (52 min): "
            "14 of 20 were refused",
        ),
        (NoSendingIp("news", ()), "no_sending_ip", "the pool news has no sending IP"),
        (
            NoSendingIp("news", ("192.0.2.10",)),
            "no_sending_ip",
            "no sending IP of the pool news is on this host: 192.0.2.10",
        ),
        (NextAttempt(NOW), "next_attempt", "waits for the next attempt"),
        (Said("held"), "said", "held"),
    ],
)
def test_a_reason_is_a_word_and_a_sentence(reason: Reason, word: str, said: str) -> None:
    assert (kind(reason), sentence(reason, NOW)) == (word, said)


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({}, "all mail"),
        ({"provider": "yahoo"}, "mail to Yahoo"),
        ({"provider": "mx.example"}, "mail to mx.example"),
        ({"sending_ip": "192.0.2.10"}, "192.0.2.10 (all mail)"),
        ({"sending_ip": "192.0.2.10", "provider": "yahoo"}, "192.0.2.10 (mail to Yahoo)"),
    ],
)
def test_an_order_names_what_waits(fields: dict[str, str], subject: str) -> None:
    assert ordered(Order(1, NOW, NOW, "cli:ops", **fields)).subject == subject  # type: ignore[arg-type]


def test_another_day_has_its_date() -> None:
    assert moment(NOW + 11 * 60 * MINUTE, NOW) == "3 Mar 00:13 UTC (11 h)"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (90, "90 s"), (121, "2 min"), (7_300, "2 h"), (200_000, "2 d")],
)
def test_a_span_is_in_the_largest_unit_of_which_there_are_two(seconds: float, said: str) -> None:
    assert span(seconds) == said
