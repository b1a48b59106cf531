"""Why a mail is kept apart, in the language that is active. Pure.

Rows hold it in English, as logs and commands do; what a person typed stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils.translation import gettext

_REASONS: tuple[tuple[str, Callable[[], str]], ...] = (
    (
        r"its sender is a contact of several accounts: (?P<names>.+)",
        lambda: gettext("Its sender is a contact of several accounts: %(names)s. Choose one."),
    ),
    (
        r"nothing proves its sender: .+",
        lambda: gettext(
            "Nothing proves its sender: no signature of their domain, and SPF does not allow the "
            "host that sent it."
        ),
    ),
    (
        r"its sender is proved, and a contact of no account",
        lambda: gettext("Its sender is proved, and a contact of no account."),
    ),
    (
        r"it names case (?P<number>\d+), which is none of theirs",
        lambda: gettext("It names case %(number)s, which is none of theirs."),
    ),
    (
        r"it answers for (?P<person>.+), and nothing proves that it is theirs",
        lambda: gettext("It answers for %(person)s, and nothing proves that it is theirs."),
    ),
    (
        r"what it says cannot be told from what it quotes",
        lambda: gettext(
            "What it says cannot be told from what it quotes, so the customer did not get it."
        ),
    ),
    (r"it cannot be taken apart", lambda: gettext("It cannot be taken apart.")),
    (r"the same mail came before", lambda: gettext("The same mail came before.")),
    (
        r"the case is resolved",
        lambda: gettext("Its case is resolved; the sender was told to open a new one."),
    ),
    (
        r"automatic: (?P<sign>.+)",
        lambda: gettext("A program sent it (%(sign)s), so it was not answered."),
    ),
    (
        r"storm: (?P<mails>\d+) mails of (?P<whose>.+) in an hour",
        lambda: gettext("Too much at once: %(mails)s mails of %(whose)s in an hour."),
    ),
)


def reason_in_words(reason: str) -> str:
    """Return why a mail is kept apart, in words; a reason that a person typed, as it is."""
    for pattern, words in _REASONS:
        if found := re.fullmatch(pattern, reason):
            return words() % found.groupdict()
    return reason
