"""What is done about replies that blame us: the data, as replies are read."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import pytest

from merpati.providers.directory import Directory, directory
from merpati.providers.phase import Phase
from merpati.providers.reaction import Reaction
from merpati.providers.replies import read

GMAIL_LOW = (
    "[192.0.2.10 19] Our system has detected that this message is suspicious due to the very low "
    "reputation of the sending IP address."
)
DEFAULT = Reaction(
    connections=1, messages_per_minute=1, slow_minutes=90, source="kumo: default for all"
)


@pytest.mark.parametrize(
    ("provider", "code", "enhanced", "text", "reaction"),
    [
        pytest.param(
            *("google", 421, "4.7.28", "unusual rate of unsolicited mail"),
            Reaction(pause_minutes=10, connections=1, slow_minutes=10),
            id="Gmail: too fast",
        ),
        pytest.param(
            *("google", 421, "4.7.0", GMAIL_LOW),
            Reaction(5, 60, 0, 10, connections=1, allowance_percent=50),
            id="Gmail: reputation, five in an hour",
        ),
        pytest.param(
            *("yahoo", 421, "4.7.0", "[TSS05] Messages temporarily deferred"),
            Reaction(pause_minutes=240, connections=1, slow_minutes=10),
            id="Yahoo: four hours",
        ),
        pytest.param(
            *("tencent-qq", 550, None, "Ip frequency limited"),
            Reaction(pause_minutes=60, connections=1, slow_minutes=10),
            id="QQ: sent as permanent",
        ),
        pytest.param(
            *("mx.example", 451, "4.7.1", "rate limited due to IP reputation"),
            DEFAULT,
            id="whoever: reputation",
        ),
        pytest.param(
            *("mx.example", 554, "5.7.1", "blocked using zen.spamhaus.org"),
            Reaction(
                pause_minutes=120, connections=1, slow_minutes=10, source="kumo: Yahoo, Outlook"
            ),
            id="whoever: blocklist",
        ),
        pytest.param("mx.example", 450, "4.2.0", "greylisted, try again", None, id="greylisting"),
        pytest.param(
            *("google", 450, "4.2.1", "The user you are trying to contact is receiving mail at a"),
            None,
            id="the recipient's own rate",
        ),
        pytest.param("google", 550, "5.1.1", "no such user", None, id="an unknown recipient"),
        pytest.param("google", 550, "5.7.26", "unauthenticated", None, id="only mending helps"),
        pytest.param("yandex", 554, "5.7.1", "under suspicion of SPAM", None, id="the message"),
        pytest.param("mx.example", 451, "4.3.2", "try later", None, id="their own trouble"),
        pytest.param("mx.example", 451, "4.3.0", "Try again later", None, id="theirs, and later"),
        pytest.param(
            *("mx.example", 451, "4.7.1", "Please try again later"),
            Reaction(after=10, halve=True, slow_minutes=10, source="field"),
            id="nobody is blamed: only ten in an hour slow",
        ),
    ],
)
def test_what_is_done_about_a_reply(
    provider: str, code: int, enhanced: str | None, text: str, reaction: Reaction | None
) -> None:
    assert read(code, enhanced, text, Phase.RCPT, provider).reaction == reaction


def test_every_reaction_has_words_and_a_source_beside_it() -> None:
    for provider in directory():
        for reply in provider.reply:
            if reply.reaction is not None:
                assert reply.source, (provider.id, reply.pattern)


def test_a_field_that_nobody_knows_is_refused() -> None:
    text = resources.files("merpati.providers").joinpath("directory.toml").read_text("utf-8")
    document: dict[str, Any] = tomllib.loads(text)
    document["provider"][0]["reply"][0]["reaction"] = {"pause_hours": 1}
    with pytest.raises(ValueError, match="pause_hours"):
        Directory(document)
