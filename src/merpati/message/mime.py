"""MIME structure: how texts, inline images and attachments nest, and the frames around them.

The structure is the same for all recipients of a content, so it is flattened once into *steps*:
ready frames with a gap for the boundary, slots for the texts, and files encoded once and shared by
every message. A boundary belongs to one message and is the same at each attempt.

Source: RFC 2045, 2046 5.1, 2183, 2231 4, 2387, 2392; sparkpost-api 3.3.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from merpati.contracts.batch import Attachment
from merpati.message.body import Encoded
from merpati.message.dkim import relaxed_lines, without_last_blank_lines
from merpati.message.header import HeaderField, clean

TEXT_TYPES = {"text": "text/plain", "amp_html": "text/x-amp-html", "html": "text/html"}

_GAP = "\0"  # stands for the message's token in a frame; no frame can hold one otherwise
_BASE64_LINE = 76
_NOT_IN_TYPE = re.compile(r"[^ -~]")
_TYPE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s*(?:;.*)?")
_NOT_IN_CONTENT_ID = re.compile(r"[^!-;=?-~]")


@dataclass(frozen=True, slots=True)
class TextSlot:
    """Where the body of one text goes; index: its place in the content's parts."""

    index: int
    content_type: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """An attachment or inline image; data: base64 in lines of 76, without the last line end."""

    head: str
    relaxed_head: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Multipart:
    """Parts inside one boundary."""

    subtype: str
    children: Sequence[TextSlot | FilePart | Multipart]


Part = TextSlot | FilePart | Multipart


@dataclass(frozen=True, slots=True)
class Layout:
    """A flattened structure. content_type: of the whole message, None for a text by itself."""

    content_type: str | None
    steps: Sequence[str | TextSlot | FilePart]

    @property
    def header_names(self) -> list[str]:
        """The MIME fields the message's header gets, lower case."""
        names = ["mime-version", "content-type"]
        return names if self.content_type else [*names, "content-transfer-encoding"]


@dataclass(frozen=True, slots=True)
class Assembled:
    """A message's MIME fields and body; relaxed: the body in DKIM's form."""

    fields: list[HeaderField]
    wire: list[bytes]
    relaxed: list[bytes]


def layout(
    kinds: Sequence[str], images: Sequence[Attachment], attachments: Sequence[Attachment]
) -> Layout:
    """Return the structure for texts of these kinds (keys of TEXT_TYPES, plainest first)."""
    texts: list[Part] = []
    loose = [_image(image) for image in images]
    for index, kind in enumerate(kinds):
        slot = TextSlot(index, f"{TEXT_TYPES[kind]}; charset=utf-8")
        if kind == "html" and loose:
            texts.append(Multipart("related", [slot, *loose]))
            loose = []  # without html there is nothing they could be related to
        else:
            texts.append(slot)
    root = texts[0] if len(texts) == 1 else Multipart("alternative", texts)
    if files := [*loose, *map(_attachment, attachments)]:
        root = Multipart("mixed", [root, *files])
    if isinstance(root, Multipart):
        boundaries = (f"=_{_GAP}.{number}" for number in range(1, 9))
        content_type, steps = _flattened(root, boundaries)
        return Layout(content_type, _merged([*steps, "\r\n"]))
    return Layout(None, (root,))


def assemble(structure: Layout, bodies: Sequence[Encoded], token: str) -> Assembled:
    """Return a message's MIME fields and body; token: letters and digits, of this message only."""
    if structure.content_type is None:
        return _assemble_single(structure, bodies[0])
    wire: list[str] = []
    relaxed: list[str] = []
    wire_chunks: list[bytes] = []
    relaxed_chunks: list[bytes] = []
    for step in structure.steps:
        if isinstance(step, str):
            frame = step.replace(_GAP, token)
            wire.append(frame)
            relaxed.append(frame)
        elif isinstance(step, TextSlot):
            body = bodies[step.index]
            head = _text_head(step, body)
            wire += (head, body.wire)
            relaxed += (head, body.relaxed.removesuffix(" "))  # a line end follows
        else:
            wire.append(step.head)
            relaxed.append(step.relaxed_head)
            wire_chunks += (_joined(wire), step.data)
            relaxed_chunks += (_joined(relaxed), step.data)
            wire, relaxed = [], []
    wire_chunks.append(_joined(wire))
    relaxed_chunks.append(_joined(relaxed))
    content_type = structure.content_type.replace(_GAP, token)
    fields = [_VERSION, _content_type(content_type)]
    return Assembled(fields, wire_chunks, relaxed_chunks)


