"""The provider data's texts that customers read, in their language. The data is `indonesian.toml`.

Beside the directory and not in a catalogue of gettext, since plans, which know no Django, say them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from merpati.providers.directory import directory


def in_language(text: str, language: str) -> str:
    """Return a text of the directory in a language; as it is where that has no word for it."""
    return indonesian().get(text, text) if language == "id" else text


def short_name(provider_id: str, language: str = "en") -> str:
    """Return a provider as people call it; who is not in the directory, as they were given."""
    known = directory().get(provider_id)
    return provider_id if known is None else in_language(known.name.partition(" (")[0], language)


@cache
def indonesian() -> Mapping[str, str]:
    """Return the Indonesian texts, by the directory's own."""
    file = resources.files(__package__).joinpath("indonesian.toml")
    texts: Mapping[str, str] = tomllib.loads(file.read_text(encoding="utf-8"))["texts"]
    return texts
