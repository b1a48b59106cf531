"""Old providers in words, in the active language: how mail goes there, what a check found."""

from __future__ import annotations

from django.utils.translation import gettext

from merpati.contracts.sending_policy import TlsMode
from merpati.sending.egress_check import Trouble
from merpati.sending.errors import (
    CheckBusy,
    EgressExists,
    EgressInUse,
    EgressNotFound,
    InvalidValue,
    SendingError,
)
from merpati.sending.models import Egress

REFUSALS = (InvalidValue, EgressExists, EgressInUse, EgressNotFound, CheckBusy)


def tls_modes() -> list[tuple[str, str]]:
    """Return each TLS mode with what it means, the best first."""
    return [
        (TlsMode.VERIFY.value, gettext("encrypted (STARTTLS), certificate checked")),
        (TlsMode.IMPLICIT.value, gettext("encrypted from the first byte (port 465)")),
        (TlsMode.REQUIRED.value, gettext("encrypted (STARTTLS), whatever certificate")),
        (TlsMode.OPPORTUNISTIC.value, gettext("encrypted if it is offered; no password")),
        (TlsMode.NONE.value, gettext("not encrypted; no password")),
    ]


def state_of(egress: Egress) -> tuple[str, str]:
    """Return what the last check found in a word or two, and the look of its badge."""
    if egress.checked_at is None:
        return gettext("not checked yet"), ""
    if egress.trouble:
        return gettext("takes no mail"), "bad"
    return (gettext("slow"), "warn") if egress.is_slow else (gettext("lets us in"), "good")


def found_words(egress: Egress) -> str:
    """Return what the last check found, and what to do about it."""
    if egress.checked_at is None:
        return gettext("Nobody looked yet whether it lets us in.")
    if not egress.trouble:
        if egress.is_slow:
            return gettext("It lets us in, but takes long to answer: mail by it will be slow.")
        return gettext("It lets us in.")
    return _trouble(Trouble(egress.trouble)) % {"detail": egress.trouble_detail}


def _trouble(kind: Trouble) -> str:  # noqa: PLR0911 - a table
    match kind:
        case Trouble.INTERNAL:
            return gettext(
                "It has no public address, so no mail goes there. An operator can allow an "
                "internal network (safety.allow_private)."
            )
        case Trouble.NO_CONNECTION:
            return gettext("No connection: %(detail)s. See whether host and port are right.")
        case Trouble.SILENT:
            return gettext(
                "It did not answer within %(detail)s seconds. Try again later; ask the provider "
                "if it stays so."
            )
        case Trouble.BROKEN:
            return gettext("It broke off: %(detail)s. Try again later.")
        case Trouble.ANSWER:
            return gettext("It answered: %(detail)s. Ask the provider what that means.")
        case Trouble.NO_STARTTLS:
            return gettext(
                "It offers no encryption (STARTTLS). See what port and encryption the provider "
                "documents."
            )
        case Trouble.TLS:
            return gettext(
                "The connection could not be encrypted: %(detail)s. See what host name, port and "
                "encryption the provider documents."
            )
        case Trouble.NO_LOGIN_OFFERED:
            return gettext(
                "It offers no login that we know, neither PLAIN nor LOGIN (%(detail)s). See what "
                "port and encryption the provider documents."
            )
        case Trouble.LOGIN_REFUSED:
            return gettext(
                "It refused the user or password: %(detail)s. See both at the provider, and write "
                "them anew here."
            )
        case Trouble.LOGIN_FAILED:
            return gettext("The login failed: %(detail)s. Ask the provider what that means.")


def in_words(error: SendingError) -> str:
    """Return what was refused, why, and what to do."""
    match error:
        case EgressExists():
            return gettext("Another old provider has this name; choose another one.")
        case EgressInUse():
            return gettext("A migration sends by it; cut it over or roll it back first.")
        case CheckBusy():
            return gettext("Others are being checked just now. Try again in a minute.")
    return _fields().get(error.field, error.message)


def _fields() -> dict[str, str]:
    number = gettext("Write a number from 1 to 1,000,000, or nothing for the usual.")
    return {
        "name": gettext(
            "A name has 1 to 100 letters, digits, dots, hyphens and underscores; an account has "
            "at most 20 old providers."
        ),
        "host": gettext("Write a host name or an address, and a port from 1 to 65535."),
        "user": gettext("Write the user name as the provider gave it, at most 255 characters."),
        "password": gettext(
            "Write the password. The one that is kept goes to the host and user it was given for, "
            "to no other."
        ),
        "tls": gettext("A password does not go unencrypted: choose an encrypted way."),
        "connections": number,
        "rate": number,
    }