def _assemble_single(structure: Layout, body: Encoded) -> Assembled:
    (slot,) = structure.steps
    content_type = slot.content_type if isinstance(slot, TextSlot) else ""
    wire = body.wire if body.wire.endswith("\r\n") else body.wire + "\r\n"
    relaxed = without_last_blank_lines(body.relaxed.removesuffix(" ") + "\r\n")
    fields = [_VERSION, _content_type(content_type), _ENCODINGS[body.encoding]]
    return Assembled(fields, [wire.encode("ascii")], [relaxed.encode("ascii")])


def _joined(pieces: list[str]) -> bytes:
    return "".join(pieces).encode("ascii")


_VERSION = HeaderField("mime-version", "MIME-Version: 1.0\r\n", "mime-version:1.0\r\n")
_ENCODINGS = {
    encoding: HeaderField(
        "content-transfer-encoding",
        f"Content-Transfer-Encoding: {encoding}\r\n",
        f"content-transfer-encoding:{encoding}\r\n",
    )
    for encoding in ("7bit", "quoted-printable")
}


def _content_type(value: str) -> HeaderField:
    folded = value.replace("; boundary", ";\r\n boundary")
    return HeaderField("content-type", f"Content-Type: {folded}\r\n", f"content-type:{value}\r\n")


def _text_head(slot: TextSlot, body: Encoded) -> str:
    return (
        f"Content-Type: {slot.content_type}\r\nContent-Transfer-Encoding: {body.encoding}\r\n\r\n"
    )


# -- flattening --


def _flattened(
    root: Multipart, boundaries: Iterator[str]
) -> tuple[str, list[str | TextSlot | FilePart]]:
    boundary = next(boundaries)
    steps: list[str | TextSlot | FilePart] = []
    for child in root.children:
        steps.append(f"--{boundary}\r\n")
        if isinstance(child, Multipart):
            content_type, inner = _flattened(child, boundaries)
            folded = content_type.replace("; boundary", ";\r\n boundary")
            steps += (f"Content-Type: {folded}\r\n\r\n", *inner)
        else:
            steps.append(child)
        steps.append("\r\n")
    steps.append(f"--{boundary}--")
    return f'multipart/{root.subtype}; boundary="{boundary}"', steps


def _merged(steps: Sequence[str | TextSlot | FilePart]) -> list[str | TextSlot | FilePart]:
    """Return the steps with neighbouring frames made one."""
    merged: list[str | TextSlot | FilePart] = []
    for step in steps:
        if isinstance(step, str) and merged and isinstance(merged[-1], str):
            merged[-1] += step
        else:
            merged.append(step)
    return merged


# -- files --


def _attachment(file: Attachment) -> FilePart:
    return _file(file, f"attachment{_file_name(file.name)}", "")


def _image(file: Attachment) -> FilePart:
    content_id = _NOT_IN_CONTENT_ID.sub("", file.name)
    return _file(file, f"inline{_file_name(file.name)}", f"Content-ID: <{content_id}>\r\n")


def _file(file: Attachment, disposition: str, extra: str) -> FilePart:
    head = (
        f"Content-Type: {_file_type(file.type)}\r\n"
        f"Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {disposition}\r\n{extra}\r\n"
    )
    encoded = b64encode(file.data)
    lines = [encoded[i : i + _BASE64_LINE] for i in range(0, len(encoded), _BASE64_LINE)]
    return FilePart(head, relaxed_lines(head), b"\r\n".join(lines))


def _file_type(given: str) -> str:
    kept = _NOT_IN_TYPE.sub("", given).strip()
    # A line that could not be sent, or no type at all: the receiver may still save the file.
    return kept if len(kept) <= 900 and _TYPE.fullmatch(kept) else "application/octet-stream"


def _file_name(given: str) -> str:
    """Return the disposition's parameter for a file name, empty when there is no name."""
    name = clean(given)
    if not name:
        return ""
    if not name.isascii() or len(name) > 60:
        return ";\r\n filename*=UTF-8''" + quote(name[:255], safe="", errors="replace")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f';\r\n filename="{escaped}"'
