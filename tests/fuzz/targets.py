"""What is fuzzed: each target takes any bytes and raises nothing but what it declares.

A target also says what holds for every input that is taken: that is where the faults are that
crash nothing. Test case F1; DSN, ARF and DMARC follow with their parsers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.nameserver

from merpati.adapters.codec import DecodeError, unpacker
from merpati.adapters.dns import DnsError, Resolver
from merpati.adapters.rpc_wire import Answer, FrameReader, Request
from merpati.api.errors import ApiError
from merpati.api.sparkpost.transmission_body import read_transmission
from merpati.contracts.batch import Batch, Content, Mailbox, Recipient
from merpati.contracts.event import Event, Injection
from merpati.contracts.inbound import InboundMail
from merpati.contracts.sending_policy import SendingPolicy
from merpati.delivery.protocol import (
    MAX_REPLY_BYTES,
    ProtocolViolation,
    ReplyReader,
    capabilities_of,
    is_writable,
    rcpt_command,
    reply_of,
)
from merpati.desk.mail.html import html_to_show
from merpati.desk.mail.parsing import parse
from merpati.desk.mail.quotes import new_part
from merpati.desk.mail.spf import MOST_TERMS, Verdict, check_host
from merpati.desk.mail.spf import Answer as SpfAnswer
from merpati.message import return_path
from merpati.message.compose import Stamp
from merpati.message.errors import MessageError
from merpati.message.header import (
    address_field,
    is_address,
    mailbox_field,
    read_mailbox,
    text_field,
)
from merpati.message.raw import compile_raw, compose_raw
from merpati.message.submitted import MessageRefused, finished, read_fields, read_submitted
from merpati.message.template import Place, compile_template
from merpati.providers.phase import Phase
from merpati.providers.replies import read
from merpati.sending.address import breaks_a_line, envelope_address, split_mailbox
from merpati.smtp.message_data import DataReader, fault_of
from merpati.smtp.msys_options import OptionsRefused, read_options
from tests.smtp.conftest import Client

KEY = b"k" * 32
OURS = return_path.make(KEY, 1, 2, 3, "bounces.example")
STAMP = Stamp("0100000000000007", "kirim.example", 1_790_000_000_123, OURS, "")
DATA: dict[str, Any] = {
    "n": "Sari", "z": None, "h": "<i>&</i>", "k": ["x", "y"], "o": {"city": "Depok"}, "yes": True,
    "rows": [{"id": 1, "sub": [{"v": "p"}, {"v": "q"}]}, {"id": 2}], "num": 5.0, "ten": "10",
}  # fmt: skip
_FRAMES = (Request, Answer)
_REPLY = re.compile(r"[2345]\d\d[ -][^\r\n]*")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _pieces(data: bytes) -> list[bytes]:
    """Return the input as it comes off the network: cut where a byte that no text has stands."""
    return data.split(b"\xfe")


def submission(data: bytes) -> None:
    """A client of the submission port. No mail without AUTH, none that is not whole."""
    for is_secure in (True, False):
        client = Client(is_secure=is_secure)
        _converse(client, data)
        assert all(envelope.identity is not None for envelope in client.taken)


def inbound(data: bytes) -> None:
    """A stranger at the inbound port. Nothing comes in but for a return path of ours."""
    client = Client(
        needs_auth=False,
        recipient=lambda address: None if return_path.read(KEY, address) else "550 5.7.1 No",
    )
    _converse(client, data)
    assert all(return_path.read(KEY, to) for mail in client.taken for to in mail.recipients)


def _converse(client: Client, data: bytes) -> None:
    for piece in _pieces(data):
        for reply in client.send(piece):
            assert _REPLY.fullmatch(reply), reply
    assert client.session.held_bytes <= len(data) + 2
    assert len(client.taken) <= len(re.findall(rb"(?i)data|bdat", data))
    for envelope in client.taken:
        assert fault_of(envelope.data) is None
        assert not re.search(r"[^!-~]", envelope.helo)


def submitted(data: bytes) -> None:
    """A message that a client wrote. It leaves as one message, without what must not leave."""
    if fault_of(data) is not None or not data.endswith(b"\r\n"):
        data = re.sub(rb"[\r\n\0]+", b"\r\n", data) + b"\r\n"
        data = b"\r\n".join(line[:998] for line in data.split(b"\r\n"))
    try:
        message = read_submitted(data)
        raw = finished(message, received="from a", message_id="1@a.example", injected_at=1)
    except MessageRefused:
        return
    assert fault_of(raw) is None
    head, _, body = raw.partition(b"\r\n\r\n")
    names = [field.name for field in read_fields(head + b"\r\n")]
    assert not {"bcc", "return-path", "dkim-signature", "x-msys-api"} & set(names)
    assert [names.count(name) for name in ("from", "date", "message-id")] == [1, 1, 1]
    assert body == message.body
    content = Content(1, "1", 1, 1, "p", "a.example", Mailbox(message.sender.address), "", raw=raw)
    composed = compose_raw(compile_raw(content), Recipient("a@b.example"), STAMP, None)
    reader = DataReader(1 << 20)
    assert reader.feed(composed.data + b".\r\nNOOP\r\n") == b"NOOP\r\n"
    assert reader.message() == raw


def address(data: bytes) -> None:
    """An address as callers write it. What passes can stand in an SMTP command."""
    text = _text(data)
    name, email = split_mailbox(text)
    breaks_a_line(text)
    for wanted in (text, email):
        if (found := envelope_address(wanted)) is not None:
            assert is_writable(found[0])
            assert rcpt_command(found[0]).count(b"\n") == 1
            assert found[1] == found[1].lower()
            assert found[1].isascii()
    mailbox = read_mailbox(text)
    if is_address(mailbox.address):
        _check_field(mailbox_field("To", mailbox).wire)
    if field := text_field("X-A", name or ""):
        _check_field(field.wire)


def header(data: bytes) -> None:
    """A header's value. It makes one field, in ASCII, in lines that SMTP takes."""
    text = _text(data)
    for field in (text_field("Subject", text), address_field("Cc", text)):
        if field is not None:
            _check_field(field.wire)


