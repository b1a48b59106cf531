"""What customers read of the provider data is there in Indonesian too."""

from __future__ import annotations

import re
from datetime import date

from merpati.providers.directory import Provider, directory
from merpati.providers.texts import in_language, indonesian, short_name
from merpati.reputation.first_steps import first_steps
from merpati.reputation.migration_plan import Flow, Pool, Traffic
from merpati.reputation.milestones import step_words

ENGLISH = re.compile(
    r"\b(and|or|of|in|for|until|now|own|hosted|the|their|with|name|verify|paid|since|listed|lists"
    r"|also|request|access|account|within|membership|certification|confirmed|every|itself)\b"
)
PLANNED = date(2026, 12, 7)


def shown_of(provider: Provider) -> list[str]:
    """Return a provider's texts that pages show: names as they are and cut, and where to apply."""
    registration = provider.arrival.registration if provider.arrival else ""
    names = [provider.name, provider.name.partition(" (")[0]]
    return [text for text in (*names, provider.fbl.enrol, registration) if text]


def test_every_text_that_is_shown_has_its_indonesian() -> None:
    shown = {text for provider in directory() for text in shown_of(provider)}
    english = {text for text in shown if ENGLISH.search(text)}
    assert english - indonesian().keys() == set()
    assert indonesian().keys() - shown == set()  # in vain
    applied = {text for provider in directory() for text in shown_of(provider)[2:]}
    assert applied - indonesian().keys() == set()


def test_nothing_english_is_left_in_them() -> None:
    assert [text for text in indonesian().values() if ENGLISH.search(text)] == []
    assert all(in_language(text, "en") == text for text in indonesian())


def test_the_steps_of_a_plan_are_in_one_language() -> None:
    """With every provider that has something to apply for."""
    mailbox = [one.id for one in directory() if one.kind == "mailbox"]
    flows = [
        Flow(stream="news", provider=one, messages_per_day=9, target_per_day=9) for one in mailbox
    ]
    pools = [Pool("news", ("news",), 1, PLANNED)]
    steps = list(first_steps(Traffic(tuple(flows)), pools, PLANNED, directory()))
    assert len(steps) > 20
    assert [words for one in steps if ENGLISH.search(words := step_words(one, "id"))] == []


def test_a_provider_is_called_by_its_short_name() -> None:
    assert short_name("google", "id") == "Gmail dan Google Workspace"
    assert short_name("t-online") == "T-Online"
    assert short_name("mx.example", "id") == "mx.example"
