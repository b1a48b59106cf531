"""The X-MSYS-API header: what a client says about its message besides the message.

One JSON object, maybe folded. Unknown keys are ignored, as in the API; a known key of a wrong type
is refused, since sending without it would be something else than was asked for.

Source: sparkpost-api 24 (keys, limits, texts of refusals). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from merpati.adapters import codec
from merpati.message.header import NamedAddress
from merpati.sending.address import breaks_a_line, envelope_address, split_mailbox
from merpati.sending.transmission_rules import CAMPAIGN_ID_BYTES, TAGS_PER_RECIPIENT

MOST_COPIES = 1_000  # cc, bcc and archive together

_JSON_NAMES = {dict: "json object", list: "json array", str: "json string", bool: "json boolean"}
_read_json = codec.json_reader(Any).decode


class OptionsRefused(Exception):
    """The header cannot be used; `reply` is the whole SMTP answer."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class MsysOptions:
    """What the header says; all of it is optional."""

    campaign_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    cc: Sequence[NamedAddress] = ()
    bcc: Sequence[NamedAddress] = ()
    archive: Sequence[NamedAddress] = ()
    ip_pool: str | None = None
    transactional: bool = False
    skip_suppression: bool = False


def read_options(text: str | None) -> MsysOptions:
    """Return what the header's value says; None: there is no such header. Raises OptionsRefused."""
    if text is None:
        return MsysOptions()
    try:
        document = _read_json(text.encode("utf-8", "surrogatepass"))
    except (codec.DecodeError, ValueError, RecursionError):
        raise OptionsRefused("550 5.6.0 JSON parsing error in X-MSYS-API") from None
    if not isinstance(document, dict):
        raise OptionsRefused("550 5.6.0 JSON parsing error in X-MSYS-API")
    options = _typed(document, "options", dict, {})
    for name in ("open_tracking", "click_tracking", "inline_css"):
        _typed(options, name, bool, False)  # without effect yet; the type is checked
    if _typed(options, "dkim_key", str, "default") != "default":
        raise OptionsRefused("550 5.6.0 X-MSYS-API 'dkim_key': this account has no such key")
    copies = {name: _addresses(document, name) for name in ("cc", "bcc", "archive")}
    if sum(map(len, copies.values())) > MOST_COPIES:
        raise OptionsRefused(
            f"550 5.6.0 X-MSYS-API 'cc', 'bcc' and 'archive' may name {MOST_COPIES} addresses"
        )
    return MsysOptions(
        campaign_id=_campaign_id(document),
        metadata=_typed(document, "metadata", dict, {}),
        tags=_tags(document),
        ip_pool=_typed(options, "ip_pool", str, None),
        transactional=_typed(options, "transactional", bool, False),
        skip_suppression=_typed(options, "skip_suppression", bool, False),
        **copies,
    )


def _typed(document: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise OptionsRefused(f"550 5.6.0 X-MSYS-API '{name}' must be of type '{_JSON_NAMES[kind]}'")
    return value


def _campaign_id(document: dict[str, Any]) -> str | None:
    campaign_id: str | None = _typed(document, "campaign_id", str, None)
    if campaign_id and len(campaign_id.encode("utf-8", "surrogatepass")) > CAMPAIGN_ID_BYTES:
        raise OptionsRefused(
            f"550 5.6.0 smtpapi_campaign_id context is limited to {CAMPAIGN_ID_BYTES} bytes"
        )
    return campaign_id


def _tags(document: dict[str, Any]) -> list[str]:
    tags = _typed(document, "tags", list, [])
    if not all(isinstance(tag, str) for tag in tags):
        raise OptionsRefused("550 5.6.0 X-MSYS-API 'tags' must hold strings")
    return list(tags[:TAGS_PER_RECIPIENT])


def _addresses(document: dict[str, Any], name: str) -> list[NamedAddress]:
    return [_address(name, entry) for entry in _typed(document, name, list, [])]


def _address(name: str, entry: Any) -> NamedAddress:
    shown: Any
    if isinstance(entry, dict):
        shown, email = entry.get("name"), entry.get("email")
    else:
        shown, email = split_mailbox(entry) if isinstance(entry, str) else (None, None)
    found = envelope_address(email.strip()) if isinstance(email, str) else None
    if found is None or not (shown is None or isinstance(shown, str)):
        said = codec.json_bytes(entry).decode("ascii", "replace")[:200]
        raise OptionsRefused(
            f"550 5.6.0 X-MSYS-API '{name}' holds no address that can be used: {said}"
        )
    if shown is not None and breaks_a_line(shown):
        raise OptionsRefused(f"550 5.6.0 X-MSYS-API '{name}' holds control characters in a name")
    return NamedAddress(shown or "", found[0])