def _check_field(wire: str) -> None:
    assert wire.isascii()
    lines = wire.split("\r\n")
    assert lines.pop() == ""
    assert all(line[0] in " \t" for line in lines[1:])
    assert not re.search(r"[\r\n\0]", "".join(lines))
    assert all(len(line) <= 998 for line in lines)


def template(data: bytes) -> None:
    """A template. It compiles and renders or says why not."""
    place = list(Place)[len(data) % len(Place)]
    with contextlib.suppress(MessageError):
        compile_template(_text(data), place, "text").render(dict(DATA))


def transmission(data: bytes) -> None:
    """A body of POST /transmissions."""
    with contextlib.suppress(ApiError):
        for recipient in read_transmission(data).recipients:
            if isinstance(recipient, Recipient):
                assert isinstance(recipient.rcpt_to, str)


def msys_api(data: bytes) -> None:
    """The value of an X-MSYS-API header."""
    with contextlib.suppress(OptionsRefused):
        options = read_options(_text(data))
        for copy in (*options.cc, *options.bcc, *options.archive):
            assert envelope_address(copy.address)
            assert not breaks_a_line(copy.name)


def bounce_address(data: bytes) -> None:
    """An address that might be a return path. One that is was made by us."""
    text = _text(data)
    if (found := return_path.read(KEY, text)) is not None:
        local = text.strip().removeprefix("<").rpartition("@")[0].lower()
        made = return_path.make(KEY, found.account_id, found.shard, found.message_id, "")
        assert made == f"{local}@"


