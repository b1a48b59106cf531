"""The privacy notice: which version is in force, and who agreed to which.

The first version comes with Merpati (`privacy_notice/`); an operator publishes others. Whoever
signs in agrees to the one in force before they go on; API keys agree to nothing.

Source: mission clause C13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from django.db import transaction

from merpati.accounts import audit
from merpati.accounts.errors import InvalidNotice, NoticeReplaced
from merpati.accounts.models import Language, PrivacyAcknowledgement, PublishedNotice, User

FOLDER = Path(__file__).with_name("privacy_notice")
FIRST_VERSION = "1"
LONGEST = 100_000  # characters

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Notice:
    """A version of the notice; texts: by language; published_at: None for the one shipped."""

    version: str
    texts: Mapping[str, str]
    published_at: datetime | None


@cache
def shipped_notice() -> Notice:
    """Return the version that comes with Merpati."""
    texts = {
        language: (FOLDER / f"{language}.txt").read_text(encoding="utf-8")
        for language in Language.values
    }
    return Notice(FIRST_VERSION, texts, None)


def current_notice() -> Notice:
    """Return the version in force: the one published last. One query."""
    found = PublishedNotice.objects.order_by("-pk").first()
    if found is None:
        return shipped_notice()
    return Notice(found.version, found.texts, found.published_at)


def current_version() -> str:
    """Return the name of the version in force. One query, without the texts."""
    return PublishedNotice.objects.order_by("-pk").values_list("version", flat=True).first() or (
        FIRST_VERSION
    )


def has_agreed(user_id: int, version: str) -> bool:
    """Return whether a user agreed to a version. One query."""
    return PrivacyAcknowledgement.objects.filter(user_id=user_id, version=version).exists()


def publish(version: str, texts: Mapping[str, str], *, by: str, now: datetime) -> Notice:
    """Put a new version in force, in all languages; everybody is asked again.

    Raises InvalidNotice.
    """
    if not _VERSION.fullmatch(version):
        raise InvalidNotice(
            "A version is named like 2027-01: letters, digits, '.', '-'.", "version"
        )
    for language in Language.values:
        text = texts.get(language, "").strip()
        if not text or len(text) > LONGEST:
            raise InvalidNotice(f"The text has 1 to {LONGEST:,} characters.", language)
    kept = {language: texts[language].strip() + "\n" for language in Language.values}
    with transaction.atomic():
        is_taken = PublishedNotice.objects.filter(version=version).exists()
        if is_taken or version == FIRST_VERSION:
            raise InvalidNotice(
                f"Version {version} was published before, and people agreed to its words: "
                "choose another name.",
                "version",
            )
        PublishedNotice.objects.create(
            version=version, texts=kept, published_at=now, published_by=by
        )
        audit.record("publish_privacy_notice", version, by=by, now=now, account_id=None)
    return Notice(version, kept, now)


def acknowledge(user: User, version: str, language: str, *, by: str, now: datetime) -> None:
    """Record that a user agrees to a version in a language; a repeat changes nothing.

    Raises NoticeReplaced when another version is in force by now.
    """
    if language not in Language.values:
        raise InvalidNotice(f"There is no language {language!r}.", "language")
    with transaction.atomic():
        if version != current_version():
            raise NoticeReplaced(version)
        _, is_new = PrivacyAcknowledgement.objects.get_or_create(
            user=user, version=version, defaults={"language": language, "acknowledged_at": now}
        )
        if is_new:
            audit.record(
                "acknowledge_privacy_notice",
                version,
                by=by,
                now=now,
                account_id=None,
                language=language,
            )
