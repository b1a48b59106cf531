"""What to send: one accepted transmission on its way from the service to the engine.

The service encodes the big parts once (`content`, each row's `recipient`, `injection`), so that the
worker which commits a batch stores bytes and never decodes them on its loop. Times are
milliseconds since the Unix epoch, UTC. Persisted shapes only ever gain fields with defaults, at
the end.

Message ids: a batch of n recipients takes n consecutive ids of its shard, `base_id + index`, given
by the worker at commit. Suppressed recipients take one too, but have no row.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Attachment(msgspec.Struct, frozen=True):
    """A file of the message: `name` is the file name, or the Content-ID of an inline image."""

    name: str
    type: str  # the part's Content-Type as given, parameters included
    data: bytes  # decoded


class Mailbox(msgspec.Struct, frozen=True):
    """An address with an optional display name; both may hold template expressions."""

    email: str
    name: str | None = None


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a content says in one language.

    subject, reply_to: None for the content's own. The texts stand together: where one is given, the
    content's own texts are not used.
    """

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    reply_to: str | None = None


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that the recipients of one transmission share; stored once per batch.

    language: of its own texts, "" when its sender did not say. variants: what it says in other
    languages, by tag; both as `message/language.py` writes tags.
    """

    account_id: int
    transmission_id: str  # decimal digits
    injected_at: int
    pool_id: int
    ip_pool: str  # the pool's SparkPost id, for events
    sending_domain: str  # From domain, verified at injection; "" when From is templated
    sender: Mailbox  # the From header
    subject: str
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    reply_to: str | None = None
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    inline_images: list[Attachment] = []
    substitution_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    campaign_id: str | None = None
    transactional: bool = False
    perform_substitutions: bool = True
    return_path: str | None = None
    raw: bytes | None = None  # the whole message as its sender wrote it; then no text is set
    skip_suppression: bool = False  # its sender asked for it: no list is looked at
    message_key: str = ""  # left side of Message-ID; "": made from the message's id
    language: str = ""
    variants: dict[str, Variant] = {}


class LocalHours(msgspec.Struct, frozen=True, array_like=True):
    """When recipients of a transmission may be mailed, each by the wall clock where they are.

    Minutes of the day. at: when it is to leave, None for no particular moment. quiet_from and
    quiet_to: both or none; across midnight when the former is later. days: of the week, 0 for
    Monday, none for all of them. is_kept: the quiet hours and days hold however often it is tried.
    holidays: of which country ("ID") or part of one ("US-CA") public holidays are no days, "" none.
    """

    at: int | None = None
    quiet_from: int | None = None
    quiet_to: int | None = None
    days: tuple[int, ...] = ()
    is_kept: bool = True
    holidays: str = ""


class Recipient(msgspec.Struct, frozen=True, array_like=True):
    """One envelope recipient with all that is its own (SparkPost's recipient object)."""

    rcpt_to: str  # envelope address as given, trimmed
    name: str | None = None
    header_to: str | None = None
    substitution_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    return_path: str | None = None
    rcpt_type: str = ""  # "cc", "bcc", "archive"; "" for a To recipient
    language: str = ""  # BCP 47, as its sender wrote it; "": not known
    time_zone: str = ""  # IANA; with `hours` the one that they count in
    hours: LocalHours | None = None


class MessageRow(msgspec.Struct, frozen=True, array_like=True):
    """The durable row of one message: what the ready queue needs, and the rest as bytes.

    tier: how recently the recipient engaged, lower goes first: 0 when the account knows nothing of
    anybody; 1 within 7 days, 2 within 30, 3 within 60, 4 within 90, 5 longer ago or never.
    bucket: 0 to 9,999, of the recipient's address (`sending/buckets.py`): those below a share of
    10,000 belong to it, so that a recipient who has moved stays moved while it rises.
    """

    index: int  # message id = base_id + index
    domain: str  # routing domain: the recipient's, lower case, ASCII (IDNA)
    due_at: int
    recipient: bytes  # msgpack of Recipient
    tier: int = 0
    bucket: int = 0


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """One transmission as handed to the worker; committed whole or not at all.

    policy_version: the sending policy it was validated against; no row is picked before the worker
    holds that version. fingerprint: hash of the request body, compared when `idempotency_key`
    comes again. size: recipients including suppressed ones, so the number of message ids taken.
    starts_at: the moment it was scheduled for, 0 for at once; a message's life counts from then, or
    from its own `due_at` if that is later (recipients have local hours).
    """

    account_id: int
    transmission_id: str
    pool_id: int
    policy_version: int
    injected_at: int
    size: int
    content: bytes  # msgpack of Content
    messages: list[MessageRow]
    injection: bytes  # msgpack of event.Injection: goes into the journal as it is
    idempotency_key: str | None = None
    fingerprint: bytes = b""
    reply: bytes = b""  # what the caller was told; given again for the same key
    campaign_id: str = ""  # as in `content`, for cancelling; "" for none
    starts_at: int = 0


class Accepted(msgspec.Struct, frozen=True, array_like=True):
    """The worker's answer once a batch is durable.

    repeated: this key was accepted before; `reply` is what was answered then, nothing was stored.
    """

    base_id: int
    repeated: bool = False
    reply: bytes = b""