def smtp_replies(data: bytes) -> None:
    """What a provider's server says. Replies are whole, and have a meaning."""
    reader = ReplyReader()
    with contextlib.suppress(ProtocolViolation):
        for piece in _pieces(data):
            for raw in reader.feed(piece):
                code, text = raw
                assert 200 <= code < 600
                assert not re.search(rb"[\r\0]", text)
                assert len(text) <= 2 * MAX_REPLY_BYTES
                capabilities_of(text)
                reply = reply_of(raw)
                for phase in Phase:
                    reading = read(reply.code, reply.enhanced, reply.text, phase, "google")
                    assert reading.defers or code >= 500


def stored_bytes(data: bytes) -> None:
    """Bytes where a record of ours is expected: from the disk, or on the worker's socket."""
    for decode in _decoders():
        with contextlib.suppress(DecodeError):
            decode(data)


@functools.cache
def _decoders() -> list[Callable[[bytes], Any]]:
    shapes = (Batch, Content, Recipient, Injection, list[Event], InboundMail, SendingPolicy)
    decoders: list[Callable[[bytes], Any]] = [unpacker(shape).decode for shape in shapes]
    return [*decoders, *(lambda data, one=one: FrameReader(one).feed(data) for one in _FRAMES)]


def dns_answers(data: bytes) -> None:
    """A DNS server's answer. Records or a DnsError, and never a name that breaks a line."""
    with contextlib.suppress(DnsError):
        _runner().run(_look_up(data))


async def _look_up(data: bytes) -> None:
    resolver = Resolver(["127.0.0.1:53"], 0.2)
    resolver._resolver.nameservers = [_Wire(data)]
    found = await resolver.mail_exchanges("a.example")
    for mx in found.records:
        assert mx.host == mx.host.lower()
        assert not re.search(r"[\0-\x20]", mx.host)
    with contextlib.suppress(DnsError):
        await resolver.addresses("a.example", "A")
    with contextlib.suppress(DnsError):
        await resolver.pointers("192.0.2.1")


class _Wire(dns.nameserver.Nameserver):
    """A server that answers each question with the same bytes, under the question's number."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __str__(self) -> str:
        return "fuzz"

    def kind(self) -> str:
        return "fuzz"

    def is_always_max_size(self) -> bool:
        return True

    def answer_nameserver(self) -> str:
        return "fuzz"

    def answer_port(self) -> int:
        return 53

    async def async_query(self, request: Any, *_: object, **__: object) -> Any:
        wire = request.to_wire()
        answer = dns.message.from_wire(wire[:2] + self._data)
        if not request.is_response(answer):
            raise dns.exception.FormError
        return answer


@functools.cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


def desk_mail(data: bytes) -> None:
    """A mail from outside. It has at most one author, and no text of it controls a terminal."""
    mail = parse(data)
    assert not mail.from_email or is_address(mail.from_email)
    assert (mail.subject + mail.from_name).isprintable()
    text = new_part(mail.text)
    assert text.replace("\n", "").replace("\t", "").isprintable()
    assert bool(text.strip()) is bool(mail.text.strip())
    assert "<script" not in html_to_show(mail.html).lower()


def spf_record(data: bytes) -> None:
    """An SPF record, which also answers all that it asks. The check ends, with a verdict."""
    text = _text(data)
    check, answers = check_host("192.0.2.1", "sari@a.example", "mx.a.example"), 0
    try:
        next(check)
        while True:
            check.send(SpfAnswer((f"v=spf1 {text}", "192.0.2.1")))
            answers += 1
    except StopIteration as end:
        assert end.value in set(Verdict)
    assert answers <= 1 + MOST_TERMS * 11


TARGETS: dict[str, Callable[[bytes], None]] = {
    "submission": submission,
    "inbound": inbound,
    "submitted": submitted,
    "address": address,
    "header": header,
    "template": template,
    "transmission": transmission,
    "msys_api": msys_api,
    "bounce_address": bounce_address,
    "smtp_replies": smtp_replies,
    "stored_bytes": stored_bytes,
    "dns_answers": dns_answers,
    "desk_mail": desk_mail,
    "spf_record": spf_record,
}
