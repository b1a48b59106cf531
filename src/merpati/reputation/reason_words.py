"""Reasons in words, in each language. The sentences are in `reason_words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from merpati.reputation.reason import Reason

Language = Literal["en", "id"]
_THOUSANDS: Mapping[Language, str] = {"en": ",", "id": "."}


@cache
def sentences() -> Mapping[str, Mapping[Language, str]]:
    """Return the sentence of each kind, by the kind's value and the language."""
    file = resources.files("merpati.reputation") / "reason_words.toml"
    return tomllib.loads(file.read_text("utf-8"))


def in_words(reason: Reason, language: Language) -> str:
    """Return a reason as one or two sentences."""
    mark = _THOUSANDS[language]
    facts = {name: f"{value:,}".replace(",", mark) for name, value in reason.facts.items()}
    return sentences()[reason.kind.value][language].format(**facts)
