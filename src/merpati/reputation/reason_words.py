"""Reasons in words, in each language. The sentences are in `reason_words.toml`."""

from __future__ import annotations

from merpati.reputation.reason import Reason
from merpati.reputation.words import Language, say

FILE = "reason_words.toml"

__all__ = ["FILE", "Language", "in_words"]


def in_words(reason: Reason, language: Language) -> str:
    """Return a reason as one or two sentences."""
    return say(FILE, reason.kind.value, reason.facts, language)
