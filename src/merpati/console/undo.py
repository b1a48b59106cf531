"""What a message says was done, with the form that takes it back (A12: undo what is reversible).

The offer travels in the message itself, which is signed: it is shown once, and no page needs a
store of what could be undone.
"""

from __future__ import annotations

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest

from merpati.adapters import codec

_OFFER = codec.json_reader(dict[str, str])


def tell(request: HttpRequest, done: str, *, action: str = "", text: str = "") -> None:
    """Say on the next page what was done; action: the path whose POST of `text` takes it back."""
    offer = codec.json_text({"action": action, "text": text}) if action else ""
    messages.success(request, done, extra_tags=offer)


def offer_of(message: Message) -> dict[str, str] | None:
    """Return `action` and `text` of the form that undoes what a message tells; None: no offer."""
    offer = message.extra_tags or ""
    return _OFFER.decode(offer) if offer.startswith("{") else None
